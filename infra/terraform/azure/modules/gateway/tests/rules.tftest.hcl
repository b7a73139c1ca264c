mock_provider "azurerm" {}

variables {
  place        = { resource_group_name = "rg-bridge-dev", location = "koreacentral", tags = {} }
  name         = "bridge-dev-1a2b3"
  publisher    = { name = "Contoso IT", email = "it@contoso.com" }
  backend_host = "bridge-dev-web.example.azurecontainerapps.io"
}

run "only_the_doors_exist" {
  command = plan

  assert {
    condition     = toset([for door in azurerm_api_management_api_operation.door : door.url_template]) == toset(["/api/messages", "/bot/callback", "/freshchat/webhook", "/freshchat/webhook/{tenant}/{token}", "/healthz"])
    error_message = "Neither /metrics nor /ops nor anything else is for the outside."
  }
}

run "questions_are_not_taken_for_attacks" {
  command = plan
  variables { waf_tier = "Premium" }

  assert {
    condition     = azurerm_cdn_frontdoor_firewall_policy.edge.mode == "Prevention" && !azurerm_cdn_frontdoor_firewall_policy.edge.request_body_check_enabled
    error_message = "The firewall blocks, but does not judge what people write."
  }
  assert {
    condition     = azurerm_cdn_frontdoor_firewall_policy.edge.managed_rule[0].type == "Microsoft_DefaultRuleSet"
    error_message = "Premium has Microsoft's rule set."
  }
}

run "paths_are_not_logged" {
  command = plan

  assert {
    condition     = one(azurerm_cdn_frontdoor_profile.edge.log_scrubbing_rule).match_variable == "RequestUri"
    error_message = "The path of a webhook holds a secret."
  }
}

run "limits" {
  command = apply

  assert {
    condition     = strcontains(azurerm_api_management_api_policy.limits.xml_content, "calls=\"6000\"") && strcontains(azurerm_api_management_api_policy.limits.xml_content, "> 1048576)")
    error_message = "Rate and size are limited."
  }
  assert {
    condition     = strcontains(azurerm_api_management_api_policy.limits.xml_content, azurerm_cdn_frontdoor_profile.edge.resource_guid)
    error_message = "Only what came through our Front Door is let in."
  }
}

run "a_name_of_our_own" {
  command = plan
  variables { public_host = "bridge.contoso.com" }

  assert {
    condition     = output.public_host == "bridge.contoso.com" && length(output.dns_records) == 2
    error_message = "Two records to make."
  }
}

run "a_tier_without_addresses_is_refused" {
  command = plan
  variables { tier = "Consumption_0" }
  expect_failures = [var.tier]
}

run "an_address_is_no_host" {
  command = plan
  variables { public_host = "https://bridge.contoso.com" }
  expect_failures = [var.public_host]
}

run "a_low_limit_is_refused" {
  command = plan
  variables { requests_per_minute = 10 }
  expect_failures = [var.requests_per_minute]
}
