package main

import (
	"fmt"
	"time"

	"github.com/charmbracelet/x/ansi"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// held is a hold, as --json prints it: its result and its periods.
type held struct {
	trial.Hold
	Measured []trial.HoldPeriod `json:"measured"`
}

// heldOf returns the hold of a sweep; nil if nothing was held.
func heldOf(st session.Sweep) *held {
	if st.Hold == nil || st.Hold.Result == nil {
		return nil
	}
	return &held{*st.Hold.Result, append([]trial.HoldPeriod{}, st.Hold.Periods...)}
}

// holdLines describes the hold after a sweep; nothing without --hold.
func holdLines(p plan.Plan, st session.Sweep) []trial.Line {
	switch {
	case p.Hold == 0:
		return nil
	case st.Hold == nil || st.Hold.Result == nil:
		return []trial.Line{{Label: "hold", Text: "nothing was held: the sweep chose no settings"}}
	}
	return st.Hold.Result.Lines(p.SLA.Percentile, float64(p.SLA.Limit)/float64(time.Millisecond))
}

// hold prints the new periods of a hold, one line each, and on a terminal the running one in the updated line.
func (p *progress) hold(st session.Sweep) {
	h := st.Hold
	if h == nil {
		return
	}
	if p.held == 0 && len(h.Periods) == 0 && !p.holding {
		p.holding = true
		p.clear()
		fmt.Fprintf(p.w, "hold     %v at %v for %v, in %d periods\n", h.Settings, h.Load, st.Plan.Hold, h.Planned)
	}
	for ; p.held < len(h.Periods); p.held++ {
		p.clear()
		line := h.Periods[p.held].Text(h.Planned)
		if h.Left > 0 {
			line += fmt.Sprintf("  ETA %v", h.Left.Round(time.Second))
		}
		fmt.Fprintln(p.w, line)
	}
	if p.live && h.Result == nil && h.Length > 0 && time.Since(p.last) >= redrawInterval {
		p.last = time.Now()
		p.clear()
		line := fmt.Sprintf("hold %d/%d  %v of %v, %d answers  ETA %v", len(h.Periods)+1, h.Planned,
			h.Elapsed.Round(time.Second), h.Length.Round(time.Second), h.Answers, h.Left.Round(time.Second))
		fmt.Fprint(p.w, ansi.Truncate(line, p.width-1, ""))
		p.shown = true
	}
}
