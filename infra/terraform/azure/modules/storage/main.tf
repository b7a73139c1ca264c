# Files on their way, and archives. Nothing in it is public; there are no account keys.

locals {
  files    = "bridge-files"
  archives = "archives"
  final    = "archives-final"

  # Monthly archives that have had their time are deleted by the export; a final one is written once and stays.
  blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
  archive_rights = {
    (local.archives) = ["${local.blobs}/read", "${local.blobs}/write", "${local.blobs}/add/action", "${local.blobs}/delete"]
    (local.final)    = ["${local.blobs}/read", "${local.blobs}/write", "${local.blobs}/add/action"]
  }
  writing = { for pair in setproduct(keys(var.archivists), keys(local.archive_rights)) : "${pair[0]} ${pair[1]}" => pair }
  reading = { for pair in setproduct(var.archive_readers, keys(local.archive_rights)) : "${pair[0]} ${pair[1]}" => pair }
}

resource "azurerm_storage_account" "bridge" {
  #checkov:skip=CKV_AZURE_35:denied with private networking; without it Container Apps have no fixed addresses to allow, and Freshchat reads signed addresses
  #checkov:skip=CKV_AZURE_33:logged by a diagnostic setting (modules/observability); the check knows the older way only
  #checkov:skip=CKV2_AZURE_33:an option: private_networking
  #checkov:skip=CKV2_AZURE_1:encrypted twice with keys of Microsoft's; a key of our own is one more thing that can be lost

  name                = var.account_name
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  tags                = var.place.tags

  account_kind             = "StorageV2"
  account_tier             = "Standard"
  account_replication_type = var.replication

  allow_nested_items_to_be_public   = false
  cross_tenant_replication_enabled  = false
  default_to_oauth_authentication   = true
  https_traffic_only_enabled        = true
  infrastructure_encryption_enabled = true
  local_user_enabled                = false
  min_tls_version                   = "TLS1_2"
  public_network_access_enabled     = var.public_access
  shared_access_key_enabled         = false

  blob_properties {
    delete_retention_policy {
      days = 7
    }
    container_delete_retention_policy {
      days = 7
    }
  }

  # Event Grid, a trusted service, writes to the queue of expiring secrets.
  network_rules {
    default_action = var.public_access ? "Allow" : "Deny"
    bypass         = ["AzureServices"]
  }
}

resource "azurerm_storage_container" "blobs" {
  #checkov:skip=CKV2_AZURE_21:logged by a diagnostic setting (modules/observability); the check knows the older way only

  for_each = toset([local.files, local.archives, local.final])

  name                  = each.key
  storage_account_id    = azurerm_storage_account.bridge.id
  container_access_type = "private"
}

resource "azurerm_storage_container_immutability_policy" "final" {
  storage_container_resource_manager_id = azurerm_storage_container.blobs[local.final].id
  immutability_period_in_days           = var.final_days
  locked                                = var.final_locked
}

resource "azurerm_storage_management_policy" "retention" {
  storage_account_id = azurerm_storage_account.bridge.id

  dynamic "rule" {
    for_each = { (local.files) = var.attachment_days, (local.archives) = var.archive_days }
    content {
      name    = rule.key
      enabled = true

      filters {
        prefix_match = ["${rule.key}/"]
        blob_types   = ["blockBlob"]
      }
      actions {
        base_blob {
          delete_after_days_since_creation_greater_than = rule.value
        }
      }
    }
  }
}

resource "azurerm_role_assignment" "files" {
  for_each = var.file_users

  scope                = azurerm_storage_container.blobs[local.files].id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = each.value
  principal_type       = "ServicePrincipal"
}

# Addresses are signed with a key that only the account as a whole gives out.
resource "azurerm_role_assignment" "signing" {
  for_each = var.file_users

  scope                = azurerm_storage_account.bridge.id
  role_definition_name = "Storage Blob Delegator"
  principal_id         = each.value
  principal_type       = "ServicePrincipal"
}

# Azure's own role for writing blobs would allow to delete any of them, and the container.
resource "azurerm_role_definition" "archivist" {
  for_each = local.archive_rights

  name        = "${var.account_name} ${each.key} writer"
  description = "Writes ${each.key} of the bridge."
  scope       = var.resource_group_id

  permissions {
    actions      = ["Microsoft.Storage/storageAccounts/blobServices/containers/read"]
    data_actions = each.value
  }
}

resource "azurerm_role_assignment" "archivist" {
  for_each = local.writing

  scope              = azurerm_storage_container.blobs[each.value[1]].id
  role_definition_id = azurerm_role_definition.archivist[each.value[1]].role_definition_resource_id
  principal_id       = var.archivists[each.value[0]]
  principal_type     = "ServicePrincipal"
}

resource "azurerm_role_assignment" "archive_reader" {
  for_each = local.reading

  scope                = azurerm_storage_container.blobs[each.value[1]].id
  role_definition_name = "Storage Blob Data Reader"
  principal_id         = each.value[0]
}
