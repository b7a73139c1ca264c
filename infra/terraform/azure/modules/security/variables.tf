variable "place" {
  description = "Resource group, region and tags of everything in here."
  type = object({
    resource_group_name = string
    location            = string
    tags                = map(string)
  })
  nullable = false
}

variable "vault_name" {
  description = "Name of the key vault, unique in the world."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]$", var.vault_name)) && !strcontains(var.vault_name, "--")
    error_message = "A key vault is named with 3 to 24 letters, digits and single hyphens, begins with a letter and ends with a letter or digit. Shorten `name`."
  }
}

variable "name" {
  description = "What names of identities end with, such as `bridge-prod`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,39}$", var.name))
    error_message = "The name has 2 to 40 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "tenant_id" {
  description = "Entra tenant that the vault trusts."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", var.tenant_id))
    error_message = "The tenant is a directory id, such as 3f6c1d2e-7a41-4c0b-9e55-8b2d1a9f0c11 (az account show --query tenantId)."
  }
}

variable "operators" {
  description = "Object ids of the people or groups that set secrets."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "public_access" {
  description = "Whether the vault has a public address."
  type        = bool
  default     = true
  nullable    = false
}

variable "operator_ip_ranges" {
  description = "Where operators may reach the vault from although it is private (IPv4 addresses or CIDR ranges)."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "telemetry_connection_string" {
  description = "Connection string of Application Insights; kept in the vault."
  type        = string
  sensitive   = true
  nullable    = false
}

variable "registry_id" {
  description = "Id of the container registry that images are pulled from; null for a public one."
  type        = string
  default     = null
}
