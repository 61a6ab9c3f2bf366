package arm

import "strings"

// Tool is one row of the table of programs that talk to ARM.
type Tool struct {
	// ID is the name used in rules, journal and reports: "azure-cli".
	ID string
	// Name is the name that people use.
	Name string
	// Native is the tool's own way to carry a tracking ID, which makes this
	// proxy unnecessary for it; "" if it has none.
	Native string
	// Limit is what Native cannot do, or why there is none; "" if nothing is
	// known. "May" in it marks what was read in the tool's source and not seen
	// happening.
	Limit string
	// DefaultID is the pid token that the tool sends when it is given none of
	// the user's; "" for most.
	DefaultID string
	// OptOut is how to stop the tool from sending DefaultID.
	OptOut string
	// markers are the product names that give the tool away, lower case. One that
	// ends in '/' or '-' is the beginning of a User-Agent token, any other the
	// whole of one.
	markers []string
}

// noHeader is the limit of clients that let their user set any header.
const noHeader = "no setting of its own; set the User-Agent header of the request"

// toolTable holds the most specific tool first: a User-Agent that shows several
// belongs to the first of them, as tools are built on SDKs and SDKs on HTTP
// clients.
func toolTable() []Tool {
	return []Tool{
		{
			ID: "terraform-azurerm", Name: "Terraform azurerm provider",
			Native:    `partner_id = "<GUID>" in the provider block, or ARM_PARTNER_ID`,
			Limit:     "GUIDs only: a marketplace ID (pid-…-partnercenter) is refused; one ID for the whole provider, on every method",
			DefaultID: "pid-222c6c49-1b0a-5959-a213-6608f9eb8820",
			OptOut:    "disable_terraform_partner_id = true, or ARM_DISABLE_TERRAFORM_PARTNER_ID=true",
			markers:   []string{"terraform-provider-azurerm/"},
		},
		{
			ID: "terraform-azapi", Name: "Terraform azapi provider",
			Native:    `partner_id = "<GUID>" in the provider block, or ARM_PARTNER_ID`,
			Limit:     "GUIDs only, given without pid-: with it, the token may become pid-pid-…; one ID for the whole provider",
			DefaultID: "pid-222c6c49-1b0a-5959-a213-6608f9eb8820",
			OptOut:    "disable_terraform_partner_id = true, or ARM_DISABLE_TERRAFORM_PARTNER_ID=true",
			markers:   []string{"terraform-provider-azapi/"},
		},
		{
			ID: "pulumi-azure-native", Name: "Pulumi Azure Native",
			Native:    "pulumi config set azure-native:partnerId <GUID>",
			Limit:     "one ID for the whole provider",
			DefaultID: "pid-a90539d8-a7a6-5826-95c4-1fbef22d4b22",
			OptOut:    "azure-native:disablePulumiPartnerId, or ARM_DISABLE_PULUMI_PARTNER_ID=true",
			markers:   []string{"pulumi-azure-native/", "pulumi-azure-native"},
		},
		{
			ID: "packer", Name: "Packer",
			Limit:   "no setting reaches its User-Agent",
			markers: []string{"packer/"},
		},
		{
			ID: "azd", Name: "Azure Developer CLI",
			Native:  "AZURE_DEV_USER_AGENT=pid-…",
			markers: []string{"azdev/"},
		},
		{
			ID: "bicep", Name: "Bicep CLI",
			Limit:   "no setting reaches its User-Agent; put the ID into the template instead",
			markers: []string{"bicep/"},
		},
		{
			ID: "ansible", Name: "Ansible azure.azcollection",
			Native:  "AZURE_HTTP_USER_AGENT=pid-…",
			Limit:   "works only where azure-core reads the variable; the generic REST module may send none",
			markers: []string{"ansible/", "ansible-httpget"},
		},
		{
			ID: "azure-powershell", Name: "Azure PowerShell",
			Native:  `[Microsoft.Azure.Commands.Common.Authentication.AzureSession]::ClientFactory.AddUserAgent("pid-…")`,
			Limit:   "generated modules build their own User-Agent and may miss it",
			markers: []string{"azurepowershell/"},
		},
		{
			ID: "azure-cli", Name: "Azure CLI",
			Native:  "AZURE_HTTP_USER_AGENT=pid-…",
			markers: []string{"azurecli/"},
		},
		{
			ID: "terraform", Name: "Terraform, another provider",
			Limit:   "depends on the provider",
			markers: []string{"terraform/"},
		},
		{
			ID: "azure-sdk-go", Name: "Azure SDK for Go",
			Limit:   "ApplicationID is cut to 24 characters and an ID has 40; only a policy of one's own can add it",
			markers: []string{"azsdk-go-", "azure-sdk-for-go/"},
		},
		{
			ID: "azure-sdk-python", Name: "Azure SDK for Python",
			Native:  "AZURE_HTTP_USER_AGENT=pid-…, or user_agent= on the client",
			markers: []string{"azsdk-python-", "msrest_azure/"},
		},
		{
			ID: "azure-sdk-net", Name: "Azure SDK for .NET",
			Limit:   "ApplicationId refuses more than 24 characters and an ID has 40; only a policy of one's own can add it",
			markers: []string{"azsdk-net-"},
		},
		{
			ID: "azure-sdk-java", Name: "Azure SDK for Java",
			Native:  "applicationId on the client's HttpLogOptions or ClientOptions",
			Limit:   "older releases allow 24 characters and an ID has 40",
			markers: []string{"azsdk-java-"},
		},
		{
			ID: "azure-sdk-js", Name: "Azure SDK for JavaScript",
			Native:  `userAgentOptions: { userAgentPrefix: "pid-…" }`,
			Limit:   "in code only: no environment variable is read",
			markers: []string{"azsdk-js-"},
		},
		{
			ID: "hashicorp-go-azure-sdk", Name: "HashiCorp Azure SDK for Go",
			Limit:   "depends on the program",
			markers: []string{"hashicorp/go-azure-sdk"},
		},
		{ID: "curl", Name: "curl", Native: `-A "… pid-…"`, markers: []string{"curl/"}},
		{ID: "wget", Name: "GNU Wget", Native: `--user-agent="… pid-…"`, markers: []string{"wget/"}},
		{ID: "python-requests", Name: "Python requests", Limit: noHeader, markers: []string{"python-requests/"}},
		{
			ID: "powershell", Name: "PowerShell Invoke-RestMethod", Native: `-UserAgent "… pid-…"`,
			markers: []string{"powershell/", "windowspowershell/"},
		},
		{ID: "postman", Name: "Postman", Limit: noHeader, markers: []string{"postmanruntime/"}},
		{ID: "node", Name: "Node.js fetch, undici, axios", Limit: noHeader, markers: []string{"undici", "node", "node-fetch", "node-fetch/", "axios/"}},
		{ID: "java", Name: "Java HttpClient, HttpsURLConnection", Limit: noHeader, markers: []string{"java-http-client/", "java/"}},
		{ID: "go", Name: "Go net/http", Limit: noHeader, markers: []string{"go-http-client/"}},
	}
}

// Tools is the table of known tools, the most specific first. The caller owns
// the slice.
func Tools() []Tool { return toolTable() }

// FindTool gives the tool of an ID, compared without case.
func FindTool(id string) (Tool, bool) {
	for _, t := range toolTable() {
		if strings.EqualFold(t.ID, id) {
			return t, true
		}
	}
	return Tool{}, false
}
