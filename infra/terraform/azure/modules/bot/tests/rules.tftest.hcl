mock_provider "azurerm" {}
mock_provider "azuread" {}

variables {
  place        = { resource_group_name = "rg-bridge-dev", location = "koreacentral", tags = {} }
  handle       = "bot-bridge-dev-1a2b3"
  display_name = "Support Desk (dev)"
  tenant_id    = "3f6c1d2e-7a41-4c0b-9e55-8b2d1a9f0c11"
  endpoint     = "https://bridge.contoso.com/api/messages"
  insights     = { key = "made-up", app_id = "made-up" }
}

run "a_registration_is_made" {
  command = plan

  assert {
    condition     = azurerm_bot_service_azure_bot.bot.microsoft_app_type == "SingleTenant" && length(azuread_application.bot) == 1 && length(azurerm_user_assigned_identity.bot) == 0
    error_message = "SingleTenant takes a registration and no identity."
  }
  assert {
    condition     = { for kind in ["Role", "Scope"] : kind => length([for access in one(azuread_application.bot[0].required_resource_access).resource_access : access if access.type == kind]) } == { Role = 2, Scope = 4 }
    error_message = "Four permissions of the service account and two of the application."
  }
}

run "an_administrator_may_say_no" {
  command = plan
  variables {
    read_people = false
    read_files  = false
  }

  assert {
    condition     = length([for access in one(azuread_application.bot[0].required_resource_access).resource_access : access if access.type == "Role"]) == 0
    error_message = "The app itself reads nothing."
  }
}

run "one_that_exists_is_used" {
  command = plan
  variables { app_id = "7b0c1f7e-58f5-4d7d-9a0e-8c9f6a3b2d10" }

  assert {
    condition     = azurerm_bot_service_azure_bot.bot.microsoft_app_id == "7b0c1f7e-58f5-4d7d-9a0e-8c9f6a3b2d10" && length(azuread_application.bot) == 0
    error_message = "No second registration."
  }
}

run "a_managed_identity_has_no_registration" {
  command = plan
  variables { type = "UserAssignedMSI" }

  assert {
    condition     = length(azurerm_user_assigned_identity.bot) == 1 && length(azuread_application.bot) == 0
    error_message = "The identity is the bot."
  }
}

run "a_managed_identity_takes_no_app_id" {
  command = plan
  variables {
    type   = "UserAssignedMSI"
    app_id = "7b0c1f7e-58f5-4d7d-9a0e-8c9f6a3b2d10"
  }
  expect_failures = [azurerm_bot_service_azure_bot.bot]
}

run "what_is_wrong_is_refused" {
  command = plan
  variables {
    handle       = "bot.bridge"
    display_name = "The support desk of the whole company, everywhere"
    type         = "MultiTenant"
    app_id       = "bridge"
    endpoint     = "http://bridge.contoso.com/api/messages"
    sku          = "S2"
    cloud        = "GCCHigh"
  }
  expect_failures = [var.handle, var.display_name, var.type, var.app_id, var.endpoint, var.sku, var.cloud]
}
