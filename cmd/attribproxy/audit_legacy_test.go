package main

import (
	"fmt"
	"os"
	"time"

	"github.com/attribproxy/attribproxy/arm"
	"github.com/attribproxy/attribproxy/attribution"
	"github.com/attribproxy/attribproxy/audit"
)

// legacyJournal is the program "legacyjournal STATE" of the scripts: it makes a
// journal in STATE/audit of what some old scripts write, most of it untagged.
func legacyJournal() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: legacyjournal STATE")
		os.Exit(2)
	}
	if err := os.MkdirAll(os.Args[1], 0o700); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := recordAll(testJournalOptions(os.Args[1]), legacyEvents()...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func legacyEvents() []audit.Event {
	const (
		subscription = "/subscriptions/11111111-2222-3333-4444-555555555555"
		az           = "AZURECLI/2.61.0 (DEB) azsdk-python-core/1.28.0 Python/3.11.8"
		terraform    = "HashiCorp Terraform/1.11.4 (+https://www.terraform.io) terraform-provider-azurerm/4.1.0 pid-222c6c49-1b0a-5959-a213-6608f9eb8820"
		token        = "pid-3f2504e0-4f89-41d3-9a0c-0305e82c3301"
	)
	var events []audit.Event
	add := func(method, path, ua, process string, outcome attribution.Outcome, more ...func(*audit.Event)) {
		t := arm.ParseTarget(method, path)
		e := audit.Event{
			Time: time.Date(2026, 3, 1, 12, len(events), 0, 0, time.UTC), Outcome: string(outcome), Reason: "for the test", Mode: "enforce",
			Method: method, Host: "management.azure.com", Path: t.Path, Scope: string(t.Scope), Subscription: t.Subscription,
			ResourceGroup: t.ResourceGroup, ResourceType: t.ResourceType, ResourceName: t.ResourceName, Deployment: t.Deployment,
			UAIn: ua, Tool: arm.RecognizeTool(ua), Process: process, Client: "127.0.0.1", Status: 201,
		}
		for _, f := range more {
			f(&e)
		}
		events = append(events, e)
	}
	ids := func(e *audit.Event) { e.Rule, e.IDs = "contoso", []string{token} }
	for i := 1; i <= 3; i++ {
		group := fmt.Sprintf("%s/resourceGroups/rg-shop-%d", subscription, i)
		add("PUT", group, az, "/usr/bin/az from /srv/deploy.sh", attribution.OutcomeNoRule)
		add("PUT", group+"/providers/Microsoft.Storage/storageAccounts/s"+fmt.Sprint(i), az, "/usr/bin/az from /srv/deploy.sh", attribution.OutcomeNoRule)
	}
	add("PUT", subscription+"/resourceGroups/RG-Shop-1/providers/Microsoft.Web/sites/w", "curl/8.5.0", "/usr/bin/curl from /srv/old.sh", attribution.OutcomeNoRule)
	add("PUT", subscription+"/resourceGroups/rg1/providers/Microsoft.Web/sites/a", terraform, "/usr/bin/terraform", attribution.OutcomeNoRule)
	add("PUT", subscription+"/resourceGroups/rg2/providers/Microsoft.Web/sites/b", "", "", attribution.OutcomeNoRule)
	add("PUT", subscription+"/providers/Microsoft.Resources/deployments/d", az, "/usr/bin/az", attribution.OutcomeNoRule)
	add("PUT", subscription+"/resourceGroups/rg2/providers/Microsoft.Resources/deployments/d", az, "/usr/bin/az", attribution.OutcomeNoRule,
		func(e *audit.Event) { e.TemplateIDs = []string{token} })
	add("PUT", subscription+"/resourceGroups/rg-contoso", az, "/usr/bin/az", attribution.OutcomeAttributed, ids)
	add("PUT", subscription+"/resourceGroups/rg-native", az+" "+token, "/usr/bin/az", attribution.OutcomeAlreadyAttributed, ids)
	add("DELETE", subscription+"/resourceGroups/rg-shop-9", az, "/usr/bin/az", attribution.OutcomeNotEligible)
	add("POST", "/batch", "", "", attribution.OutcomeBatch)
	add("PUT", subscription+"/resourceGroups/rg-inner", "", "", attribution.OutcomeBatch, func(e *audit.Event) { e.Status = 0 })
	add("GET", "/subscriptions", "", "", attribution.OutcomeRejected, func(e *audit.Event) { e.Status, e.Error = 0, "AttribProxyMisdirected" })
	return events
}
