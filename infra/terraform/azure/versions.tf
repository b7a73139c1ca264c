terraform {
  required_version = ">= 1.9, < 2.0"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.81, < 6.0"
    }
    azuread = {
      source  = "hashicorp/azuread"
      version = ">= 3.7, < 4.0"
    }
    time = {
      source  = "hashicorp/time"
      version = ">= 0.12, < 1.0"
    }
  }

  # Where the state is kept: backend.example.hcl
  backend "azurerm" {}
}

provider "azurerm" {
  subscription_id     = var.subscription_id
  storage_use_azuread = true

  resource_provider_registrations = "core"
  resource_providers_to_register = [
    "Microsoft.ApiManagement",
    "Microsoft.App",
    "Microsoft.BotService",
    "Microsoft.Cdn",
    "Microsoft.DocumentDB",
    "Microsoft.EventGrid",
    "Microsoft.KeyVault",
    "Microsoft.ManagedIdentity",
    "Microsoft.OperationalInsights",
    "Microsoft.ServiceBus",
    "microsoft.insights",
  ]

  features {
    key_vault {
      purge_soft_delete_on_destroy = false
    }
    # Whoever applies needs no right to read files, and no way to a private account.
    storage {
      data_plane_available = false
    }
    # What templates made goes with the resource group: a vault deletes no secret through Resource Manager.
    template_deployment {
      delete_nested_items_during_deletion = false
    }
    resource_group {
      prevent_deletion_if_contains_resources = false
    }
  }
}

provider "azuread" {
  tenant_id = var.tenant_id
}
