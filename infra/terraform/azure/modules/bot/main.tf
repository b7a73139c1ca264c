# The bot as Teams knows it.

locals {
  managed  = var.type == "UserAssignedMSI"
  register = !local.managed && var.app_id == null

  app_id = (
    local.managed ? azurerm_user_assigned_identity.bot[0].client_id :
    local.register ? azuread_application.bot[0].client_id : var.app_id
  )
}

resource "azurerm_user_assigned_identity" "bot" {
  count = local.managed ? 1 : 0

  name                = "id-${var.handle}"
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  tags                = var.place.tags
}

resource "azurerm_bot_service_azure_bot" "bot" {
  name                = var.handle
  display_name        = var.display_name
  resource_group_name = var.place.resource_group_name
  location            = "global"
  tags                = var.place.tags
  sku                 = var.sku
  endpoint            = var.endpoint

  microsoft_app_type      = var.type
  microsoft_app_id        = local.app_id
  microsoft_app_tenant_id = var.tenant_id
  microsoft_app_msi_id    = local.managed ? azurerm_user_assigned_identity.bot[0].id : null

  developer_app_insights_key            = var.insights.key
  developer_app_insights_application_id = var.insights.app_id

  lifecycle {
    precondition {
      condition     = !(local.managed && var.app_id != null)
      error_message = "A UserAssignedMSI bot is its managed identity: leave bot.app_id out, or set bot.type = \"SingleTenant\"."
    }
  }
}

resource "azurerm_bot_channel_ms_teams" "teams" {
  bot_name               = azurerm_bot_service_azure_bot.bot.name
  resource_group_name    = var.place.resource_group_name
  location               = "global"
  deployment_environment = var.cloud
}
