# One page with what operators look at first.

locals {
  charts = {
    "Messages accepted, by direction"             = { metric = "bridge_accepted_total", value = "sum(Sum)", by = "direction" }
    "Deliveries, by outcome"                      = { metric = "bridge_deliveries_total", value = "sum(Sum)", by = "outcome" }
    "Waiting in the queues"                       = { metric = "bridge_queue_waiting", value = "max(Sum)", by = "direction" }
    "Oldest waiting message, in seconds"          = { metric = "bridge_queue_oldest_seconds", value = "max(Sum)", by = "direction" }
    "Dead letters"                                = { metric = "bridge_queue_dead", value = "max(Sum)", by = "direction" }
    "Mean time to the other platform, in seconds" = { metric = "bridge_latency_seconds", value = "sum(Sum) / sum(ItemCount)", by = "direction" }
    "Tries that failed for now, by reason"        = { metric = "bridge_retries_total", value = "sum(Sum)", by = "code" }
    "Calls of upstreams, by status"               = { metric = "bridge_upstream_calls_total", value = "sum(Sum)", by = "status" }
  }
}

resource "azurerm_application_insights_workbook" "operators" {
  name                = uuidv5("url", "https://bridge.invalid/workbook/${var.name}")
  display_name        = "Bridge ${var.name}"
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  tags                = var.place.tags
  source_id           = lower(azurerm_log_analytics_workspace.bridge.id)

  data_json = jsonencode({
    version = "Notebook/1.0"
    items = [for title, chart in local.charts : {
      type        = 3
      name        = title
      customWidth = "50"
      content = {
        version       = "KqlItem/1.0"
        title         = title
        query         = "AppMetrics | where Name == '${chart.metric}' | summarize Value = ${chart.value} by bin(TimeGenerated, 5m), tostring(Properties.${chart.by})"
        size          = 0
        timeContext   = { durationMs = 86400000 }
        queryType     = 0
        resourceType  = "microsoft.operationalinsights/workspaces"
        visualization = "timechart"
      }
    }]
  })
}
