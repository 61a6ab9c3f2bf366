package storetest

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/audit/store"
)

// Values come from short lists, so that events meet in groups.

func drawSource(t *rapid.T) string {
	return rapid.SampledFrom([]string{"host-1", "host-2"}).Draw(t, "source")
}

func drawTime(t *rapid.T) time.Time {
	return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).
		Add(time.Duration(rapid.IntRange(0, 4*24).Draw(t, "hour")) * time.Hour).
		Add(time.Duration(rapid.IntRange(0, 1).Draw(t, "nanosecond")))
}

func drawList(t *rapid.T, name string, values ...string) []string {
	list := rapid.SliceOfN(rapid.SampledFrom(values), 0, 3).Draw(t, name)
	if len(list) == 0 {
		return nil
	}
	return list
}

// drawEvent draws the next event of a stream, and sometimes one that was drawn
// before.
func drawEvent(t *rapid.T, next map[key]uint64) audit.Event {
	one := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }
	stream := key{source: drawSource(t), epoch: uint64(rapid.IntRange(1, 2).Draw(t, "epoch"))}
	seq := next[stream] + 1
	if again := rapid.IntRange(0, 9).Draw(t, "again"); again == 0 && seq > 1 {
		seq = rapid.Uint64Range(1, seq-1).Draw(t, "seq")
	} else {
		next[stream] = seq
	}
	e := Event(seq)
	e.Source, e.Epoch, e.Time = stream.source, stream.epoch, drawTime(t)
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		return audit.Event{
			V: 1, Source: e.Source, Epoch: e.Epoch, Seq: seq, Prev: e.Prev, Time: e.Time, Kind: audit.KindGap,
			Reason: one("gap", audit.GapOverflow, audit.GapRetention, audit.GapTorn), Count: rapid.Uint64Range(0, 5).Draw(t, "count"),
		}
	case 1:
		e.Kind = audit.KindIntent
	case 2:
		return audit.Event{V: 1, Source: e.Source, Epoch: e.Epoch, Seq: seq, Prev: e.Prev, Time: e.Time, Kind: audit.KindSeal}
	case 3, 4:
		if seq > 1 {
			e.Intent = rapid.Uint64Range(1, seq-1).Draw(t, "intent")
		}
	}
	e.Outcome = one("outcome", "attributed", "already-attributed", "replaced", "conflict-kept", "would-attribute",
		"excluded", "no-rule", "not-eligible", "batch", "rejected", "bypass")
	e.Status = rapid.SampledFrom([]int{0, 200, 201, 204, 403, 500}).Draw(t, "status")
	e.Rule = one("rule", "", "contoso", "Contoso", "fabrikam")
	e.Tool = one("tool", "", "azure-cli", "curl")
	e.Method = one("method", "PUT", "DELETE")
	e.Subscription = one("subscription", "", "s-1", "S-1", "s-2")
	e.ResourceGroup = one("group", "", "rg", "RG", "Rg", "rg-größe", "RG-GRÖSSE")
	e.ResourceType = one("type", "", "Microsoft.Compute/disks", "microsoft.compute/disks", "Microsoft.Web/sites")
	e.Process = one("process", "", "/usr/bin/az", "/opt/build.sh")
	e.IDs = drawList(t, "ids", pid, other, "PID-B6ADDD8F-5FF4-4FC0-A2B5-0EC7861106C4")
	e.TemplateIDs = drawList(t, "template", pid, other)
	e.Labels = drawList(t, "labels", "team=a", "team=b", "build=1", "team")
	e.UAOut = one("ua", "", "az "+pid, "az ("+other+";"+pid+")")
	e.Path = one("path", "/a_b", "/A%B", `/a\b`, "/axb")
	e.CorrelationID = fmt.Sprint("id-", seq)
	return e
}

func drawQuery(t *rapid.T) store.Query {
	var q store.Query
	some := func(to *[]string, name string, values ...string) {
		if rapid.IntRange(0, 4).Draw(t, "some") == 0 {
			*to = drawList(t, name, values...)
		}
	}
	some(&q.Outcomes, "outcomes", "attributed", "NO-*", "*ed")
	some(&q.Rules, "rules", "contoso", "*", "")
	some(&q.Tools, "tools", "azure-*", "curl")
	some(&q.Methods, "methods", "put")
	some(&q.Subscriptions, "subscriptions", "s-1", "s-*")
	some(&q.Types, "types", "microsoft.compute/*")
	some(&q.IDs, "ids", pid, "pid-3*")
	some(&q.ResourceGroups, "groups", "rg", "RG-GRÖ*", "")
	some(&q.Processes, "processes", "/usr/*", "")
	some(&q.Labels, "labels", "team=*", "build=1")
	some(&q.Statuses, "statuses", "2*", "403", "")
	var text []string
	some(&text, "text", "a_b", "%", `\`, "A", "ID-1")
	if len(text) > 0 {
		q.Text = text[0]
	}
	if rapid.Bool().Draw(t, "since") {
		q.Since = drawTime(t)
	}
	if rapid.Bool().Draw(t, "until") {
		q.Until = drawTime(t)
	}
	if rapid.IntRange(0, 3).Draw(t, "kinds") == 0 {
		q.Kinds = rapid.SliceOfN(rapid.SampledFrom([]audit.Kind{audit.KindRequest, audit.KindIntent, audit.KindGap, audit.KindSeal}), 1, 4).Draw(t, "kind")
	}
	return q
}

func drawDimensions(t *rapid.T) [][]store.Dimension {
	dimension := rapid.SampledFrom(append(store.Dimensions(), "label:team"))
	return rapid.SliceOfN(rapid.SliceOfNDistinct(dimension, 0, 3, rapid.ID), 1, 3).Draw(t, "by")
}
