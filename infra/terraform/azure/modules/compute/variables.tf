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
  description = "What names begin with, such as `bridge-prod`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]([a-z0-9]|-[a-z0-9]){1,20}$", var.name))
    error_message = "Container apps are named with lower-case letters, digits and single hyphens, begin with a letter, and have 32 characters at most: 2 to 22 here. Shorten `name`."
  }
}

variable "image" {
  description = "Image of the bridge, with a version or a digest."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9.-]+(:[0-9]+)?/[a-z0-9._/-]+(:[A-Za-z0-9._-]+|@sha256:[0-9a-f]{64})$", var.image)) && !endswith(var.image, ":latest")
    error_message = "The image is REGISTRY/NAME:VERSION or REGISTRY/NAME@sha256:DIGEST; with :latest nobody knows what runs, and nothing can be rolled back."
  }
}

variable "registry_server" {
  description = "Host of the registry to sign in to with the identity; null for a public one."
  type        = string
  default     = null
}

variable "identities" {
  description = "Identities of `web`, `worker`, `export` and `scaler`."
  type        = map(object({ id = string, client_id = string, principal_id = string }))
  nullable    = false
}

variable "bot_identity_id" {
  description = "Managed identity of the bot, if that is what it is registered as."
  type        = string
  default     = null
}

variable "workspace_id" {
  description = "Log Analytics workspace that logs go to."
  type        = string
  nullable    = false
}

variable "telemetry_secret_id" {
  description = "Secret in the vault with Application Insights' connection string."
  type        = string
  nullable    = false
}

variable "settings" {
  description = "Settings of the bridge (docs/settings.md), for every process. No secrets: `secret:NAME` names one in the vault."
  type        = map(string)
  nullable    = false
}

variable "files" {
  description = "Files in /config, by name: tenants and routes."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "web" {
  description = "Web processes: how many, each with how many cores."
  type        = object({ min = number, max = number, cpu = number })
  nullable    = false

  validation {
    condition     = var.web.min >= 1 && var.web.max >= var.web.min && var.web.max <= 300
    error_message = "Web processes: 1 <= min <= max <= 300. With none, Teams' first message would find nobody."
  }
  validation {
    condition     = contains([0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2], var.web.cpu)
    error_message = "Cores of a web process are a multiple of 0.25, at most 2."
  }
}

variable "worker" {
  description = "Worker processes: how many, each with how many cores, and how many waiting messages per queue ask for one more."
  type        = object({ min = number, max = number, cpu = number, messages = number })
  nullable    = false

  validation {
    condition     = var.worker.min >= 1 && var.worker.max >= var.worker.min && var.worker.max <= 300
    error_message = "Worker processes: 1 <= min <= max <= 300. Replay, reading back and the alert at five dead letters are a worker's work, and none of them wakes one (docs/operations.md)."
  }
  validation {
    condition     = contains([0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2], var.worker.cpu)
    error_message = "Cores of a worker are a multiple of 0.25, at most 2."
  }
  validation {
    condition     = var.worker.messages >= 1
    error_message = "At least one message per worker."
  }
}

variable "scanner_image" {
  description = "Image of clamd, which runs beside each worker; null for no scanning."
  type        = string
  default     = null

  validation {
    condition     = var.scanner_image == null || can(regex(":[0-9][A-Za-z0-9._-]*$|@sha256:[0-9a-f]{64}$", var.scanner_image))
    error_message = "The scanner's image has a version or a digest."
  }
}

variable "bus" {
  description = "Service Bus: name of the namespace and of the queues that workers are scaled by."
  type        = object({ namespace = string, queues = set(string) })
  nullable    = false
}

variable "gateway_addresses" {
  description = "Addresses that may reach the web processes: the gateway's."
  type        = list(string)
  nullable    = false
}

variable "subnet_id" {
  description = "Subnet of the environment; null for Azure's own network."
  type        = string
  default     = null
}

variable "zone_redundant" {
  description = "Whether processes are spread over availability zones; takes a subnet."
  type        = bool
  default     = false
  nullable    = false
}

variable "export" {
  description = "The monthly archive: when (cron, UTC), more `options` of the command, and settings of its own. Null for none."
  type        = object({ cron = string, options = list(string), settings = map(string) })
  default     = null

  validation {
    condition = var.export == null || try(length(split(" ", var.export.cron)) == 5 && alltrue([
      for place, field in split(" ", var.export.cron) : can(regex("^[0-9*,/-]+$", field)) && alltrue([
        for number in regexall("[0-9]+", field) : tonumber(number) >= [0, 0, 1, 1, 0][place] && tonumber(number) <= [59, 23, 31, 12, 6][place]
      ])
    ]), false)
    error_message = "The schedule is a cron expression of five fields in UTC, such as \"0 1 1 * *\": minute 0 to 59, hour 0 to 23, day 1 to 31, month 1 to 12, weekday 0 to 6."
  }
}
