output "namespace_id" {
  description = "Id of the namespace."
  value       = azurerm_servicebus_namespace.bridge.id
}

output "namespace_name" {
  description = "Name of the namespace, as KEDA wants it."
  value       = azurerm_servicebus_namespace.bridge.name
}

output "host" {
  description = "AZURE_SERVICEBUS_NAMESPACE."
  value       = "${azurerm_servicebus_namespace.bridge.name}.servicebus.windows.net"
}

output "queues" {
  description = "Names of the queues."
  value       = local.queues
}
