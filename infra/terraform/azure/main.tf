# The bridge on Azure. Read the modules in this order: compute, messaging, state, storage, security, gateway, bot.

locals {
  suffix = coalesce(var.suffix, substr(sha256("${var.subscription_id}/${var.name}/${var.environment}"), 0, 5))
  base   = "${var.name}-${var.environment}"
  unique = "${local.base}-${local.suffix}"

  place = {
    resource_group_name = azurerm_resource_group.bridge.name
    location            = azurerm_resource_group.bridge.location
    tags                = merge({ application = "teams-freshchat-bridge", environment = var.environment }, var.tags)
  }

  principals = { for name, identity in module.security.identities : name => identity.principal_id }
  servers    = { for name, id in local.principals : name => id if contains(["web", "worker"], name) }
  archivists = { for name, id in local.principals : name => id if name == "export" }
}

resource "azurerm_resource_group" "bridge" {
  name     = "rg-${local.base}"
  location = var.location
  tags     = merge({ application = "teams-freshchat-bridge", environment = var.environment }, var.tags)
}

module "observability" {
  source = "./modules/observability"
  place  = local.place
  name   = local.base

  resource_group_id  = azurerm_resource_group.bridge.id
  retention_days     = var.retention.logs
  alert_emails       = var.alert_emails
  budget             = var.budget
  public_host        = module.gateway.public_host
  namespace_id       = module.messaging.namespace_id
  vault_id           = module.security.vault_id
  storage_account_id = module.storage.account_id

  logged = {
    vault  = { id = module.security.vault_id, categories = ["AuditEvent"] }
    edge   = { id = module.gateway.front_door_id, categories = ["FrontDoorAccessLog", "FrontDoorWebApplicationFirewallLog"] }
    blobs  = { id = "${module.storage.account_id}/blobServices/default", categories = ["StorageRead", "StorageWrite", "StorageDelete"] }
    queues = { id = "${module.storage.account_id}/queueServices/default", categories = ["StorageRead", "StorageWrite", "StorageDelete"] }
    cosmos = { id = module.state.account_id, categories = ["ControlPlaneRequests"] }
  }
}

module "security" {
  source = "./modules/security"
  place  = local.place
  name   = local.base

  vault_name                  = "kv-${local.unique}"
  tenant_id                   = var.tenant_id
  operators                   = var.operators
  public_access               = !var.private_networking
  operator_ip_ranges          = var.operator_ip_ranges
  registry_id                 = var.registry_id
  telemetry_connection_string = module.observability.connection_string
}

module "messaging" {
  source = "./modules/messaging"
  place  = local.place

  namespace_name      = "sbns-${local.unique}"
  sku                 = var.service_bus.sku
  units               = var.service_bus.units
  public_access       = !var.private_networking
  users               = local.servers
  scaler_principal_id = local.principals["scaler"]
}

module "state" {
  source = "./modules/state"
  place  = local.place

  account_name   = "cosmos-${local.unique}"
  max_throughput = var.cosmos_max_throughput
  zone_redundant = var.zone_redundant
  public_access  = !var.private_networking
  writers        = local.servers
  readers        = local.archivists
}

module "storage" {
  source = "./modules/storage"
  place  = local.place

  account_name    = replace("st${local.unique}", "-", "")
  replication     = var.replication
  attachment_days = var.retention.attachments
  archive_days    = var.retention.archives
  final_days      = var.retention.final
  final_locked    = var.retention.final_locked
  public_access   = !(var.private_networking && var.private_files)
  file_users      = local.servers
  archivists      = local.archivists
  archive_readers = var.archive_readers

  resource_group_id = azurerm_resource_group.bridge.id
}

module "gateway" {
  source = "./modules/gateway"
  place  = local.place
  name   = local.unique

  tier                = var.gateway.tier
  waf_tier            = var.gateway.waf_tier
  publisher           = var.gateway.publisher
  requests_per_minute = var.gateway.requests_per_minute
  public_host         = var.public_host
  backend_host        = module.compute.web_host
}

module "bot" {
  source = "./modules/bot"
  place  = local.place

  handle       = "bot-${local.unique}"
  display_name = var.environment == "prod" ? var.display_name : "${var.display_name} (${var.environment})"
  type         = var.bot.type
  app_id       = var.bot.app_id
  read_people  = var.bot.read_people
  read_files   = var.bot.read_files
  tenant_id    = var.tenant_id
  sku          = var.bot.sku
  cloud        = var.bot.cloud
  endpoint     = "https://${module.gateway.public_host}/api/messages"
  insights     = module.observability.insights
}

module "network" {
  source = "./modules/network"
  count  = var.private_networking ? 1 : 0
  place  = local.place
  name   = local.base

  resource_group_id = azurerm_resource_group.bridge.id
  address_space     = var.address_space
  gateway_addresses = module.gateway.addresses

  endpoints = {
    queues  = { id = module.messaging.namespace_id, subresource = "namespace", zone = "privatelink.servicebus.windows.net" }
    state   = { id = module.state.account_id, subresource = "Sql", zone = "privatelink.documents.azure.com" }
    blobs   = { id = module.storage.account_id, subresource = "blob", zone = "privatelink.blob.core.windows.net" }
    secrets = { id = module.security.vault_id, subresource = "vault", zone = "privatelink.vaultcore.azure.net" }
  }
}

# A role that was just given is not known everywhere yet, and the processes do not start without theirs.
resource "time_sleep" "roles" {
  create_duration = "120s"
  depends_on      = [module.messaging, module.state, module.storage, module.security]
}

module "compute" {
  source = "./modules/compute"
  place  = local.place
  name   = local.base

  image               = var.image
  registry_server     = var.registry_id == null ? null : split("/", var.image)[0]
  identities          = module.security.identities
  bot_identity_id     = module.bot.identity_id
  workspace_id        = module.observability.workspace_id
  telemetry_secret_id = module.security.telemetry_secret_id
  settings            = local.settings
  files               = local.files
  web                 = var.web
  worker              = var.worker
  scanner_image       = var.scan_files ? var.scanner_image : null
  bus                 = { namespace = module.messaging.namespace_name, queues = module.messaging.queues }
  gateway_addresses   = module.gateway.addresses
  subnet_id           = one(module.network[*].apps_subnet_id)
  zone_redundant      = var.zone_redundant
  export              = length(var.archive_recipients) == 0 ? null : { cron = var.export_cron, options = local.export_options, settings = local.export_settings }

  depends_on = [time_sleep.roles]
}

resource "azurerm_management_lock" "store" {
  for_each = var.delete_lock ? {
    queues   = module.messaging.namespace_id
    state    = module.state.account_id
    archives = module.storage.account_id
  } : {}

  name       = "keep-${each.key}"
  scope      = each.value
  lock_level = "CanNotDelete"
  notes      = "Holds what people wrote. Set delete_lock = false and apply before it is deleted."
}
