mock_provider "azurerm" {}

variables {
  place               = { resource_group_name = "rg-bridge-dev", location = "koreacentral", tags = {} }
  namespace_name      = "sbns-bridge-dev-1a2b3"
  users               = { web = "web-principal", worker = "worker-principal" }
  scaler_principal_id = "scaler-principal"
}

run "queues_and_who_may_use_them" {
  command = plan

  assert {
    condition     = toset(keys(azurerm_servicebus_queue.direction)) == toset(["to-freshchat", "to-teams"])
    error_message = "The bridge looks for the queues to-freshchat and to-teams."
  }
  assert {
    condition     = alltrue([for queue in azurerm_servicebus_queue.direction : queue.requires_session && queue.requires_duplicate_detection])
    error_message = "Queues need sessions and duplicate detection; neither can be switched on later."
  }
  assert {
    condition     = alltrue([for queue in azurerm_servicebus_queue.direction : queue.max_delivery_count == 2000 && queue.duplicate_detection_history_time_window == "P7D"])
    error_message = "2000 deliveries and seven days, as docs/azure-stores.md asks."
  }
  assert {
    condition     = !azurerm_servicebus_namespace.bridge.local_auth_enabled
    error_message = "There must be no keys."
  }
  assert {
    condition     = length(azurerm_role_assignment.user) == 8 && alltrue([for grant in azurerm_role_assignment.user : contains(["Azure Service Bus Data Sender", "Azure Service Bus Data Receiver"], grant.role_definition_name)])
    error_message = "Both processes send to and receive from both queues, and manage nothing."
  }
  assert {
    condition     = alltrue([for grant in azurerm_role_assignment.scaler : grant.principal_id == "scaler-principal"])
    error_message = "Only the scaler may manage."
  }
}

run "private_takes_premium" {
  command = plan
  variables { public_access = false }
  expect_failures = [azurerm_servicebus_namespace.bridge]
}

run "premium_takes_units" {
  command = plan
  variables { sku = "Premium" }
  expect_failures = [azurerm_servicebus_namespace.bridge]
}

# Basic has no sessions; a short lock is lost by a short stall; -sb is an end that Azure keeps for itself.
run "what_is_wrong_is_refused" {
  command = plan
  variables {
    sku            = "Basic"
    units          = 3
    lock_duration  = "PT30S"
    namespace_name = "bridge-dev-sb"
  }
  expect_failures = [var.sku, var.units, var.lock_duration, var.namespace_name]
}
