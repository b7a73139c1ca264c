mock_provider "azurerm" {
  mock_resource "azurerm_eventgrid_system_topic" {
    defaults = { identity = [{ type = "SystemAssigned", principal_id = "topic", tenant_id = "tenant", identity_ids = [] }] }
  }
}

variables {
  place              = { resource_group_name = "rg-bridge-dev", location = "koreacentral", tags = {} }
  name               = "bridge-dev"
  resource_group_id  = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg"
  alert_emails       = ["bridge-operators@contoso.com"]
  budget             = 450
  public_host        = "bridge.contoso.com"
  namespace_id       = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.ServiceBus/namespaces/sbns"
  vault_id           = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv"
  storage_account_id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st"
}

run "alerts" {
  command = plan

  assert {
    condition = { for name, alert in azurerm_monitor_scheduled_query_rules_alert_v2.alert : name => "${alert.criteria[0].operator} ${alert.criteria[0].threshold} in ${alert.window_duration}" } == {
      archive      = "GreaterThan 0 in PT1H"
      dead-letters = "GreaterThan 4 in PT15M"
      failing      = "GreaterThan 0.1 in PT1H"
      not-stored   = "GreaterThan 0 in PT5M"
      queue-age    = "GreaterThan 60 in PT5M"
      refused      = "GreaterThan 0 in PT5M"
      silent       = "LessThan 1 in PT15M"
      slow         = "GreaterThan 2.5 in PT15M"
    }
    error_message = "What operators are told, as docs/operations.md says."
  }
  assert {
    condition     = length(azurerm_application_insights_workbook.operators.data_json) > 0 && can(jsondecode(azurerm_application_insights_workbook.operators.data_json))
    error_message = "There is a page for operators."
  }
}

run "what_is_wrong_is_refused" {
  command = plan
  variables {
    name           = "Bridge"
    alert_emails   = []
    budget         = 0
    retention_days = 45
    daily_gb       = 0
  }
  expect_failures = [var.name, var.alert_emails, var.budget, var.retention_days, var.daily_gb]
}
