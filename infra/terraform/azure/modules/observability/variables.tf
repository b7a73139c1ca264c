variable "place" {
  description = "Resource group, region and tags of everything in here."
  type = object({
    resource_group_name = string
    location            = string
    tags                = map(string)
  })
  nullable = false
}

variable "name" {
  description = "What names end with, such as `bridge-prod`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,39}$", var.name))
    error_message = "The name has 2 to 40 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "resource_group_id" {
  description = "Id of the resource group that the budget counts."
  type        = string
  nullable    = false
}

variable "retention_days" {
  description = "Days that logs and traces are kept; the first 30 cost nothing."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([30, 60, 90, 120, 180, 270, 365, 550, 730], var.retention_days)
    error_message = "Logs are kept for 30, 60, 90, 120, 180, 270, 365, 550 or 730 days."
  }
}

variable "daily_gb" {
  description = "Most gigabytes of logs a day; -1 for no limit. What comes beyond it is lost, and alerts are blind until midnight."
  type        = number
  default     = -1
  nullable    = false

  validation {
    condition     = var.daily_gb == -1 || var.daily_gb >= 1
    error_message = "The daily limit is 1 GB or more, or -1 for none."
  }
}

variable "alert_emails" {
  description = "Who is written to when something is wrong."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.alert_emails) > 0 && alltrue([for mail in var.alert_emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", mail))])
    error_message = "At least one mail address, such as [\"bridge-operators@contoso.com\"]: an alert that nobody reads is none."
  }
}

variable "budget" {
  description = "Expected cost a month, in the currency of the subscription; alerts at 80 % and when 100 % is forecast."
  type        = number
  nullable    = false

  validation {
    condition     = var.budget >= 1
    error_message = "The budget is 1 or more a month (docs/scaling.md and the README have figures)."
  }
}

variable "public_host" {
  description = "Host whose /healthz is asked from outside."
  type        = string
  nullable    = false
}

variable "namespace_id" {
  description = "Service Bus namespace with the queues."
  type        = string
  nullable    = false
}

variable "vault_id" {
  description = "Vault whose secrets expire."
  type        = string
  nullable    = false
}

variable "storage_account_id" {
  description = "Storage account that keeps a note of each secret that expires."
  type        = string
  nullable    = false
}

variable "logged" {
  description = "Resources whose logs are kept, by name: id and categories."
  type        = map(object({ id = string, categories = set(string) }))
  default     = {}
  nullable    = false
}
