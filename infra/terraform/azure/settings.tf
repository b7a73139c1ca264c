# What the processes are told (docs/settings.md). Names are a contract; secrets are only named here.

locals {
  secret_app = var.bot.type == "SingleTenant"

  files = merge(
    var.tenants_file == null ? {} : { "tenants-toml" = file(var.tenants_file) },
    var.routing_file == null ? {} : { "routing-toml" = file(var.routing_file) },
  )

  azure = {
    BRIDGE_ENV                 = "production"
    BRIDGE_PUBLIC_URL          = "https://${module.gateway.public_host}"
    BRIDGE_QUEUE               = "azure.service_bus"
    BRIDGE_THREADS             = "azure.cosmos"
    BRIDGE_OBJECTS             = "azure.blob"
    BRIDGE_SECRETS             = "azure.key_vault"
    AZURE_SERVICEBUS_NAMESPACE = module.messaging.host
    AZURE_COSMOS_ENDPOINT      = module.state.endpoint
    AZURE_COSMOS_DATABASE      = module.state.database_name
    AZURE_STORAGE_ACCOUNT_URL  = module.storage.url
    AZURE_STORAGE_CONTAINER    = module.storage.containers.files
    AZURE_KEY_VAULT_URL        = module.security.vault_url
    MicrosoftAppType           = var.bot.type
    MicrosoftAppId             = module.bot.app_id
    MicrosoftAppTenantId       = var.tenant_id
  }

  bot_secret = local.secret_app ? { MicrosoftAppPassword = "secret:bot-secret" } : {}

  # The service account signs in to the bot's registration, unless another one is named.
  graph = !local.secret_app && var.graph_client_id == null ? {} : {
    GRAPH_CLIENT_ID = var.graph_client_id != null ? var.graph_client_id : module.bot.app_id
  }

  one_account = var.freshchat == null ? {} : {
    FRESHCHAT_API_URL        = var.freshchat.api_url
    FRESHCHAT_API_KEY        = "secret:freshchat-token"
    FRESHCHAT_CHANNEL_ID     = var.freshchat.channel_id
    FRESHCHAT_WEBHOOK_SCHEME = var.freshchat.webhook_scheme
    FRESHCHAT_WEBHOOK_KEYS   = "secret:freshchat-webhook-keys"
    FRESHCHAT_WEBHOOK_TOKEN  = "secret:freshchat-webhook-token"
  }

  paths = merge(
    var.tenants_file == null ? {} : { BRIDGE_TENANTS_FILE = "/config/tenants-toml" },
    var.routing_file == null ? {} : { BRIDGE_ROUTING_FILE = "/config/routing-toml" },
  )

  pictures = var.bot.read_people ? {} : { BRIDGE_PICTURES = "off" }

  fixed    = merge(local.azure, local.bot_secret, local.graph, local.one_account, local.paths, local.pictures)
  settings = merge(var.settings, local.fixed)

  # What else the containers are given (modules/compute): a second value would be ignored, or refused by Azure.
  given = concat(
    keys(local.fixed), keys(local.export_settings), var.scan_files ? ["CLAMD_ADDRESS"] : [],
    ["APPLICATIONINSIGHTS_CONNECTION_STRING", "AZURE_CLIENT_ID", "BRIDGE_DATA_DIR", "HOST", "OTEL_SERVICE_NAME", "PORT"],
  )

  freshdesk = var.freshdesk_domain == null ? {} : {
    FRESHDESK_DOMAIN  = var.freshdesk_domain
    FRESHDESK_API_KEY = "secret:freshdesk-token"
  }

  export_settings = merge(local.freshdesk, {
    ARCHIVE_CONTAINER       = module.storage.containers.archives
    ARCHIVE_FINAL_CONTAINER = module.storage.containers.final
    ARCHIVE_RECIPIENTS      = join(",", var.archive_recipients)
  })
  export_options = concat(
    var.freshdesk_domain == null ? ["--only", "freshchat"] : [],
    var.archive_tenant == null ? [] : ["--tenant", var.archive_tenant],
  )

  # What people put into the vault, and where it comes from.
  secrets = merge(
    local.secret_app ? { bot-secret = "client secret of the app registration" } : {},
    var.freshchat == null ? {} : {
      freshchat-token         = "API token of the Freshchat account"
      freshchat-webhook-keys  = "public key of Freshchat's webhooks; a new one is a new version, and both are live until the old one is disabled"
      freshchat-webhook-token = "path token of the webhook's address: openssl rand -hex 24"
    },
    var.freshdesk_domain == null ? {} : { freshdesk-token = "API key of the Freshdesk account" },
  )
}

resource "terraform_data" "checks" {
  lifecycle {
    precondition {
      condition     = length(setintersection(keys(var.settings), local.given)) == 0
      error_message = "Leave ${join(", ", setintersection(keys(var.settings), local.given))} out of settings: Terraform sets it."
    }
    precondition {
      condition     = var.routing_file == null || var.tenants_file == null
      error_message = "With tenants_file the routes are in that file: leave routing_file out."
    }
  }
}
