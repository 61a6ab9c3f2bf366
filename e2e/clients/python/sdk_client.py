"""The Azure SDK for Python: a service principal, a group, a deployment, a resource."""

import os

from azure.identity import ClientSecretCredential
from azure.mgmt.resource import ResourceManagementClient

credential = ClientSecretCredential(
    os.environ["AZURE_TENANT_ID"], os.environ["AZURE_CLIENT_ID"], os.environ["AZURE_CLIENT_SECRET"]
)
client = ResourceManagementClient(credential, os.environ["AZURE_SUBSCRIPTION_ID"])

client.resource_groups.create_or_update("e2e", {"location": "westeurope"})
assert client.resource_groups.check_existence("e2e")
deployment = client.deployments.begin_create_or_update(
    "e2e", "first", {"properties": {"mode": "Incremental", "template": {"resources": []}}}
).result()
assert deployment.properties.provisioning_state == "Succeeded", deployment.properties.provisioning_state
client.resources.begin_create_or_update_by_id(
    os.environ["RG"] + "/providers/Microsoft.Storage/storageAccounts/e2e", "2023-01-01", {"location": "westeurope"}
).result()
client.resource_groups.update("e2e", {"tags": {"a": "b"}})
assert [g.name for g in client.resource_groups.list()] == ["e2e"]
client.resource_groups.begin_delete("e2e").result()
