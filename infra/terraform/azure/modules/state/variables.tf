variable "place" {
  description = "Resource group, region and tags of everything in here."
  type = object({
    resource_group_name = string
    location            = string
    tags                = map(string)
  })
  nullable = false
}

variable "account_name" {
  description = "Name of the Cosmos DB account, unique in the world."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,42}[a-z0-9]$", var.account_name))
    error_message = "A Cosmos DB account is named with 3 to 44 lower-case letters, digits and hyphens, without a hyphen at either end. Shorten `name`."
  }
}

variable "max_throughput" {
  description = "Autoscale maximum of the database, in RU/s; a tenth of it is always paid."
  type        = number
  default     = 1000
  nullable    = false

  validation {
    condition     = var.max_throughput >= 1000 && var.max_throughput <= 1000000 && var.max_throughput % 1000 == 0
    error_message = "The autoscale maximum is 1000 RU/s or more, in steps of 1000 (docs/scaling.md says how many)."
  }
}

variable "zone_redundant" {
  description = "Whether replicas are spread over availability zones; a quarter more expensive."
  type        = bool
  default     = false
  nullable    = false
}

variable "backup_tier" {
  description = "How far back the account can be restored to any second: Continuous7Days or Continuous30Days."
  type        = string
  default     = "Continuous7Days"
  nullable    = false

  validation {
    condition     = contains(["Continuous7Days", "Continuous30Days"], var.backup_tier)
    error_message = "The backup is Continuous7Days or Continuous30Days."
  }
}

variable "public_access" {
  description = "Whether the account has a public address."
  type        = bool
  default     = true
  nullable    = false
}

variable "writers" {
  description = "Principals that read and write items, by name."
  type        = map(string)
  nullable    = false
}

variable "readers" {
  description = "Principals that read items, by name."
  type        = map(string)
  default     = {}
  nullable    = false
}
