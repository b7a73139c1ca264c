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
    condition     = can(regex("^[a-z][a-z0-9-]{0,38}[a-z0-9]$", var.name))
    error_message = "The name has 2 to 40 lower-case letters, digits and hyphens, begins with a letter and ends with a letter or digit."
  }
}

variable "resource_group_id" {
  description = "Id of the resource group, where the DNS zones are."
  type        = string
  nullable    = false
}

variable "address_space" {
  description = "Addresses of the network: a CIDR range of /22 or larger that nothing else uses."
  type        = string
  default     = "10.90.0.0/22"
  nullable    = false

  validation {
    condition     = can(cidrhost(var.address_space, 0)) && try(tonumber(split("/", var.address_space)[1]), 32) <= 22
    error_message = "The network takes a CIDR range of /22 or larger, such as 10.90.0.0/22."
  }
}

variable "gateway_addresses" {
  description = "Addresses that may reach the web processes: the gateway's."
  type        = list(string)
  nullable    = false
}

variable "endpoints" {
  description = "Services that get a private address, by name: id, sub-resource and DNS zone of each."
  type        = map(object({ id = string, subresource = string, zone = string }))
  nullable    = false
}
