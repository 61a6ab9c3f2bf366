package console

import (
	"time"

	"github.com/attribproxy/attribproxy/audit/report"
)

// The size of a chart in its own units; the page stretches it.
const (
	chartWidth  = 900.0
	chartHeight = 100.0
	// chartBars is how many bars there can be before days are taken together.
	chartBars = 92
)

// chart is coverage over time: a bar for each day, its tagged share below its
// untagged one, and below that how many writes it is the share of. It is drawn
// on the server; the text around it is HTML, so that it keeps its size on a
// phone.
type chart struct {
	Bars        []bar
	Max         uint64 // height of the axis
	First, Last string
	Each        int // days of a bar
}

type bar struct {
	Day, Percent     string // Percent is "" without eligible writes
	Tagged, Eligible uint64
	X, Width         float64
	OtherH, TaggedH  float64 // together the whole height: the share
	VolumeY, VolumeH float64
	SlotX, SlotWidth float64 // what the pointer meets
}

// newChart draws the rows of a table by day; nil when there are none.
func newChart(rows []report.Row) *chart {
	type sum struct{ tagged, eligible uint64 }
	byDay := map[time.Time]sum{}
	var first, last time.Time
	for _, r := range rows {
		day, err := time.Parse(time.DateOnly, r.Values[0])
		if err != nil || r.Eligible == 0 {
			continue
		}
		byDay[day] = sum{r.Tagged, r.Eligible}
		if first.IsZero() || day.Before(first) {
			first = day
		}
		if day.After(last) {
			last = day
		}
	}
	if len(byDay) == 0 {
		return nil
	}
	days := int(last.Sub(first).Hours()/24) + 1
	c := &chart{First: first.Format(time.DateOnly), Last: last.Format(time.DateOnly), Each: (days + chartBars - 1) / chartBars}
	for day := first; !day.After(last); day = day.AddDate(0, 0, c.Each) {
		b := bar{Day: day.Format(time.DateOnly)}
		for i := range c.Each {
			s := byDay[day.AddDate(0, 0, i)]
			b.Tagged, b.Eligible = b.Tagged+s.tagged, b.Eligible+s.eligible
		}
		b.Percent = percent(b.Tagged, b.Eligible)
		c.Max = max(c.Max, b.Eligible)
		c.Bars = append(c.Bars, b)
	}
	slot := chartWidth / float64(max(len(c.Bars), 7)) // one day is no wall
	for i := range c.Bars {
		b := &c.Bars[i]
		b.SlotX, b.SlotWidth = float64(i)*slot, slot
		b.X, b.Width = b.SlotX+slot*.12, slot*.76
		b.VolumeH = chartHeight * float64(b.Eligible) / float64(c.Max)
		b.VolumeY = chartHeight - b.VolumeH
		if b.Eligible > 0 {
			b.TaggedH = chartHeight * float64(b.Tagged) / float64(b.Eligible)
			b.OtherH = chartHeight - b.TaggedH
		}
	}
	return c
}
