package storetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/attribproxy/attribproxy/audit"
)

// Generate writes a journal of n requests, spread over days, that looks like
// the one of a busy build fleet, and returns its size in bytes. The segments
// have no seals: what reads an index does not ask for them.
func Generate(dir string, n, days int) (size int64, err error) {
	const perSegment = 50_000
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same journal every time
	prev := fmt.Sprintf("%064d", 0)
	var buf bytes.Buffer
	for i := range n {
		e := event(r, i, time.Duration(i)*(time.Duration(days)*24*time.Hour/time.Duration(n)))
		e.V, e.Source, e.Epoch, e.Seq, e.Prev, e.Kind = audit.SchemaVersion, "buildhost-0badcafe", 1, uint64(i+1), prev, audit.KindRequest
		line, err := e.MarshalJSON()
		if err != nil {
			return size, err
		}
		sum := sha256.Sum256(line)
		prev = hex.EncodeToString(sum[:])
		buf.Write(line)
		buf.WriteByte('\n')
		if (i+1)%perSegment == 0 || i == n-1 {
			name := fmt.Sprintf("00000001-%04d.jsonl", i/perSegment+1)
			if err := os.WriteFile(filepath.Join(dir, name), buf.Bytes(), 0o600); err != nil {
				return size, err
			}
			size += int64(buf.Len())
			buf.Reset()
		}
	}
	return size, nil
}

// event is one of a fleet's. A build makes 200 writes with one tool to two
// resource groups of one subscription, and has a label of its own; there are 20
// subscriptions with 20 resource groups each, 40 resource types, 6 tools, 5 rules.
func event(r *rand.Rand, i int, after time.Duration) audit.Event {
	tools := []struct{ id, ua string }{
		{"azure-cli", "AZURECLI/2.61.0 (DEB) azsdk-python-core/1.28.0 Python/3.11.8 (Linux-6.1.0-x86_64-with-glibc2.36)"},
		{"terraform-azurerm", "HashiCorp/go-azure-sdk (Go-http-Client/1.1) HashiCorp Terraform/1.9.8 (+https://www.terraform.io) terraform-provider-azurerm/4.14.0"},
		{"azure-powershell", "AzurePowershell/v13.0.0 PSVersion/v7.4.6 Az.Resources/7.7.0"},
		{"azure-sdk-go", "azsdk-go-armcompute/v5.7.0 (go1.23.4; linux)"},
		{"pulumi-azure-native", "pulumi-azure-native/2.78.0 azsdk-go-azcore/v1.16.0 (go1.23.4; linux)"},
		{"curl", "curl/8.5.0"},
	}
	const id = "pid-b6addd8f-5ff4-4fc0-a2b5-0ec7861106c4"
	build := i / 200
	tool := tools[min(build*7%8, 5)]
	sub := fmt.Sprintf("1b2c3d4e-0000-4000-8000-%012d", build*3%20)
	group := fmt.Sprintf("rg-contoso-%d", build*3%20*20+build%10+r.IntN(2))
	kind := (build*5 + r.IntN(12)) % 40
	resourceType := fmt.Sprintf("Microsoft.Service%d/things%d", kind%8, kind)
	name := fmt.Sprintf("thing-%d", i)
	e := audit.Event{
		Time:    time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(after),
		Outcome: "attributed", Reason: "rule \"contoso\" matched", Mode: "enforce", Method: "PUT", Host: "management.azure.com",
		Path:       "/subscriptions/" + sub + "/resourceGroups/" + group + "/providers/" + resourceType + "/" + name,
		APIVersion: "2024-07-01", Scope: "resourceGroup", Subscription: sub, ResourceGroup: group, ResourceType: resourceType, ResourceName: name,
		Tool: tool.id, UAIn: tool.ua, Client: "127.0.0.1", Labels: []string{"team=platform", fmt.Sprintf("build=%d", build)},
		ClientRequestID: uuid(r), CorrelationID: uuid(r), RequestID: uuid(r),
		Status: 201, DurationMS: float64(r.IntN(9000)) / 8, BytesUp: int64(r.IntN(9000)), BytesDown: int64(r.IntN(9000)),
		ConfigHash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
	}
	switch outcome := r.IntN(100); {
	case outcome < 80:
		e.Rule, e.IDs, e.UAOut = fmt.Sprintf("contoso-%d", kind%5), []string{id}, tool.ua+" "+id
	case outcome < 90:
		e.Outcome, e.Reason = "no-rule", "no rule matched"
	default:
		e.Outcome, e.Reason, e.Method, e.Status = "not-eligible", "no rule names method DELETE", "DELETE", 200
	}
	if r.IntN(50) == 0 {
		e.Status = 409
	}
	return e
}

func uuid(r *rand.Rand) string {
	a, b := r.Uint64(), r.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&0xffffffffffff)
}
