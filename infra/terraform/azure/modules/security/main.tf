# Who the processes are, and the vault with everything that nobody may read. No secret's value is written here but
# the one that Azure itself makes (secret.tf); people set the others with `az keyvault secret set`.

locals {
  # What each process may do with secrets. Workers keep the sign-in of the service account and webhook keys.
  processes = {
    web    = "Key Vault Secrets User"
    worker = "Key Vault Secrets Officer"
    export = "Key Vault Secrets User"
  }
  reachable = var.public_access || length(var.operator_ip_ranges) > 0
}

resource "azurerm_user_assigned_identity" "process" {
  for_each = toset(concat(keys(local.processes), ["scaler"]))

  name                = "id-${each.key}-${var.name}"
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  tags                = var.place.tags
}

resource "azurerm_key_vault" "bridge" {
  #checkov:skip=CKV2_AZURE_32:an option: private_networking

  name                = var.vault_name
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  tags                = var.place.tags
  tenant_id           = var.tenant_id
  sku_name            = "standard"

  rbac_authorization_enabled    = true
  purge_protection_enabled      = true
  soft_delete_retention_days    = 90
  public_network_access_enabled = local.reachable

  network_acls {
    default_action = var.public_access ? "Allow" : "Deny"
    bypass         = "AzureServices"
    ip_rules       = var.public_access ? [] : var.operator_ip_ranges
  }
}

resource "azurerm_role_assignment" "process" {
  for_each = local.processes

  scope                = azurerm_key_vault.bridge.id
  role_definition_name = each.value
  principal_id         = azurerm_user_assigned_identity.process[each.key].principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "operator" {
  for_each = var.operators

  scope                = azurerm_key_vault.bridge.id
  role_definition_name = "Key Vault Secrets Officer"
  principal_id         = each.key
}

resource "azurerm_role_assignment" "pull" {
  for_each = var.registry_id == null ? toset([]) : toset(keys(local.processes))

  scope                = var.registry_id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_user_assigned_identity.process[each.key].principal_id
  principal_type       = "ServicePrincipal"
}
