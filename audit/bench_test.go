package audit_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/attribproxy/attribproxy/audit"
)

func BenchmarkAppendLine(b *testing.B) {
	e := event(1)
	e.V, e.Source, e.Epoch, e.Seq, e.Kind = 1, "testhost-0badcafe", 1, 1, audit.KindRequest
	e.Prev = sha("")
	var buf []byte
	b.ReportAllocs()
	appendLine := audit.LineAppender()
	for b.Loop() {
		buf, _ = appendLine(buf[:0], &e)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkParseLine(b *testing.B) {
	e := event(1)
	e.V, e.Source, e.Epoch, e.Seq, e.Kind = 1, "testhost-0badcafe", 1, 1, audit.KindRequest
	e.Prev = sha("")
	line, err := audit.AppendLine(nil, &e)
	if err != nil {
		b.Fatal(err)
	}
	line = line[:len(line)-1]
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := audit.ParseLine(line); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRecord is the whole way to the disk and back to the waiter.
func BenchmarkRecord(b *testing.B) {
	for _, guarantee := range []audit.Guarantee{audit.GuaranteeDurable, audit.GuaranteeBestEffort} {
		for _, writers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/writers=%d", guarantee, writers), func(b *testing.B) {
				o := options(b)
				o.Guarantee = guarantee
				o.QueueEvents = 1 << 20
				j := open(b, o)
				e := event(1)
				b.ReportAllocs()
				b.ResetTimer()
				cpu := cpuTime(b)
				var wg sync.WaitGroup
				for w := range writers {
					n := b.N / writers
					if w < b.N%writers {
						n++
					}
					wg.Go(func() {
						for range n {
							if err := j.Record(e).Wait(context.Background()); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				closeJournal(b, j)
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
				b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/float64(b.N), "cpu-ns/event")
				stats := j.Stats()
				b.ReportMetric(float64(stats.Lines)/float64(stats.Commits), "lines/commit")
			})
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	o := options(b)
	o.Guarantee, o.QueueEvents = audit.GuaranteeBestEffort, 1<<20
	j := open(b, o)
	for i := range 10_000 {
		j.Record(event(i))
	}
	closeJournal(b, j)
	for b.Loop() {
		if r, err := audit.Verify(o.Dir, audit.VerifyOptions{}); err != nil || r.Lines != 10_001 {
			b.Fatal(err, r.Lines)
		}
	}
	b.ReportMetric(10_001*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkOpen is what a journal costs a short run, in a directory where many
// ran before.
func BenchmarkOpen(b *testing.B) {
	for _, epochs := range []int{0, 10_000} {
		b.Run(fmt.Sprintf("epochs=%d", epochs), func(b *testing.B) {
			o := options(b)
			closeJournal(b, open(b, o))
			sealed, err := os.ReadFile(segments(b, o.Dir)[0])
			if err != nil {
				b.Fatal(err)
			}
			for n := range epochs {
				writeFile(b, filepath.Join(o.Dir, fmt.Sprintf("%08d-0001.jsonl", n+2)), string(sealed))
			}
			closeJournal(b, open(b, o))
			for b.Loop() {
				closeJournal(b, open(b, o))
			}
		})
	}
}
