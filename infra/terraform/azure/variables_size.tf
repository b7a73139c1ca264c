# How large, how safe, at what price. docs/scaling.md has the figures.

variable "service_bus" {
  description = "Queues: `sku` Standard or Premium, messaging `units` of Premium."
  type = object({
    sku   = optional(string, "Standard")
    units = optional(number, 0)
  })
  default  = {}
  nullable = false
}

variable "cosmos_max_throughput" {
  description = "Autoscale maximum of Cosmos DB, in RU/s."
  type        = number
  default     = 1000
  nullable    = false
}

variable "web" {
  description = "Web processes: `min`, `max`, `cpu` cores each."
  type        = object({ min = number, max = number, cpu = optional(number, 1) })
  default     = { min = 2, max = 4 }
  nullable    = false
}

variable "worker" {
  description = "Worker processes: `min`, `max`, `cpu` cores each, and how many waiting `messages` per queue ask for one more."
  type        = object({ min = number, max = number, cpu = optional(number, 1), messages = optional(number, 200) })
  default     = { min = 2, max = 4 }
  nullable    = false
}

variable "scan_files" {
  description = "Whether files are scanned for viruses (clamd beside each worker). Without it no file is carried: in production what cannot be scanned is kept out."
  type        = bool
  default     = true
  nullable    = false
}

variable "scanner_image" {
  description = "Image of clamd, with a version."
  type        = string
  default     = "docker.io/clamav/clamav:1.4.3"
  nullable    = false
}

variable "gateway" {
  description = "Doors: `tier` of API Management, `waf_tier` of Front Door, `requests_per_minute` that one caller's address may make, `publisher` (who runs it)."
  type = object({
    tier                = optional(string, "Basic_1")
    waf_tier            = optional(string, "Standard")
    requests_per_minute = optional(number, 6000)
    publisher           = object({ name = string, email = string })
  })
  nullable = false
}

variable "replication" {
  description = "Copies of files and archives: LRS, ZRS, GRS or GZRS."
  type        = string
  default     = "ZRS"
  nullable    = false
}

variable "zone_redundant" {
  description = "Whether processes and Cosmos DB are spread over availability zones; takes private_networking."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.zone_redundant || var.private_networking
    error_message = "Zones take a network of our own: set private_networking = true, or zone_redundant = false."
  }
}

variable "private_networking" {
  description = "Whether the stores have private addresses only; takes Premium of Service Bus."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.private_networking || var.service_bus.sku == "Premium"
    error_message = "Only Premium of Service Bus can be without a public address: set service_bus = { sku = \"Premium\", units = 1 }, or private_networking = false."
  }
}

variable "private_files" {
  description = "Whether private_networking includes files: then only the processes can read them, and links to them do not open for people."
  type        = bool
  default     = true
  nullable    = false
}

variable "address_space" {
  description = "Addresses of the private network: a CIDR range of /22 or larger."
  type        = string
  default     = "10.90.0.0/22"
  nullable    = false
}

variable "operators" {
  description = "Entra object ids of the people or groups that set secrets in the vault."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.operators) > 0 && alltrue([for id in var.operators : can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", id))])
    error_message = "At least one object id, such as that of az ad signed-in-user show --query id: somebody has to put the secrets into the vault."
  }
}

variable "operator_ip_ranges" {
  description = "Where operators may reach the vault from although it is private (IPv4 addresses or CIDR ranges)."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for range in var.operator_ip_ranges : can(cidrhost(strcontains(range, "/") ? range : "${range}/32", 0))])
    error_message = "Write addresses as 203.0.113.7 or ranges as 203.0.113.0/24."
  }
}

variable "retention" {
  description = "Days that things are kept: `attachments`, monthly `archives`, `logs`; `final` archives cannot be changed for so long, and are never deleted. `final_locked` makes that irrevocable."
  type = object({
    attachments  = optional(number, 30)
    archives     = optional(number, 366)
    final        = optional(number, 3650)
    final_locked = optional(bool, false)
    logs         = optional(number, 30)
  })
  default  = {}
  nullable = false
}

variable "export_cron" {
  description = "When the monthly archive is made: cron with five fields, in UTC and nothing else. 01:00 UTC on the 1st is 10:00 in Seoul; cron knows no last day of a month, so 01:00 in Seoul is the one on the 2nd, 0 16 1 * *."
  type        = string
  default     = "0 1 1 * *"
  nullable    = false
}

variable "alert_emails" {
  description = "Who is written to when something is wrong."
  type        = set(string)
  nullable    = false
}

variable "budget" {
  description = "Expected cost a month, in the currency of the subscription."
  type        = number
  nullable    = false
}

variable "delete_lock" {
  description = "Whether queues, thread map and archives are locked against deletion. Set it to false and apply before `terraform destroy`."
  type        = bool
  default     = true
  nullable    = false
}
