output "app_id" {
  description = "MicrosoftAppId; also botId and webApplicationInfo.id of the app package."
  value       = local.app_id
}

output "handle" {
  description = "Name of the Azure Bot."
  value       = azurerm_bot_service_azure_bot.bot.name
}

output "identity_id" {
  description = "Id of the bot's managed identity; null if it has a client secret."
  value       = local.managed ? azurerm_user_assigned_identity.bot[0].id : null
}
