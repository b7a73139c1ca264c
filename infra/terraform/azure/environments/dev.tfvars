# One person tries things: smallest of everything, no service level. Replace what is marked.
environment     = "dev"
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

bot         = { sku = "F0" }
gateway     = { tier = "Developer_1", publisher = { name = "Contoso IT", email = "it@contoso.com" } }
web         = { min = 1, max = 2, cpu = 0.5 }
worker      = { min = 1, max = 2, cpu = 0.5 }
replication = "LRS"
delete_lock = false
budget      = 450
