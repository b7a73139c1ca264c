mock_provider "azurerm" {
  mock_resource "azurerm_eventgrid_system_topic" {
    defaults = { identity = [{ type = "SystemAssigned", principal_id = "topic", tenant_id = "tenant", identity_ids = [] }] }
  }
}
mock_provider "azuread" {}
mock_provider "time" {}

variables {
  environment     = "prod"
  name            = "abcdefghij"
  location        = "koreacentral"
  subscription_id = "0f8b5a3e-3c1d-4b1e-9f44-6d0f2f0b7a11"
  tenant_id       = "3f6c1d2e-7a41-4c0b-9e55-8b2d1a9f0c11"
  image           = "ghcr.io/contoso/bridge:1.0.0"
  operators       = ["0f8b5a3e-3c1d-4b1e-9f44-6d0f2f0b7a11"]
  alert_emails    = ["bridge-operators@contoso.com"]
  gateway         = { publisher = { name = "Contoso IT", email = "it@contoso.com" } }
  freshchat       = { api_url = "contoso-1234.freshchat.com", channel_id = "dddddddd-0000-4000-8000-000000000001" }
  budget          = 100

  archive_recipients = ["age17fznpkj3d0kw26zzuy2sgxmc6svd3dh0d8yrj0vu462wzskgqveqf3e638"]
}

run "the_longest_name_fits_everywhere" {
  command = plan

  assert {
    condition     = length(output.key_vault) <= 24
    error_message = "The vault allows 24 characters."
  }
  assert {
    condition     = toset(keys(azurerm_management_lock.store)) == toset(["queues", "state", "archives"])
    error_message = "What people wrote is locked against deletion."
  }
  assert {
    condition     = alltrue([for name, value in local.settings : startswith(value, "secret:") if can(regex("(_API_KEY|_TOKEN|_KEYS|Password)$", name))])
    error_message = "Settings only name secrets."
  }
  assert {
    condition     = local.export_settings["ARCHIVE_RECIPIENTS"] == var.archive_recipients[0] && !contains(keys(local.settings), "ARCHIVE_RECIPIENTS")
    error_message = "The export knows whom archives are for; nobody else does."
  }
  assert {
    condition     = alltrue([for name in keys(output.secrets_to_set) : contains([for value in values(local.settings) : value], "secret:${name}")])
    error_message = "Every secret that people are asked for is used, and the other way round."
  }
}

run "a_managed_identity_has_no_secret" {
  command = plan
  variables { bot = { type = "UserAssignedMSI" } }

  assert {
    condition     = !contains(keys(output.secrets_to_set), "bot-secret") && output.consent_url == null
    error_message = "Nothing to keep, nothing to consent to."
  }
}

run "what_terraform_sets_is_not_set_twice" {
  command = plan
  variables { settings = { BRIDGE_QUEUE = "local.sqlite_queue" } }
  expect_failures = [terraform_data.checks]
}

run "nor_what_the_containers_are_given" {
  command = plan
  variables { settings = { AZURE_CLIENT_ID = "7b0c1f7e-58f5-4d7d-9a0e-8c9f6a3b2d10" } }
  expect_failures = [terraform_data.checks]
}

run "a_scanner_of_our_own" {
  command = plan
  variables {
    scan_files = false
    settings   = { CLAMD_ADDRESS = "tcp:clamd.contoso.com:3310" }
  }

  assert {
    condition     = local.settings["CLAMD_ADDRESS"] == "tcp:clamd.contoso.com:3310"
    error_message = "Without ours another one may be named."
  }
}

run "a_key_that_signs_is_a_secret" {
  command = plan
  variables {
    freshchat      = null
    tenants_file   = "tests/files/tenants_with_a_key.toml"
    archive_tenant = "contoso"
  }
  expect_failures = [var.tenants_file]
}

run "several_accounts_come_from_a_file" {
  command = plan
  variables {
    freshchat      = null
    tenants_file   = "tests/files/tenants.toml"
    archive_tenant = "contoso"
  }

  assert {
    condition     = local.settings["BRIDGE_TENANTS_FILE"] == "/config/tenants-toml" && keys(local.files) == ["tenants-toml"]
    error_message = "The processes find the file where they are told."
  }
  assert {
    condition     = length([for name in keys(local.settings) : name if startswith(name, "FRESHCHAT_")]) == 0
    error_message = "There is no only account beside it."
  }
  assert {
    condition     = local.export_options == tolist(["--only", "freshchat", "--tenant", "contoso"])
    error_message = "The archive is of the account that is named; of Freshdesk only where there is one."
  }
}

run "what_is_wrong_is_refused" {
  command = plan
  variables {
    name               = "abcdefghijk"
    subscription_id    = "contoso"
    tenant_id          = "contoso.com"
    environment        = "test"
    suffix             = "Test"
    location           = "Korea Central"
    tags               = { "cost/center" = "IT" }
    registry_id        = "contoso.azurecr.io"
    graph_client_id    = "bridge"
    freshchat          = null
    tenants_file       = "tests/files/tenants_with_a_secret.toml"
    archive_recipients = ["AGE-SECRET-KEY-1"]
    archive_readers    = ["auditors"]
    settings           = { OPS_TOKEN = "hunter2-hunter2-hunter2" }
    operators          = []
    operator_ip_ranges = ["everywhere"]
    routing_file       = "nowhere.toml"
    private_networking = true
  }
  expect_failures = [
    var.name, var.subscription_id, var.tenant_id, var.environment, var.suffix, var.location, var.tags, var.registry_id, var.graph_client_id,
    var.tenants_file, var.archive_recipients, var.archive_readers, var.settings, var.operators, var.operator_ip_ranges, var.routing_file,
    var.private_networking,
  ]
}

run "what_does_not_go_together_is_refused" {
  command = plan
  variables {
    freshchat        = { api_url = "https://contoso.example", channel_id = "IT" }
    freshdesk_domain = "https://contoso.freshdesk.com"
    archive_tenant   = "contoso"
    zone_redundant   = true
  }
  expect_failures = [var.freshchat, var.freshdesk_domain, var.archive_tenant, var.zone_redundant]
}

run "which_account_is_archived" {
  command = plan
  variables {
    freshchat    = null
    tenants_file = "tests/files/tenants.toml"
  }
  expect_failures = [var.archive_tenant]
}

run "neither_one_account_nor_several" {
  command = plan
  variables { freshchat = null }
  expect_failures = [var.freshchat]
}
