mock_provider "azurerm" {}

variables {
  place        = { resource_group_name = "rg-bridge-dev", location = "koreacentral", tags = {} }
  account_name = "stbridgedev1a2b3"
  file_users   = { web = "web-principal", worker = "worker-principal" }
  archivists   = { export = "export-principal" }
}

run "nothing_is_public_and_there_are_no_keys" {
  command = plan

  assert {
    condition     = !azurerm_storage_account.bridge.shared_access_key_enabled && !azurerm_storage_account.bridge.allow_nested_items_to_be_public
    error_message = "No account keys, no public blobs."
  }
  assert {
    condition     = alltrue([for container in azurerm_storage_container.blobs : container.container_access_type == "private"])
    error_message = "All containers are private."
  }
}

run "retention" {
  command = plan

  assert {
    condition = { for rule in azurerm_storage_management_policy.retention.rule : one(rule.filters[0].prefix_match) => rule.actions[0].base_blob[0].delete_after_days_since_creation_greater_than } == {
      "bridge-files/" = 30
      "archives/"     = 365
    }
    error_message = "Attachments go after 30 days, monthly archives after 365, and no rule touches final ones."
  }
  assert {
    condition     = azurerm_storage_container_immutability_policy.final.immutability_period_in_days == 3650
    error_message = "Final archives cannot be changed."
  }
}

run "archives_are_kept_for_a_year" {
  command = plan
  variables { archive_days = 90 }
  expect_failures = [var.archive_days]
}

run "files_outlive_their_messages" {
  command = plan
  variables { attachment_days = 3 }
  expect_failures = [var.attachment_days]
}

run "hyphens_are_refused" {
  command = plan
  variables { account_name = "st-bridge-dev" }
  expect_failures = [var.account_name]
}

run "private_denies" {
  command = plan
  variables { public_access = false }

  assert {
    condition     = azurerm_storage_account.bridge.network_rules[0].default_action == "Deny" && !azurerm_storage_account.bridge.public_network_access_enabled
    error_message = "A private account denies."
  }
}
