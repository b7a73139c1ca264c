# /healthz, asked from three regions through everything that stands in front of it.

resource "azurerm_application_insights_standard_web_test" "health" {
  name                    = "health-${var.name}"
  resource_group_name     = var.place.resource_group_name
  location                = var.place.location
  tags                    = var.place.tags
  application_insights_id = azurerm_application_insights.bridge.id
  geo_locations           = ["emea-nl-ams-azr", "us-va-ash-azr", "apac-hk-hkn-azr"]
  frequency               = 300
  timeout                 = 30
  enabled                 = true
  retry_enabled           = true

  request {
    url                              = "https://${var.public_host}/healthz"
    follow_redirects_enabled         = false
    parse_dependent_requests_enabled = false
  }
  validation_rules {
    expected_status_code        = 200
    ssl_check_enabled           = true
    ssl_cert_remaining_lifetime = 14
  }
}

resource "azurerm_monitor_metric_alert" "unreachable" {
  name                = "unreachable-${var.name}"
  description         = "The doors do not answer to two regions, or their certificate is about to expire."
  resource_group_name = var.place.resource_group_name
  tags                = var.place.tags
  scopes              = [azurerm_application_insights_standard_web_test.health.id, azurerm_application_insights.bridge.id]
  severity            = 1
  frequency           = "PT1M"
  window_size         = "PT5M"

  application_insights_web_test_location_availability_criteria {
    web_test_id           = azurerm_application_insights_standard_web_test.health.id
    component_id          = azurerm_application_insights.bridge.id
    failed_location_count = 2
  }
  action {
    action_group_id = azurerm_monitor_action_group.operators.id
  }
}
