# Copy to backend.hcl, fill in, and: terraform init -backend-config=backend.hcl
# The account is made once, by hand (README.md); state holds ids and Application Insights' connection string, so only
# those who apply may read it.
subscription_id      = "00000000-0000-0000-0000-000000000000"
resource_group_name  = "rg-terraform"
storage_account_name = "stcontosoterraform"
container_name       = "tfstate"
key                  = "bridge-prod.tfstate"
use_azuread_auth     = true
