output "workspace_id" {
  description = "Id of the Log Analytics workspace."
  value       = azurerm_log_analytics_workspace.bridge.id
}

output "connection_string" {
  description = "Connection string of Application Insights."
  value       = azurerm_application_insights.bridge.connection_string
  sensitive   = true
}

output "insights" {
  description = "Key and app id of Application Insights."
  value = {
    key    = azurerm_application_insights.bridge.instrumentation_key
    app_id = azurerm_application_insights.bridge.app_id
  }
  sensitive = true
}

output "alerts" {
  description = "Names of all alerts."
  value = sort(concat(
    [for alert in azurerm_monitor_scheduled_query_rules_alert_v2.alert : alert.name],
    [azurerm_monitor_metric_alert.letters.name, azurerm_monitor_metric_alert.expiry.name, azurerm_monitor_metric_alert.unreachable.name],
    [azurerm_consumption_budget_resource_group.month.name],
  ))
}

output "insights_name" {
  description = "Name of Application Insights."
  value       = azurerm_application_insights.bridge.name
}
