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

  validation {
    condition     = length(var.tags) <= 13 && alltrue([for name, value in var.tags : can(regex("^[^<>%&\\\\?/]{1,128}$", name)) && length(value) <= 256])
    error_message = "At most 13 tags (two are ours, some services take 15), names of up to 128 characters without <>%&\\?/, values of up to 256."
  }
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
  description = "The bot: `type` SingleTenant or UserAssignedMSI, `app_id` of a registration that exists (null: one is made), `sku` F0 or S1, `cloud` of Teams; whether it may `read_people` (their title, department and picture) and `read_files` of channels and group chats in Microsoft 365."
  type = object({
    type        = optional(string, "SingleTenant")
    app_id      = optional(string)
    sku         = optional(string, "S1")
    cloud       = optional(string, "CommercialDeployment")
    read_people = optional(bool, true)
    read_files  = optional(bool, true)
  })
  default  = {}
  nullable = false
}

variable "graph_client_id" {
  description = "App registration that the service account signs in to; null for the bot's. A UserAssignedMSI bot has none, so answers go through the bot unless one is named here."
  type        = string
  default     = null

  validation {
    condition     = var.graph_client_id == null || can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", var.graph_client_id))
    error_message = "graph_client_id is a client id, such as 7b0c1f7e-58f5-4d7d-9a0e-8c9f6a3b2d10 (az ad app list --display-name …)."
  }
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
    condition     = var.freshchat == null || can(regex("^(https://)?([a-z0-9-]+\\.)+(freshchat|myfreshworks)\\.com(/v2)?/?$", try(var.freshchat.api_url, ""))) || contains(keys(var.settings), "FRESHCHAT_HOST_ALLOWLIST")
    error_message = "freshchat.api_url is the account's Chat URL, such as contoso-1234.freshchat.com: the API token goes to freshchat.com and myfreshworks.com only, unless settings has FRESHCHAT_HOST_ALLOWLIST."
  }
  validation {
    condition     = var.freshchat == null || can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", try(var.freshchat.channel_id, "")))
    error_message = "freshchat.channel_id is the id of an inbox, such as 1b2c3d4e-0000-4000-8000-000000000001 (GET /v2/channels of the account)."
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
      for tenant in split("[[tenant]]", file(var.tenants_file)) : alltrue([
        for name in strcontains(tenant, "hmac") ? ["api_key", "webhook_token", "webhook_keys"] : ["api_key", "webhook_token"] :
        length(regexall("\\b${name}[\"']?\\s*=", tenant)) == length(regexall("\\b${name}[\"']?\\s*=\\s*[\"']secret:", tenant))
      ])
    ]), true)
    error_message = "tenants_file holds a secret: write api_key, webhook_token and the webhook_keys of hmac as \"secret:NAME\" and put the value into the vault. (Public keys of rsa may stand in it.)"
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

  validation {
    condition     = var.freshdesk_domain == null || can(regex("^[a-z0-9][a-z0-9-]*(\\.freshdesk\\.com)?$", var.freshdesk_domain)) || contains(keys(var.settings), "FRESHDESK_HOST_ALLOWLIST")
    error_message = "freshdesk_domain is contoso.freshdesk.com, without https:// and path: the API key goes to freshdesk.com only, unless settings has FRESHDESK_HOST_ALLOWLIST."
  }
}

variable "archive_recipients" {
  description = "Public age keys that the monthly archive is encrypted for (python -m bridgectl export stored key); who holds a private one can read it. [] for no monthly archive."
  type        = list(string)
  nullable    = false

  validation {
    condition     = alltrue([for key in var.archive_recipients : can(regex("^age1[0-9a-z]{58}$", key))])
    error_message = "archive_recipients are public age keys: age1 and 58 letters and digits. A private one (AGE-SECRET-KEY-…) never belongs here."
  }
}

variable "archive_tenant" {
  description = "Which account of tenants_file the monthly archive is of: name or tenant id. Null without tenants_file."
  type        = string
  default     = null

  validation {
    condition     = var.archive_tenant == null || var.tenants_file != null
    error_message = "archive_tenant chooses among the accounts of tenants_file: leave it out with freshchat."
  }
  validation {
    condition     = var.archive_tenant != null || var.tenants_file == null || length(var.archive_recipients) == 0
    error_message = "The monthly archive is of one account: name it with archive_tenant, or set archive_recipients = []."
  }
}

variable "archive_readers" {
  description = "Entra object ids of the people or groups that fetch archives; to read one takes the private key as well."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.archive_readers : can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", id))])
    error_message = "archive_readers are object ids, such as that of az ad group show --group auditors --query id."
  }
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
