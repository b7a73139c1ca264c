variable "place" {
  description = "Resource group, region and tags of everything in here."
  type = object({
    resource_group_name = string
    location            = string
    tags                = map(string)
  })
  nullable = false
}

variable "namespace_name" {
  description = "Name of the Service Bus namespace, unique in the world."
  type        = string
  nullable    = false

  validation {
    condition = (
      can(regex("^[a-zA-Z][a-zA-Z0-9-]{4,48}[a-zA-Z0-9]$", var.namespace_name)) &&
      !can(regex("(-sb|-mgmt)$", var.namespace_name))
    )
    error_message = "A Service Bus namespace is named with 6 to 50 letters, digits and hyphens, begins with a letter and does not end with a hyphen, -sb or -mgmt. Shorten `name`."
  }
}

variable "sku" {
  description = "Tier: Standard, or Premium (private networking, more operations a second)."
  type        = string
  default     = "Standard"
  nullable    = false

  validation {
    condition     = contains(["Standard", "Premium"], var.sku)
    error_message = "The tier is Standard or Premium: Basic has no sessions, and without those messages lose their order."
  }
}

variable "units" {
  description = "Messaging units of Premium (1, 2, 4, 8 or 16); 0 for Standard."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = contains([0, 1, 2, 4, 8, 16], var.units)
    error_message = "Messaging units are 1, 2, 4, 8 or 16 (0 for Standard)."
  }
}

variable "lock_duration" {
  description = "How long a session stays locked after its worker was last heard of (ISO 8601)."
  type        = string
  default     = "PT1M"
  nullable    = false

  validation {
    condition     = can(regex("^PT([1-4]M([0-5]?[0-9]S)?|5M)$", var.lock_duration))
    error_message = "The lock lasts from one minute to five, such as PT1M or PT2M30S: a shorter one is lost by a short stall of a worker."
  }
}

variable "public_access" {
  description = "Whether the namespace has a public address."
  type        = bool
  default     = true
  nullable    = false
}

variable "users" {
  description = "Principals that send to and receive from both queues, by name. Every process does both."
  type        = map(string)
  nullable    = false
}

variable "scaler_principal_id" {
  description = "Principal that reads the queues' length to scale workers."
  type        = string
  nullable    = false
}
