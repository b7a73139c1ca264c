mock_provider "azurerm" {}

variables {
  place        = { resource_group_name = "rg-bridge-dev", location = "koreacentral", tags = {} }
  name         = "bridge-dev-1a2b3"
  publisher    = { name = "Contoso IT", email = "it@contoso.com" }
  backend_host = "bridge-dev-web.example.azurecontainerapps.io"
}

run "only_the_doors_exist_and_paths_are_not_logged" {
  command = plan

  assert {
    condition     = toset([for door in azurerm_api_management_api_operation.door : door.url_template]) == toset(["/api/messages", "/bot/callback", "/freshchat/webhook/{tenant}/{token}", "/healthz"])
    error_message = "Neither /metrics nor /ops nor the webhook without its path token nor anything else is for the outside."
  }
  assert {
    condition     = toset(azurerm_cdn_frontdoor_route.doors.patterns_to_match) == toset(["/api/messages", "/bot/callback", "/freshchat/webhook/*", "/healthz"])
    error_message = "Front Door passes on what the gateway takes."
  }
  assert {
    condition     = one(azurerm_cdn_frontdoor_profile.edge.log_scrubbing_rule).match_variable == "RequestUri"
    error_message = "The path of a webhook holds a secret."
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

# A tier without addresses of its own, an address in place of a host, limits that the doors' callers would run into.
run "what_is_wrong_is_refused" {
  command = plan
  variables {
    name                = "bridge_dev"
    tier                = "Consumption_0"
    waf_tier            = "Classic"
    public_host         = "https://bridge.contoso.com"
    publisher           = { name = "Contoso IT", email = "it" }
    requests_per_minute = 10
    body_limit          = 1000
  }
  expect_failures = [var.name, var.tier, var.waf_tier, var.public_host, var.publisher, var.requests_per_minute, var.body_limit]
}
