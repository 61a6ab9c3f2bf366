package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/attribproxy/attribproxy/audit"
)

// testJournal is the program "testjournal STATE" of the scripts: it makes a
// journal in STATE/audit with a fixed key and a fixed clock, so that every byte
// of it is known. Stream 1 was closed; stream 2 was killed, and stream 3 closed
// it. With a further argument "append" it records one more event instead.
func testJournal() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: testjournal STATE [append]")
		os.Exit(2)
	}
	write := writeTestJournal
	if len(os.Args) > 2 {
		write = appendTestEvent
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func testJournalOptions(state string) audit.Options {
	return audit.Options{
		Dir: filepath.Join(state, "audit"), Source: "buildhost-0badcafe",
		KeyFile: filepath.Join(state, "seal-key.pem"),
		Now:     func() time.Time { return time.Date(2026, 3, 1, 13, 0, 0, 0, time.UTC) },
	}
}

func writeTestJournal(state string) error {
	if err := os.MkdirAll(state, 0o700); err != nil {
		return err
	}
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	o := testJournalOptions(state)
	if err := os.WriteFile(o.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return err
	}
	for stream, events := range testEvents() {
		if err := recordAll(o, events...); err != nil {
			return err
		}
		if stream == 1 { // as if it had been killed
			path := filepath.Join(o.Dir, "00000002-0001.jsonl")
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			data = data[:bytes.LastIndexByte(data[:len(data)-1], '\n')+1]
			if err := os.WriteFile(path, data, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

func appendTestEvent(state string) error {
	e := testEvents()[0][0]
	e.Time, e.ResourceName = time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC), "vm-late"
	return recordAll(testJournalOptions(state), e)
}

func recordAll(o audit.Options, events ...audit.Event) error {
	j, err := audit.Open(o)
	if err != nil {
		return err
	}
	for _, e := range events {
		if err := j.Record(e).Wait(context.Background()); err != nil {
			return err
		}
	}
	return j.Close()
}

func testEvents() [][]audit.Event {
	at := func(minute int) time.Time { return time.Date(2026, 3, 1, 12, minute, 0, 0, time.UTC) }
	const az = "AZURECLI/2.61.0 (DEB) azsdk-python-core/1.28.0 Python/3.11.8"
	const subscription = "11111111-2222-3333-4444-555555555555"
	vm := audit.Event{
		Time: at(0), Outcome: "attributed", Reason: `rule "contoso" matched`, Rule: "contoso",
		IDs: []string{"pid-3f2504e0-4f89-41d3-9a0c-0305e82c3301"}, Mode: "enforce",
		Method: "PUT", Host: "management.azure.com",
		Path:       "/subscriptions/" + subscription + "/resourceGroups/rg-contoso-1/providers/Microsoft.Compute/virtualMachines/vm1",
		APIVersion: "2024-07-01", Scope: "resourceGroup", Subscription: subscription, ResourceGroup: "rg-contoso-1",
		ResourceType: "Microsoft.Compute/virtualMachines", ResourceName: "vm1",
		Tool: "azure-cli", UAIn: az, UAOut: az + " pid-3f2504e0-4f89-41d3-9a0c-0305e82c3301",
		Client: "127.0.0.1", Labels: []string{"team=platform", "build=42"},
		ClientRequestID: "9c1d0d52-0f6a-4f0e-9d3a-b0f5c3a453f1", CorrelationID: "b0f5c3a4-53f1-4f0e-9d3a-1d2f0c8b7a61",
		RequestID: "7a1d2f0c-8b61-4f0e-9d3a-b0f5c3a453f1", Status: 201, DurationMS: 812.5, BytesUp: 2048, BytesDown: 512,
		ConfigHash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
	}
	group := vm
	group.Time, group.Path, group.ResourceType, group.ResourceName = at(1), "/subscriptions/"+subscription+"/resourcegroups/rg-legacy", "Microsoft.Resources/resourceGroups", "rg-legacy"
	group.ResourceGroup, group.Outcome, group.Rule, group.IDs = "rg-legacy", "no-rule", "", nil
	group.Reason, group.UAIn, group.UAOut, group.Tool, group.Status = "no rule matched", "curl/8.5.0", "", "curl", 200
	remove := vm
	remove.Time, remove.Method, remove.Outcome, remove.Rule, remove.IDs = at(3), "DELETE", "not-eligible", "", nil
	remove.Reason, remove.UAOut, remove.Status = "no rule names method DELETE", "", 202
	refused := audit.Event{
		Time: at(2), Outcome: "rejected", Reason: "the Host of the request is not the host of CONNECT", Mode: "enforce",
		Method: "GET", Host: "management.azure.com", Path: "/subscriptions", Scope: "tenant",
		UAIn: "evil\x1b[31m\tclient \u202egpj", Client: "127.0.0.1", Error: "AttribProxyMisdirected", DurationMS: 0.25,
	}
	return [][]audit.Event{{vm, refused}, {group, remove}, nil}
}
