variable "subscription_id" {
  description = "Azure subscription to install into."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", var.subscription_id))
    error_message = "The subscription is an id, such as 0f8b5a3e-3c1d-4b1e-9f44-6d0f2f0b7a11 (az account show --query id)."
  }
}

variable "tenant_id" {
  description = "Entra tenant of the subscription and of the bot."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", var.tenant_id))
    error_message = "The tenant is a directory id, such as 3f6c1d2e-7a41-4c0b-9e55-8b2d1a9f0c11 (az account show --query tenantId)."
  }
}

variable "name" {
  description = "Short name that all names begin with."
  type        = string
  default     = "bridge"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,9}$", var.name))
    error_message = "The name has 2 to 10 lower-case letters and digits and begins with a letter: storage accounts and key vaults allow no more."
  }
}

variable "environment" {
  description = "Which installation this is: dev, stg or prod."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["dev", "stg", "prod"], var.environment)
    error_message = "The environment is dev, stg or prod."
  }
}

variable "suffix" {
  description = "End of the names that must be unique in the world; null to take one from subscription, name and environment. Set it when a name is taken."
  type        = string
  default     = null

  validation {
    condition     = var.suffix == null || can(regex("^[a-z0-9]{3,5}$", var.suffix))
    error_message = "The suffix has 3 to 5 lower-case letters and digits."
  }
}

variable "location" {
  description = "Azure region, such as koreacentral or westeurope."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+[a-z0-9]*$", var.location))
    error_message = "The region is written in one word of lower-case letters, such as koreacentral (az account list-locations --query [].name)."
  }
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "display_name" {
  description = "Name of the bot, as administrators see it."
  type        = string
  default     = "Support Desk"
  nullable    = false
}

variable "public_host" {
  description = "Name of our own for the doors, such as bridge.contoso.com; null for the one that Front Door gives."
  type        = string
  default     = null
}

variable "image" {
  description = "Image of the bridge, with a version or a digest, such as contoso.azurecr.io/bridge:1.0.0."
  type        = string
  nullable    = false
}

variable "registry_id" {
  description = "Id of the Azure container registry that the image is in; null for a public one."
  type        = string
  default     = null

  validation {
    condition     = var.registry_id == null || can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.ContainerRegistry/registries/[a-zA-Z0-9]{5,50}$", var.registry_id))
    error_message = "The registry is a resource id, such as /subscriptions/…/providers/Microsoft.ContainerRegistry/registries/contoso (az acr show --name contoso --query id)."
  }
}

variable "bot" {
  description = "The bot: `type` SingleTenant or UserAssignedMSI, `app_id` of a registration that exists (null: one is made), `sku` F0 or S1, `cloud` of Teams."
  type = object({
    type   = optional(string, "SingleTenant")
    app_id = optional(string)
    sku    = optional(string, "S1")
    cloud  = optional(string, "CommercialDeployment")
  })
  default  = {}
  nullable = false
}

variable "graph_client_id" {
  description = "App registration that the service account signs in to; null for the bot's. A UserAssignedMSI bot has none, so answers go through the bot unless one is named here."
  type        = string
  default     = null
}

variable "freshchat" {
  description = "The only Freshchat account: `api_url` (its Chat URL), `channel_id` (inbox for questions), `webhook_scheme` rsa or hmac. Null with `tenants_file`."
  type = object({
    api_url        = string
    channel_id     = string
    webhook_scheme = optional(string, "rsa")
  })
  default = null

  validation {
    condition     = var.freshchat == null || contains(["rsa", "hmac"], try(var.freshchat.webhook_scheme, "rsa"))
    error_message = "freshchat.webhook_scheme is rsa (Freshchat itself) or hmac (a gateway)."
  }
  validation {
    condition     = (var.freshchat == null) != (var.tenants_file == null)
    error_message = "Set either freshchat (one account) or tenants_file (several), not both and not neither."
  }
}

variable "tenants_file" {
  description = "Path of tenants.toml for several Freshchat accounts (docs/setup.md); its secrets are named with `secret:NAME`."
  type        = string
  default     = null

  validation {
    condition     = var.tenants_file == null || try(fileexists(var.tenants_file), false)
    error_message = "There is no such tenants_file: give its path as seen from the folder where terraform runs."
  }
  validation {
    condition = var.tenants_file == null || try(alltrue([
      for line in split("\n", file(var.tenants_file)) :
      !can(regex("^\\s*(api_key|webhook_token)\\s*=", line)) || can(regex("=\\s*\"secret:[^\"]+\"", line))
    ]), true)
    error_message = "tenants_file holds a secret: write api_key and webhook_token as \"secret:NAME\" and put the value into the vault."
  }
}

variable "routing_file" {
  description = "Path of routing.toml of the only Freshchat account; null for none."
  type        = string
  default     = null

  validation {
    condition     = var.routing_file == null || try(fileexists(var.routing_file), false)
    error_message = "There is no such routing_file: give its path as seen from the folder where terraform runs."
  }
}

variable "freshdesk_domain" {
  description = "Freshdesk account that is archived too, such as contoso.freshdesk.com; null for none."
  type        = string
  default     = null
}

variable "settings" {
  description = "More settings of the bridge (docs/settings.md), by name."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for name, value in var.settings :
      !can(regex("(?i)(password|secret|token|_key|_keys|connection_string)$", name)) || startswith(value, "secret:") || strcontains(value, "PUBLIC KEY")
    ])
    error_message = "settings holds a secret: write \"secret:NAME\" and put the value into the vault (az keyvault secret set)."
  }
}
