package arm

import (
	"fmt"
	"net/url"

	// The arm package, unlike cloud alone, fills in the Resource Manager
	// endpoints of the well-known clouds.
	_ "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
)

// Cloud names one of Microsoft's Azure clouds, as the configuration spells it.
type Cloud string

// The clouds whose Resource Manager endpoints are built in. Azure Stack Hub
// and other private endpoints are configured by host name instead.
const (
	CloudPublic       Cloud = "public"
	CloudUSGovernment Cloud = "usgovernment"
	CloudChina        Cloud = "china"
)

// Clouds lists the built-in clouds in a stable order.
func Clouds() []Cloud {
	return []Cloud{CloudPublic, CloudUSGovernment, CloudChina}
}

// ManagementHost gives the normalised host name of a cloud's Resource Manager
// endpoint, as the Azure SDK knows it: "management.azure.com" for
// [CloudPublic]. The error names the clouds there are.
func ManagementHost(c Cloud) (string, error) {
	var conf cloud.Configuration
	switch c {
	case CloudPublic:
		conf = cloud.AzurePublic
	case CloudUSGovernment:
		conf = cloud.AzureGovernment
	case CloudChina:
		conf = cloud.AzureChina
	default:
		return "", fmt.Errorf("unknown cloud %q: it is one of %v", string(c), Clouds())
	}
	endpoint := conf.Services[cloud.ResourceManager].Endpoint
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", fmt.Errorf("reading the endpoint of cloud %q: %w", string(c), err)
	}
	return NormalizeHost(u.Hostname())
}
