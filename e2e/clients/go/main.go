// Command go is the Azure SDK for Go as a client in the end-to-end tests: a
// service principal, a group, a deployment, a resource. It takes everything
// from the environment, as the SDK does.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armdeployments"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	sub := os.Getenv("AZURE_SUBSCRIPTION_ID")
	cred, err := azidentity.NewClientSecretCredential(os.Getenv("AZURE_TENANT_ID"), os.Getenv("AZURE_CLIENT_ID"), os.Getenv("AZURE_CLIENT_SECRET"), nil)
	if err != nil {
		return fmt.Errorf("making credential: %w", err)
	}
	groups, err := armresources.NewResourceGroupsClient(sub, cred, nil)
	if err != nil {
		return fmt.Errorf("making client: %w", err)
	}
	resources, err := armresources.NewClient(sub, cred, nil)
	if err != nil {
		return fmt.Errorf("making client: %w", err)
	}
	deployments, err := armdeployments.NewDeploymentsClient(sub, cred, nil)
	if err != nil {
		return fmt.Errorf("making client: %w", err)
	}
	poll := &runtime.PollUntilDoneOptions{Frequency: time.Second}

	if _, err := groups.CreateOrUpdate(ctx, "e2e", armresources.ResourceGroup{Location: to.Ptr("westeurope")}, nil); err != nil {
		return fmt.Errorf("creating group: %w", err)
	}
	if there, err := groups.CheckExistence(ctx, "e2e", nil); err != nil || !there.Success {
		return fmt.Errorf("checking group: %t, %w", there.Success, err)
	}
	deploying, err := deployments.BeginCreateOrUpdate(ctx, "e2e", "first", armdeployments.Deployment{
		Properties: &armdeployments.DeploymentProperties{
			Mode:     to.Ptr(armdeployments.DeploymentModeIncremental),
			Template: map[string]any{"resources": []any{}},
		},
	}, nil)
	if err != nil {
		return fmt.Errorf("starting deployment: %w", err)
	}
	deployed, err := deploying.PollUntilDone(ctx, poll)
	if err != nil {
		return fmt.Errorf("waiting for deployment: %w", err)
	}
	if s := deployed.Properties.ProvisioningState; s == nil || *s != armdeployments.ProvisioningStateSucceeded {
		return fmt.Errorf("deployment ended as %v", s)
	}
	creating, err := resources.BeginCreateOrUpdateByID(ctx, os.Getenv("RG")+"/providers/Microsoft.Storage/storageAccounts/e2e", "2023-01-01",
		armresources.GenericResource{Location: to.Ptr("westeurope")}, nil)
	if err != nil {
		return fmt.Errorf("creating resource: %w", err)
	}
	if _, err := creating.PollUntilDone(ctx, poll); err != nil {
		return fmt.Errorf("waiting for resource: %w", err)
	}
	if _, err := groups.Update(ctx, "e2e", armresources.ResourceGroupPatchable{Tags: map[string]*string{"a": to.Ptr("b")}}, nil); err != nil {
		return fmt.Errorf("patching group: %w", err)
	}
	deleting, err := groups.BeginDelete(ctx, "e2e", nil)
	if err != nil {
		return fmt.Errorf("deleting group: %w", err)
	}
	if _, err := deleting.PollUntilDone(ctx, poll); err != nil {
		return fmt.Errorf("waiting for the end of the group: %w", err)
	}
	return nil
}
