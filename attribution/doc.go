// Package attribution decides whether a request to Azure Resource Manager gets
// a partner's tracking ID, and writes it into the User-Agent.
//
// Microsoft's customer usage attribution reads a "pid-…" token from the
// User-Agent of a deployment's requests:
// https://learn.microsoft.com/partner-center/marketplace-offers/azure-partner-customer-usage-attribution
//
// Everything here is pure. [Compile] checks rules once; [Policy.Decide] turns
// the facts of one request into a [Decision] that always says why.
package attribution
