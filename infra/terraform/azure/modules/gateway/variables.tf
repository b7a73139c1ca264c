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
  description = "Name of the gateway, unique in the world."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z]([a-zA-Z0-9-]{0,44}[a-zA-Z0-9])?$", var.name))
    error_message = "API Management and Front Door are named with letters, digits and hyphens, begin with a letter and end with a letter or digit; 46 characters at most. Shorten `name`."
  }
}

variable "publisher" {
  description = "Who runs the gateway: name and mail address; Azure writes there about the service."
  type        = object({ name = string, email = string })
  nullable    = false

  validation {
    condition     = can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", var.publisher.email)) && length(var.publisher.name) > 0
    error_message = "The publisher has a name and a mail address, such as { name = \"Contoso IT\", email = \"it@contoso.com\" }."
  }
}

variable "tier" {
  description = "Tier and units of API Management."
  type        = string
  default     = "Basic_1"
  nullable    = false

  validation {
    condition     = can(regex("^(Developer_1|Basic_[12]|Standard_[1-4]|Premium_([1-9]|1[0-2]))$", var.tier))
    error_message = "The tier is Developer_1 (no service level), Basic_1, Basic_2, Standard_1 to _4 or Premium_1 to _12. Consumption has no rate limit by caller, and neither it nor the v2 tiers have addresses of their own."
  }
}

variable "waf_tier" {
  description = "Tier of Front Door: Standard (own rules), Premium (Microsoft's rule set too)."
  type        = string
  default     = "Standard"
  nullable    = false

  validation {
    condition     = contains(["Standard", "Premium"], var.waf_tier)
    error_message = "Front Door's tier is Standard or Premium."
  }
}

variable "public_host" {
  description = "Name of our own for the doors, such as bridge.contoso.com; null for the one that Front Door gives."
  type        = string
  default     = null

  validation {
    condition     = var.public_host == null || can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,}$", var.public_host))
    error_message = "The public host is a DNS name in lower case, such as bridge.contoso.com, without https:// and path."
  }
}

variable "backend_host" {
  description = "Host of the web processes."
  type        = string
  nullable    = false
}

variable "requests_per_minute" {
  description = "Most requests that one caller's address may make in a minute. All of Teams comes from few addresses, all of Freshchat too."
  type        = number
  default     = 6000
  nullable    = false

  validation {
    condition     = var.requests_per_minute >= 600 && var.requests_per_minute <= 100000
    error_message = "The limit is 600 to 100000 requests a minute: four times the expected peak, at least (docs/scaling.md, messages/s)."
  }
}

variable "body_limit" {
  description = "Largest body in bytes; the doors take no larger one either."
  type        = number
  default     = 1048576
  nullable    = false

  validation {
    condition     = var.body_limit >= 262144 && var.body_limit <= 1048576
    error_message = "The body limit is 262144 to 1048576 bytes: Teams sends up to a quarter of a megabyte, and the doors take one."
  }
}
