mock_provider "azurerm" {}

variables {
  place                       = { resource_group_name = "rg-bridge-dev", location = "koreacentral", tags = {} }
  vault_name                  = "kv-bridge-dev-1a2b3"
  name                        = "bridge-dev"
  tenant_id                   = "3f6c1d2e-7a41-4c0b-9e55-8b2d1a9f0c11"
  operators                   = ["0f8b5a3e-3c1d-4b1e-9f44-6d0f2f0b7a11"]
  telemetry_connection_string = "InstrumentationKey=made-up"
}

run "roles_not_policies" {
  command = plan

  assert {
    condition     = azurerm_key_vault.bridge.rbac_authorization_enabled && azurerm_key_vault.bridge.purge_protection_enabled
    error_message = "Roles decide, and nobody can purge."
  }
  assert {
    condition     = { for name, grant in azurerm_role_assignment.process : name => grant.role_definition_name } == { web = "Key Vault Secrets User", worker = "Key Vault Secrets Officer", export = "Key Vault Secrets User" }
    error_message = "Only workers store secrets; the scaler has nothing to do with them."
  }
  assert {
    condition     = length(azurerm_role_assignment.pull) == 0
    error_message = "A public registry needs no role."
  }
}

run "private_is_closed" {
  command = plan
  variables { public_access = false }

  assert {
    condition     = !azurerm_key_vault.bridge.public_network_access_enabled
    error_message = "Without operator_ip_ranges a private vault has no public address."
  }
}

run "private_opens_for_operators" {
  command = plan
  variables {
    public_access      = false
    operator_ip_ranges = ["203.0.113.0/24"]
  }

  assert {
    condition     = azurerm_key_vault.bridge.network_acls[0].default_action == "Deny" && azurerm_key_vault.bridge.network_acls[0].ip_rules == toset(["203.0.113.0/24"])
    error_message = "Only operators' addresses."
  }
}

run "two_hyphens_are_refused" {
  command = plan
  variables {
    vault_name = "kv--bridge"
    name       = "Bridge"
    tenant_id  = "contoso.com"
  }
  expect_failures = [var.vault_name, var.name, var.tenant_id]
}

run "long_names_are_refused" {
  command = plan
  variables { vault_name = "kv-bridge-production-1a2b3" }
  expect_failures = [var.vault_name]
}
