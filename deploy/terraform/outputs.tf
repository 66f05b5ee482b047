output "function_name" {
  value = aws_lambda_function.weir.function_name
}

output "failures_url" {
  value = aws_sqs_queue.failures.url
}
