resource "azurerm_cdn_frontdoor_firewall_policy" "edge" {
  name                = "waf${replace(var.name, "-", "")}"
  resource_group_name = var.place.resource_group_name
  tags                = var.place.tags
  sku_name            = local.sku
  mode                = "Prevention"

  # Bodies are what people write. A question about "SELECT * FROM" is no attack, and what is refused here is lost:
  # nobody tries it again. The doors check bodies themselves: token, signature, size, form.
  request_body_check_enabled = false

  # Rough and early; the gateway counts exactly.
  custom_rule {
    name                           = "TooMany"
    type                           = "RateLimitRule"
    action                         = "Block"
    priority                       = 10
    rate_limit_duration_in_minutes = 1
    rate_limit_threshold           = 2 * var.requests_per_minute

    match_condition {
      match_variable = "RequestMethod"
      operator       = "Equal"
      match_values   = ["POST", "GET", "HEAD"]
    }
  }

  custom_rule {
    name     = "OtherMethods"
    type     = "MatchRule"
    action   = "Block"
    priority = 20

    match_condition {
      match_variable     = "RequestMethod"
      operator           = "Equal"
      negation_condition = true
      match_values       = ["POST", "GET", "HEAD"]
    }
  }

  # Addresses and headers only, as bodies are not looked at.
  dynamic "managed_rule" {
    for_each = var.waf_tier == "Premium" ? ["Microsoft_DefaultRuleSet"] : []
    content {
      type    = managed_rule.value
      version = "2.1"
      action  = "Block"
    }
  }

  log_scrubbing {
    scrubbing_rule {
      match_variable = "RequestUri"
      operator       = "EqualsAny"
    }
  }
}

resource "azurerm_cdn_frontdoor_security_policy" "edge" {
  name                     = "firewall"
  cdn_frontdoor_profile_id = azurerm_cdn_frontdoor_profile.edge.id

  security_policies {
    firewall {
      cdn_frontdoor_firewall_policy_id = azurerm_cdn_frontdoor_firewall_policy.edge.id

      association {
        patterns_to_match = ["/*"]

        domain {
          cdn_frontdoor_domain_id = azurerm_cdn_frontdoor_endpoint.edge.id
        }
        dynamic "domain" {
          for_each = azurerm_cdn_frontdoor_custom_domain.own
          content {
            cdn_frontdoor_domain_id = domain.value.id
          }
        }
      }
    }
  }
}
