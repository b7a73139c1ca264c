# Alerts by what the bridge tells of itself (docs/operations.md). A gauge is its `Sum`: it comes one value at a time.
# docs/runbook.md has a section for each.

locals {
  alerts = {
    dead-letters = {
      what     = "Five or more messages were given up within 15 minutes: bridgectl dlq list."
      severity = 1, above = true, threshold = 4, window = "PT15M", column = "Letters"
      query    = <<-KQL
        AppMetrics
        | where Name == "bridge_dead_letters_recent"
        | summarize Letters = max(Sum) by tostring(Properties.direction)
      KQL
    }
    queue-age = {
      what     = "A message has been waiting for more than a minute: /readyz, bridge_retries_total."
      severity = 2, above = true, threshold = 60, window = "PT5M", column = "Seconds"
      query    = <<-KQL
        AppMetrics
        | where Name == "bridge_queue_oldest_seconds"
        | summarize Seconds = max(Sum) by tostring(Properties.direction)
      KQL
    }
    slow = {
      what     = "From the door to the other platform takes more than 2.5 s for one message in twenty."
      severity = 2, above = true, threshold = 2.5, window = "PT15M", column = "Seconds"
      query    = <<-KQL
        union AppRequests, AppDependencies
        | summarize Began = min(TimeGenerated), Ended = max(TimeGenerated + DurationMs * 1ms), Deliveries = countif(Name startswith "deliver ") by OperationId
        | where Deliveries > 0
        | summarize Seconds = percentile((Ended - Began) / 1s, 95)
      KQL
    }
    failing = {
      what     = "More than one message in a thousand was given up within an hour."
      severity = 1, above = true, threshold = 0.1, window = "PT1H", column = "Percent"
      query    = <<-KQL
        AppMetrics
        | where Name == "bridge_deliveries_total"
        | summarize Failed = sumif(Sum, tostring(Properties.outcome) == "dead_letter"), Total = sum(Sum)
        | project Percent = iff(Total > 0, 100.0 * Failed / Total, 0.0)
      KQL
    }
    refused = {
      what     = "An upstream refuses our credentials; its queue waits, nothing is lost: renew them."
      severity = 1, above = true, threshold = 0, window = "PT5M", column = "Refusals"
      query    = <<-KQL
        AppMetrics
        | where (Name == "bridge_held" and Sum >= 1) or (Name == "bridge_upstream_calls_total" and tostring(Properties.status) == "401" and Sum > 0)
        | summarize Refusals = count()
      KQL
    }
    not-stored = {
      what     = "The doors answer 503: a store or the signing keys cannot be had (/readyz, log not_stored), and Teams need not send a message again."
      severity = 1, above = true, threshold = 0, window = "PT5M", column = "Requests"
      query    = <<-KQL
        AppMetrics
        | where Name == "bridge_refused_total" and tostring(Properties.status) == "503"
        | summarize Requests = sum(Sum)
      KQL
    }
    archive = {
      what     = "The monthly archive failed: az containerapp job execution list, then mend the cause and start the job anew."
      severity = 2, above = true, threshold = 0, window = "PT1H", column = "Failures"
      query    = <<-KQL
        ContainerAppSystemLogs_CL
        | where column_ifexists("JobName_s", "") == "${var.name}-export"
        | extend Code = toint(extract(@"exit code:? '?(\d+)", 1, Log_s))
        | where Code > 0 or Reason_s in ("BackoffLimitExceeded", "DeadlineExceeded", "Evicted")
        | summarize Failures = count()
      KQL
    }
    silent = {
      what     = "No worker tells of itself: nothing is delivered, and the other alerts are blind."
      severity = 1, above = false, threshold = 1, window = "PT15M", column = "Points"
      query    = <<-KQL
        AppMetrics
        | where AppRoleName == "bridge-worker"
        | summarize Points = count()
      KQL
    }
  }
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "alert" {
  for_each = local.alerts

  name                    = "${each.key}-${var.name}"
  description             = each.value.what
  resource_group_name     = var.place.resource_group_name
  location                = var.place.location
  tags                    = var.place.tags
  scopes                  = [azurerm_log_analytics_workspace.bridge.id]
  severity                = each.value.severity
  evaluation_frequency    = "PT5M"
  window_duration         = each.value.window
  auto_mitigation_enabled = true
  skip_query_validation   = true # tables are made with the first row

  criteria {
    query                   = each.value.query
    time_aggregation_method = "Maximum"
    metric_measure_column   = each.value.column
    operator                = each.value.above ? "GreaterThan" : "LessThan"
    threshold               = each.value.threshold
  }

  action {
    action_groups = [azurerm_monitor_action_group.operators.id]
  }
}

# Tells also when no worker is left to count.
resource "azurerm_monitor_metric_alert" "letters" {
  name                = "letters-${var.name}"
  description         = "Dead letters are left in a queue: bridgectl dlq list, mend the cause, dlq replay."
  resource_group_name = var.place.resource_group_name
  tags                = var.place.tags
  scopes              = [var.namespace_id]
  severity            = 2
  frequency           = "PT5M"
  window_size         = "PT15M"

  criteria {
    metric_namespace = "Microsoft.ServiceBus/namespaces"
    metric_name      = "DeadletteredMessages"
    aggregation      = "Maximum"
    operator         = "GreaterThanOrEqual"
    threshold        = 5

    dimension {
      name     = "EntityName"
      operator = "Include"
      values   = ["*"]
    }
  }
  action {
    action_group_id = azurerm_monitor_action_group.operators.id
  }
}
