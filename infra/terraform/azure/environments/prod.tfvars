# For 1,000 tenants, at twice the expected peak, with one process more than needed (docs/scaling.md). Replace what is marked.
environment     = "prod"
location        = "koreacentral"
subscription_id = "00000000-0000-0000-0000-000000000000"   # replace
tenant_id       = "00000000-0000-0000-0000-000000000000"   # replace
image           = "ghcr.io/contoso/bridge:1.0.0"           # replace
operators       = ["00000000-0000-0000-0000-000000000000"] # replace
alert_emails    = ["bridge-operators@contoso.com"]         # replace

archive_recipients = [] # replace: public age keys (README.md, "Archives"); [] for no monthly archive

freshchat = { # replace
  api_url    = "contoso-1234.freshchat.com"
  channel_id = "dddddddd-0000-4000-8000-000000000001"
}

gateway = {
  tier                = "Basic_1"
  waf_tier            = "Premium"
  requests_per_minute = 12000 # all of Teams comes from few addresses, all of Freshchat too
  publisher           = { name = "Contoso IT", email = "it@contoso.com" }
}

cosmos_max_throughput = 2000
web                   = { min = 2, max = 4 }
worker                = { min = 2, max = 10 }
replication           = "GZRS"
retention             = { logs = 90 }
budget                = 2500

# Stores without public addresses, over three zones: about 700 dollars a month more.
# private_networking = true
# zone_redundant     = true
# service_bus        = { sku = "Premium", units = 1 }
# operator_ip_ranges = ["203.0.113.0/24"]
