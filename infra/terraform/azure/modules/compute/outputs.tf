output "environment_id" {
  description = "Id of the environment."
  value       = azurerm_container_app_environment.bridge.id
}

output "web_host" {
  description = "Host of the web processes, which only the gateway may ask."
  value       = azurerm_container_app.web.ingress[0].fqdn
}

output "web_id" {
  description = "Id of the web app."
  value       = azurerm_container_app.web.id
}

output "worker_id" {
  description = "Id of the worker app."
  value       = azurerm_container_app.worker.id
}

output "names" {
  description = "Names of the apps and of the job, which is null where there is none."
  value = {
    web    = azurerm_container_app.web.name
    worker = azurerm_container_app.worker.name
    export = one(azurerm_container_app_job.export[*].name)
  }
}
