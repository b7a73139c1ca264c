mock_provider "azurerm" {}

variables {
  place        = { resource_group_name = "rg-bridge-dev", location = "koreacentral", tags = {} }
  account_name = "stbridgedev1a2b3"
  file_users   = { web = "web-principal", worker = "worker-principal" }
  archivists   = { export = "export-principal" }

  archive_readers   = ["0f8b5a3e-3c1d-4b1e-9f44-6d0f2f0b7a11"]
  resource_group_id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-bridge-dev"
}

run "stores_and_who_may_use_them" {
  command = plan

  assert {
    condition     = !azurerm_storage_account.bridge.shared_access_key_enabled && !azurerm_storage_account.bridge.allow_nested_items_to_be_public
    error_message = "No account keys, no public blobs."
  }
  assert {
    condition     = alltrue([for container in azurerm_storage_container.blobs : container.container_access_type == "private"])
    error_message = "All containers are private."
  }
  assert {
    condition     = { for name, role in azurerm_role_definition.archivist : name => contains(role.permissions[0].data_actions, "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete") } == { archives = true, archives-final = false }
    error_message = "The export deletes old monthly archives, and never a final one."
  }
  assert {
    condition     = alltrue([for role in azurerm_role_definition.archivist : role.permissions[0].actions == tolist(["Microsoft.Storage/storageAccounts/blobServices/containers/read"])])
    error_message = "The export deletes no container and changes no settings."
  }
  assert {
    condition     = toset([for grant in azurerm_role_assignment.archivist : grant.principal_id]) == toset(["export-principal"]) && toset([for grant in azurerm_role_assignment.files : grant.principal_id]) == toset(["web-principal", "worker-principal"])
    error_message = "The servers reach no archive, the export no attachment."
  }
  assert {
    condition     = length(azurerm_role_assignment.archive_reader) == 2 && alltrue([for grant in azurerm_role_assignment.archive_reader : grant.role_definition_name == "Storage Blob Data Reader"])
    error_message = "Auditors read both containers and write none."
  }
  assert {
    condition = { for rule in azurerm_storage_management_policy.retention.rule : one(rule.filters[0].prefix_match) => rule.actions[0].base_blob[0].delete_after_days_since_creation_greater_than } == {
      "bridge-files/" = 30
      "archives/"     = 366
    }
    error_message = "Attachments go after 30 days, monthly archives after twelve months, and no rule touches final ones."
  }
  assert {
    condition     = azurerm_storage_container_immutability_policy.final.immutability_period_in_days == 3650
    error_message = "Final archives cannot be changed."
  }
}

run "what_is_wrong_is_refused" {
  command = plan
  variables {
    archive_days    = 365
    attachment_days = 3
    account_name    = "st-bridge-dev"
    replication     = "RAGRS"
    final_days      = 0
  }
  expect_failures = [var.archive_days, var.attachment_days, var.account_name, var.replication, var.final_days]
}

run "private_denies" {
  command = plan
  variables { public_access = false }

  assert {
    condition     = azurerm_storage_account.bridge.network_rules[0].default_action == "Deny" && !azurerm_storage_account.bridge.public_network_access_enabled
    error_message = "A private account denies."
  }
}
