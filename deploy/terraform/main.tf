# weir on a table's stream: tables, layer, function, event source mapping, role, failure queue, alarms.

terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.31" }
  }
}

data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

locals {
  arn_tail = "${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"
  table    = "arn:${data.aws_partition.current.partition}:dynamodb:${local.arn_tail}:table"
}

resource "aws_dynamodb_table" "source" {
  name             = var.source_table
  billing_mode     = "PAY_PER_REQUEST"
  hash_key         = var.source_key
  stream_enabled   = true
  stream_view_type = "NEW_AND_OLD_IMAGES"
  attribute {
    name = var.source_key
    type = "S"
  }
}

resource "aws_dynamodb_table" "history" {
  name         = var.history_table
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "product_id"
  range_key    = "timestamp"
  attribute {
    name = "product_id"
    type = "S"
  }
  attribute {
    name = "timestamp"
    type = "N"
  }
}

resource "aws_sqs_queue" "failures" {
  name                      = "${var.name}-failures"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_cloudwatch_log_group" "logs" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = 30
}

resource "aws_iam_role" "weir" {
  name = var.name
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

# `weir lambda iam` prints what other sinks need: var.extra_statements.
resource "aws_iam_role_policy" "weir" {
  name = "weir"
  role = aws_iam_role.weir.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      { Effect = "Allow", Action = ["dynamodb:ListStreams"], Resource = "*" },
      {
        Effect   = "Allow"
        Action   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
        Resource = aws_dynamodb_table.source.stream_arn
      },
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.logs.arn}:*"
      },
      { Effect = "Allow", Action = ["sqs:SendMessage"], Resource = aws_sqs_queue.failures.arn },
      {
        Effect   = "Allow"
        Action   = ["dynamodb:BatchWriteItem"]
        Resource = "${local.table}/${var.history_table}"
      },
    ], var.extra_statements)
  })
}

resource "aws_lambda_layer_version" "weir" {
  layer_name               = "weir-${var.architecture}"
  filename                 = var.layer_zip
  source_code_hash         = filebase64sha256(var.layer_zip)
  compatible_runtimes      = ["provided.al2023"]
  compatible_architectures = [var.architecture]
}

resource "aws_lambda_function" "weir" {
  function_name    = var.name
  role             = aws_iam_role.weir.arn
  runtime          = "provided.al2023"
  handler          = "weir.json"
  architectures    = [var.architecture]
  filename         = var.function_zip
  source_code_hash = filebase64sha256(var.function_zip)
  layers           = [aws_lambda_layer_version.weir.arn]
  memory_size      = 128
  timeout          = 30
  environment {
    # The switch goes together with the mapping's function_response_types below.
    variables = merge({
      WEIR_REPORT_BATCH_ITEM_FAILURES = tostring(var.report_batch_item_failures)
    }, var.environment)
  }
  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.logs.name
  }
}

resource "aws_lambda_event_source_mapping" "weir" {
  function_name                      = aws_lambda_function.weir.arn
  event_source_arn                   = aws_dynamodb_table.source.stream_arn
  starting_position                  = "TRIM_HORIZON"
  batch_size                         = 100
  maximum_batching_window_in_seconds = 0
  parallelization_factor             = 1
  maximum_retry_attempts             = 10
  maximum_record_age_in_seconds      = 43200
  bisect_batch_on_function_error     = true
  function_response_types            = var.report_batch_item_failures ? ["ReportBatchItemFailures"] : []
  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.failures.arn
    }
  }
  # `weir lambda filter` prints these patterns.
  dynamic "filter_criteria" {
    for_each = length(var.filter_patterns) > 0 ? [1] : []
    content {
      dynamic "filter" {
        for_each = var.filter_patterns
        content {
          pattern = filter.value
        }
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "iterator_age" {
  alarm_name          = "${var.name}-iterator-age"
  alarm_description   = "Records wait for more than five minutes"
  namespace           = "AWS/Lambda"
  metric_name         = "IteratorAge"
  dimensions          = { FunctionName = aws_lambda_function.weir.function_name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 5
  threshold           = 300000
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
}

resource "aws_cloudwatch_metric_alarm" "failures" {
  alarm_name          = "${var.name}-failures"
  alarm_description   = "The mapping gave up on a batch"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.failures.name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
}
