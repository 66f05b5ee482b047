variable "name" {
  type        = string
  default     = "weir"
  description = "Of the function and what belongs to it."
}

variable "architecture" {
  type    = string
  default = "x86_64"
  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "x86_64 or arm64."
  }
}

variable "layer_zip" {
  type        = string
  description = "weir-layer-x86_64.zip or weir-layer-arm64.zip, as scripts/layer makes them."
}

variable "function_zip" {
  type        = string
  description = "weir-function.zip: weir.json, and own plugins in plugins/."
}

variable "source_table" {
  type    = string
  default = "Products"
}

variable "source_key" {
  type    = string
  default = "product_id"
}

variable "history_table" {
  type    = string
  default = "PriceHistory"
}

variable "report_batch_item_failures" {
  type        = bool
  default     = true
  description = "Sets the mapping's ReportBatchItemFailures and weir's own switch; the config must read that: lambda.report_batch_item_failures = \"$${WEIR_REPORT_BATCH_ITEM_FAILURES:-false}\"."
}

variable "environment" {
  type        = map(string)
  default     = {}
  description = "Variables that the config names."
}

variable "extra_statements" {
  type        = list(any)
  default     = []
  description = "IAM statements for sinks other than pricehistory."
}

variable "filter_patterns" {
  type        = list(string)
  default     = []
  description = "Patterns of the mapping's filter."
}
