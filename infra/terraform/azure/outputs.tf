# What the app package (manifest/) and the guide (docs/setup.md) take from here. No secret is among them.

output "resource_group" {
  description = "Resource group of everything."
  value       = azurerm_resource_group.bridge.name
}

output "app_id" {
  description = "MicrosoftAppId: client id of the bot's registration or managed identity."
  value       = module.bot.app_id
}

output "tenant_id" {
  description = "MicrosoftAppTenantId."
  value       = var.tenant_id
}

output "bot_handle" {
  description = "Name of the Azure Bot (az bot show --name …; --bot of bridgectl exit plan)."
  value       = module.bot.handle
}

output "manifest" {
  description = "For the app package: bot id, app id of webApplicationInfo, domains."
  value = {
    bot_id                  = module.bot.app_id
    web_application_id      = module.bot.app_id
    web_application_address = "https://${module.gateway.public_host}"
    valid_domains           = [module.gateway.public_host]
  }
}

output "public_url" {
  description = "BRIDGE_PUBLIC_URL."
  value       = "https://${module.gateway.public_host}"
}

output "messaging_endpoint" {
  description = "Address that Teams posts to; the bot is registered with it."
  value       = "https://${module.gateway.public_host}/api/messages"
}

output "webhook_url" {
  description = "Address for Freshchat's webhooks; PATH_TOKEN is the secret freshchat-webhook-token."
  value       = "https://${module.gateway.public_host}/freshchat/webhook/${var.tenant_id}/PATH_TOKEN"
}

output "consent_url" {
  description = "Where an administrator of the tenant sees the app's permissions and grants consent; null for a bot without a registration."
  value       = local.secret_app ? "https://entra.microsoft.com/#view/Microsoft_AAD_RegisteredApps/ApplicationMenuBlade/~/CallAnAPI/appId/${module.bot.app_id}" : null
}

output "dns_records" {
  description = "Records to make for a public host of our own."
  value       = module.gateway.dns_records
}

output "key_vault" {
  description = "Vault that secrets are put into."
  value       = module.security.vault_name
}

output "secrets_to_set" {
  description = "Secrets that people put into the vault (az keyvault secret set --vault-name … --name … --file …), and what each is."
  value       = local.secrets
}

output "apps" {
  description = "Names of the container apps `web` and `worker` and of the job `export`, which is null without archive_recipients."
  value       = module.compute.names
}

output "stores" {
  description = "For bridgectl doctor: addresses of the stores."
  value = {
    service_bus = module.messaging.host
    cosmos      = module.state.endpoint
    blobs       = module.storage.url
    containers  = module.storage.containers
  }
}

output "archives" {
  description = "Containers of monthly and of event and final archives, and their account (ARCHIVE_CONTAINER, ARCHIVE_FINAL_CONTAINER, AZURE_STORAGE_ACCOUNT_URL)."
  value = {
    account_url = module.storage.url
    monthly     = module.storage.containers.archives
    final       = module.storage.containers.final
  }
}

output "alerts" {
  description = "Names of all alerts (docs/runbook.md has a section for each)."
  value       = module.observability.alerts
}

output "insights" {
  description = "Application Insights with traces and counters."
  value       = module.observability.insights_name
}
