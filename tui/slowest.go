package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
	"sweetspot/tui/chart"
)

// shownSlowest is how many of the slowest requests are shown. slowestWidth is the width of their
// table, besideSlowest the least width of the panel that shows it beside the histogram.
const (
	shownSlowest  = 5
	slowestWidth  = 50
	besideSlowest = slowestWidth + 28
)

// slowestRequests are the slowest requests of the last seconds.
func (m *model) slowestRequests(seconds int) []session.SlowRequest {
	from := len(m.data.latencies) - seconds
	var out []session.SlowRequest
	for i := range m.snap.Live.Seconds {
		if s := &m.snap.Live.Seconds[i]; secondIndex(m.data.first, s.At) >= from {
			out = append(out, s.Slowest...)
		}
	}
	slices.SortStableFunc(out, func(a, b session.SlowRequest) int { return -cmp.Compare(a.MS, b.MS) })
	return out[:min(len(out), shownSlowest)]
}

// drawHistogram draws the histogram of the latencies of the last seconds, and the slowest requests
// of the same seconds beside it.
func (m *model) drawHistogram(p pane, h chart.Histogram, seconds int) {
	slow := m.slowestRequests(seconds)
	if p.w < besideSlowest || len(slow) == 0 {
		p.chart(h)
		return
	}
	p.sub(0, 0, p.w-slowestWidth-1, p.h).chart(h)
	p = p.sub(p.w-slowestWidth, 0, slowestWidth, p.h)
	row := func(y int, style styleID, sent, ms, queue, formation, execution, encode, batch string) {
		p.text(0, y, fmt.Sprintf("%-8s %7s %6s %6s %6s %6s %5s", sent, ms, queue, formation, execution, encode, batch), style)
	}
	row(0, styleDim, "slowest", "ms", "queue", "form", "exec", "encode", "batch")
	for i, s := range slow {
		style, batch := styleText, "n/a"
		if s.MS > limitMS(m.snap.SLA) && m.snap.SLA.Latency == trial.RequestLatency {
			style = styleFail
		}
		if s.Batch > 0 {
			batch = strconv.Itoa(s.Batch)
		}
		ms := na(trial.NumOf(s.MS))
		if s.TimedOut {
			ms = ">" + ms
		}
		row(1+i, style, s.Sent.Format("15:04:05"), ms, na(s.Queue), na(s.Formation), na(s.Execution), na(s.Encode), batch)
	}
}
