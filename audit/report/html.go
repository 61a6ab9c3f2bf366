package report

import (
	_ "embed" // the page
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/attribproxy/attribproxy/audit/store"
)

//go:embed report.html.tmpl
var page string

// HTML writes the report as one page that asks no other host for anything and
// runs no script.
func HTML(w io.Writer, r *Report) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"group": group, "percent": percent, "shortPercent": shortPercent, "headline": headline, "cells": cells,
		"title": title, "name": dimensionName, "period": period, "account": account, "gapMeaning": gapMeaning,
		"upper": upperFirst, "clean": clean,
		"columns": wideColumns, "columnTitle": func(c column) string { return upperFirst(c.title) },
		"columnValue": func(c column, s Summary) string { return group(c.value(s)) },
		"stamp":       func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"share":       share, "days": dayChart,
	}).Parse(page)
	if err != nil {
		return fmt.Errorf("reading the page: %w", err)
	}
	if err := t.Execute(w, r); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}

// bar is the tagged and the untagged part of 100.
type bar struct{ Tagged, Untagged float64 }

// share draws a summary in proportion to the largest, which has the length of
// 100; without a largest the summary itself has.
func share(s Summary, largest uint64) bar {
	if largest == 0 {
		largest = s.Eligible
	}
	if largest == 0 {
		return bar{}
	}
	return bar{100 * float64(s.Tagged) / float64(largest), 100 * float64(s.Untagged) / float64(largest)}
}

// Largest is the number of eligible writes in the largest group of a table.
func (t Table) Largest() uint64 {
	var largest uint64
	for i := range t.Rows {
		if t.Rows[i].More == 0 {
			largest = max(largest, t.Rows[i].Eligible)
		}
	}
	return largest
}

// chart is bars over time.
type chart struct {
	Bars        []chartBar
	First, Last string
	Top         uint64 // the height of the chart, in writes
	Unit        string
}

// chartBar is one bar in a field of 720 by 160.
type chartBar struct {
	X, Width             float64
	TaggedY, TaggedH     float64
	UntaggedY, UntaggedH float64
	Text                 string
}

const (
	chartWidth  = 720.0
	chartHeight = 160.0
	maxBars     = 184 // more days than that are drawn as weeks
)

// dayChart draws a table that divides by day alone; nil for any other.
func dayChart(t Table) *chart {
	if len(t.By) != 1 || t.By[0] != store.ByDay || len(t.Rows) == 0 {
		return nil
	}
	first, err1 := time.Parse(time.DateOnly, t.Rows[0].Values[0])
	last, err2 := time.Parse(time.DateOnly, t.Rows[len(t.Rows)-1].Values[0])
	if err1 != nil || err2 != nil {
		return nil
	}
	const day = 24 * time.Hour
	days := int(last.Sub(first)/day) + 1
	step, unit := 1, "day"
	if days > maxBars {
		step, unit = 7, "week"
	}
	if days > 7*maxBars {
		step, unit = days/maxBars+1, fmt.Sprintf("%d days", days/maxBars+1)
	}
	sums := make([]Counts, (days+step-1)/step)
	for i := range t.Rows {
		at, err := time.Parse(time.DateOnly, t.Rows[i].Values[0])
		if err != nil || at.Before(first) {
			return nil
		}
		sums[int(at.Sub(first)/day)/step].Sum(t.Rows[i].Counts)
	}
	c := &chart{First: first.Format(time.DateOnly), Last: last.Format(time.DateOnly), Unit: unit}
	for _, s := range sums {
		c.Top = max(c.Top, s.Eligible())
	}
	if c.Top == 0 {
		return nil
	}
	width := chartWidth / float64(len(sums))
	barWidth := min(width*0.84, 48)
	for i, s := range sums {
		if s.Eligible() == 0 {
			continue
		}
		summary := summarize(s)
		tagged := chartHeight * float64(s.Tagged()) / float64(c.Top)
		untagged := chartHeight * float64(s.Untagged()) / float64(c.Top)
		c.Bars = append(c.Bars, chartBar{
			X: (float64(i)+0.5)*width - barWidth/2, Width: barWidth,
			TaggedY: chartHeight - tagged, TaggedH: tagged,
			UntaggedY: chartHeight - tagged - untagged, UntaggedH: untagged,
			Text: fmt.Sprintf("%s: %s tagged of %s, %s", first.Add(time.Duration(i*step)*day).Format(time.DateOnly),
				group(s.Tagged()), group(s.Eligible()), percent(summary)),
		})
	}
	return c
}
