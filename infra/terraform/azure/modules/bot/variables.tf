variable "place" {
  description = "Resource group, region and tags of everything in here."
  type = object({
    resource_group_name = string
    location            = string
    tags                = map(string)
  })
  nullable = false
}

variable "handle" {
  description = "Handle of the bot, unique in the world."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9_-]{3,41}$", var.handle))
    error_message = "A bot's handle has 4 to 42 letters, digits, hyphens and underscores, and begins with a letter or digit. Shorten `name`."
  }
}

variable "display_name" {
  description = "Name of the bot and its app registration, as administrators see it."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.display_name) >= 1 && length(var.display_name) <= 42
    error_message = "The display name has 1 to 42 characters."
  }
}

variable "type" {
  description = "Kind of the registration: SingleTenant (with a client secret), UserAssignedMSI (a managed identity, without one)."
  type        = string
  default     = "SingleTenant"
  nullable    = false

  validation {
    condition     = contains(["SingleTenant", "UserAssignedMSI"], var.type)
    error_message = "The bot is SingleTenant or UserAssignedMSI: Azure makes no new multi-tenant bots."
  }
}

variable "app_id" {
  description = "Client id of an app registration that exists; null to make one (takes the role Application Developer in Entra). SingleTenant only."
  type        = string
  default     = null

  validation {
    condition     = var.app_id == null || can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", var.app_id))
    error_message = "The app id is a client id, such as 7b0c1f7e-58f5-4d7d-9a0e-8c9f6a3b2d10 (az ad app list --display-name …)."
  }
}

variable "read_people" {
  description = "Whether the registration asks to read people's title, department and picture (User.Read.All)."
  type        = bool
  default     = true
  nullable    = false
}

variable "read_files" {
  description = "Whether the registration asks to read files of channels and group chats (Files.Read.All); without it agents get links."
  type        = bool
  default     = true
  nullable    = false
}

variable "tenant_id" {
  description = "Entra tenant of the registration."
  type        = string
  nullable    = false
}

variable "endpoint" {
  description = "Address that Teams posts to."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^https://[^/]+/api/messages$", var.endpoint))
    error_message = "The endpoint is https and ends in /api/messages."
  }
}

variable "sku" {
  description = "Tier of the bot: F0 or S1. Messages from Teams cost nothing in either; S1 has a service level."
  type        = string
  default     = "S1"
  nullable    = false

  validation {
    condition     = contains(["F0", "S1"], var.sku)
    error_message = "The bot's tier is F0 or S1."
  }
}

variable "insights" {
  description = "Application Insights that the Bot Service reports to: its key and app id."
  type        = object({ key = string, app_id = string })
  sensitive   = true
  nullable    = false
}

variable "cloud" {
  description = "Teams' cloud: CommercialDeployment or GCCModerateDeployment."
  type        = string
  default     = "CommercialDeployment"
  nullable    = false

  validation {
    condition     = contains(["CommercialDeployment", "GCCModerateDeployment"], var.cloud)
    error_message = "Teams' cloud is CommercialDeployment or GCCModerateDeployment."
  }
}
