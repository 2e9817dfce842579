export VAULT_IMAGE=vault:1.13.3
