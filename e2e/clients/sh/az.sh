#!/bin/sh
# The Azure CLI, from sign-in to clean-up. Its first argument is the template.
set -eu
az login --service-principal -u "$AZURE_CLIENT_ID" -p "$AZURE_CLIENT_SECRET" --tenant "$AZURE_TENANT_ID" --output none
az group create --name e2e --location westeurope --tags by=e2e --output none
az deployment group create --resource-group e2e --name first --template-file "$1" --output none
az rest --method put --url "$ARM$RG/providers/Microsoft.Storage/storageAccounts/e2e?api-version=2023-01-01" --body '{"location": "westeurope"}' --output none
az rest --method patch --url "$ARM$RG?api-version=2021-04-01" --body '{"tags": {"a": "b"}}' --output none
