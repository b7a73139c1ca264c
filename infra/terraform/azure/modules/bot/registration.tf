# The app registration, with what docs/setup.md explains permission by permission. An administrator consents once
# (output consent_url). Its client secret is made and put into the vault by hand, so it is in no state file.

locals {
  graph = "00000003-0000-0000-c000-000000000000"

  # What the app itself may read, and what it may do in the name of the service account.
  people = { "User.Read.All" = { id = "df021288-bdef-4463-88db-98f22de89214", type = "Role" } }
  files  = { "Files.Read.All" = { id = "01d4889c-1287-42c6-ac1f-5d1e02578ef6", type = "Role" } }
  answers = {
    "ChannelMessage.Send"     = { id = "ebf0f66e-9fb1-49e4-a278-222f76911cf4", type = "Scope" }
    "ChannelMessage.Read.All" = { id = "767156cb-16ae-4d10-8f8b-41b657c8c8c8", type = "Scope" }
    "User.ReadBasic.All"      = { id = "b340eb25-3456-403f-be2f-af7a0d370277", type = "Scope" }
    "offline_access"          = { id = "7427e0e9-2fba-42fe-b0c0-848c9e6a8182", type = "Scope" }
  }
  permissions = merge(var.read_people ? local.people : {}, var.read_files ? local.files : {}, local.answers)
}

resource "azuread_application" "bot" {
  count = local.register ? 1 : 0

  display_name                   = var.display_name
  sign_in_audience               = "AzureADMyOrg"
  fallback_public_client_enabled = true # the service account signs in with a device code

  required_resource_access {
    resource_app_id = local.graph

    dynamic "resource_access" {
      for_each = local.permissions
      content {
        id   = resource_access.value.id
        type = resource_access.value.type
      }
    }
  }
}

resource "azuread_service_principal" "bot" {
  count = local.register ? 1 : 0

  client_id = azuread_application.bot[0].client_id
}
