// The Azure SDK for JavaScript: a service principal, a group, a deployment, a resource.
import assert from "node:assert/strict";
import process from "node:process";
import { ResourceManagementClient } from "@azure/arm-resources";
import { DeploymentsClient } from "@azure/arm-resourcesdeployments";
import { ClientSecretCredential } from "@azure/identity";

const { AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, AZURE_SUBSCRIPTION_ID, RG } = process.env;
const credential = new ClientSecretCredential(AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET);
const resources = new ResourceManagementClient(credential, AZURE_SUBSCRIPTION_ID);
const deployments = new DeploymentsClient(credential, AZURE_SUBSCRIPTION_ID);

await resources.resourceGroups.createOrUpdate("e2e", { location: "westeurope" });
assert.equal((await resources.resourceGroups.checkExistence("e2e")).body, true);
const deployment = await deployments.deployments.createOrUpdate(
  "e2e",
  "first",
  { properties: { mode: "Incremental", template: { resources: [] } } },
  { updateIntervalInMs: 100 },
);
assert.equal(deployment.properties.provisioningState, "Succeeded");
await resources.resources.beginCreateOrUpdateByIdAndWait(
  `${RG}/providers/Microsoft.Storage/storageAccounts/e2e`,
  "2023-01-01",
  { location: "westeurope" },
  { updateIntervalInMs: 100 },
);
await resources.resourceGroups.update("e2e", { tags: { a: "b" } });
const names = [];
for await (const group of resources.resourceGroups.list()) names.push(group.name);
assert.deepEqual(names, ["e2e"]);
await resources.resourceGroups.beginDeleteAndWait("e2e", { updateIntervalInMs: 100 });
