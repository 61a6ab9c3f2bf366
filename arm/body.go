package arm

import (
	"net/http"
	"strings"
)

// BodyLimit is how many bytes of a body the scanners look at: four times what
// ARM takes for a template with its parameters.
// https://learn.microsoft.com/azure/azure-resource-manager/templates/best-practices#template-limits
const BodyLimit = 16 << 20

// TakesTemplate reports whether a request to the target carries a template in
// its body that is deployed: a PUT of a deployment or of a deployment stack.
func (t Target) TakesTemplate(method string) bool {
	return method == http.MethodPut && t.Operation == OperationResource &&
		(strings.EqualFold(t.ResourceType, typeDeployments) || strings.EqualFold(t.ResourceType, typeStacks))
}

// foldEqual compares bytes with an ASCII word without case, as ARM compares
// the keys of templates.
func foldEqual(b []byte, word string) bool {
	return len(b) == len(word) && strings.EqualFold(string(b), word)
}
