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
  description = "Name of the storage account, unique in the world."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]{3,24}$", var.account_name))
    error_message = "A storage account is named with 3 to 24 lower-case letters and digits, and nothing else. Shorten `name`."
  }
}

variable "replication" {
  description = "Copies of the data: LRS (one building), ZRS (three zones), GRS or GZRS (another region as well)."
  type        = string
  default     = "ZRS"
  nullable    = false

  validation {
    condition     = contains(["LRS", "ZRS", "GRS", "GZRS"], var.replication)
    error_message = "The replication is LRS, ZRS, GRS or GZRS."
  }
}

variable "attachment_days" {
  description = "Days after which an attachment is deleted."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.attachment_days >= 8 && var.attachment_days <= 3650
    error_message = "Attachments are kept for 8 to 3650 days: a message may wait for a week, and its files must still be there then."
  }
}

variable "archive_days" {
  description = "Days after which a monthly archive is deleted."
  type        = number
  default     = 366
  nullable    = false

  validation {
    condition     = var.archive_days >= 366
    error_message = "Monthly archives are kept for twelve months: 366 days at least, for the sake of leap years."
  }
}

variable "final_days" {
  description = "Days for which event and final archives can be neither changed nor deleted; no rule deletes them after."
  type        = number
  default     = 3650
  nullable    = false

  validation {
    condition     = var.final_days >= 1 && var.final_days <= 146000
    error_message = "The immutability period is 1 to 146000 days."
  }
}

variable "final_locked" {
  description = "Lock the immutability period for good: from then on it can be made longer, never shorter, and the account cannot be deleted before its end."
  type        = bool
  default     = false
  nullable    = false
}

variable "public_access" {
  description = "Whether the account has a public address."
  type        = bool
  default     = true
  nullable    = false
}

variable "file_users" {
  description = "Principals that read and write attachments and sign addresses for them, by name."
  type        = map(string)
  nullable    = false
}

variable "archivists" {
  description = "Principals that write archives, by name; of monthly ones they also delete the old."
  type        = map(string)
  nullable    = false
}

variable "archive_readers" {
  description = "Object ids of the people or groups that fetch archives."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "resource_group_id" {
  description = "Id of the resource group, where the roles for writing archives are defined."
  type        = string
  nullable    = false
}
