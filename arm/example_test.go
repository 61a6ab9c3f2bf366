package arm_test

import (
	"fmt"

	"github.com/attribproxy/attribproxy/arm"
)

func ExampleParseTarget() {
	t := arm.ParseTarget("PUT", "/subscriptions/11111111-2222-3333-4444-555555555555/resourcegroups/rg1/providers/Microsoft.Resources/deployments/main?api-version=2021-04-01")
	fmt.Println(t.Scope, t.ResourceGroup, t.ResourceType, t.Deployment, t.APIVersion)
	// Output: resourceGroup rg1 Microsoft.Resources/deployments main 2021-04-01
}

func ExampleRecognizeTool() {
	fmt.Println(arm.RecognizeTool("AZURECLI/2.61.0 (DEB) azsdk-python-core/1.28.0 Python/3.11.8"))
	// Output: azure-cli
}
