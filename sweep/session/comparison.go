package session

import (
	"fmt"
	"math"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// Effect is what a change of settings did to the live traffic.
type Effect struct {
	N       int // of the change: A1, A2 ...
	What    stat.Change
	Figures string // in words: "P99 ~ (41-96 -> 38-90 ms), rate -8%"
	Text    string // the change and its figures
}

// Comparing is the comparison of the traffic before and after a change, while it collects traffic.
type Comparing struct {
	N     int       // of the change
	Since time.Time // when the traffic after the change began
}

// The looks of a comparison, in seconds of traffic after the change. The last one always ends it.
var comparisonLooks = [...]int{5, 10, 20, 30}

const (
	maxCompared = 30 // seconds of traffic on each side
	minCompared = 3  // seconds before the change: a mean needs a few to have an interval
)

// comparison collects the traffic after a change and compares it with that before. It has no clock.
type comparison struct {
	change   string // "A2 batch size 1 to 8"
	n        int
	sla      trial.SLA
	closed   bool // the load is closed: the rate says what the mean latency says
	before   stat.Side
	errors   [2]int // before and after
	requests [2]int // before and after
	begin    time.Time
	after    stat.Side
	looked   int  // index of the next look
	hostBusy bool // others used the machine on one side
}

// settleTime returns how long the traffic after a change is left out: the queue that built up during
// the change has to drain.
func settleTime(p99 trial.Num) time.Duration {
	return min(max(time.Second, time.Duration(2*p99.Or(0)*float64(time.Millisecond))), 5*time.Second)
}

// add counts requests that ended at the time at.
func (c *comparison) add(at time.Time, samples []load.Sample) {
	i := int(math.Floor(at.Sub(c.begin).Seconds()))
	if i < 0 || i >= maxCompared {
		return
	}
	for len(c.after.Seconds) <= i {
		c.after.Seconds = append(c.after.Seconds, 0)
	}
	for _, s := range samples {
		c.requests[1]++
		if s.Outcome != load.OK {
			c.errors[1]++
		}
		if v, ok := limitedLatency(s, c.sla.Latency); ok {
			c.after.Values = append(c.after.Values, v)
			c.after.Seconds[i]++
		}
	}
}

// limitedLatency returns the latency of a request that an SLA of the kind limits, in ms. It has none
// if the request was refused or failed. A request that timed out counts with its timeout.
func limitedLatency(s load.Sample, kind trial.LatencyKind) (v float64, ok bool) {
	switch {
	case s.Outcome == load.Refused || s.Outcome == load.Failed:
		return 0, false
	case kind == trial.ModelLatency && s.Outcome == load.OK:
		return ms(s.Model), s.Model > 0
	}
	return ms(s.Latency), true
}

// look returns the result if the comparison has ended at the time now.
func (c *comparison) look(now time.Time) (Effect, bool) {
	seconds := int(math.Floor(now.Sub(c.begin).Seconds()))
	if seconds < comparisonLooks[c.looked] {
		return Effect{}, false
	}
	for c.looked+1 < len(comparisonLooks) && seconds >= comparisonLooks[c.looked+1] {
		c.looked++
	}
	last := c.looked == len(comparisonLooks)-1
	after := c.whole(comparisonLooks[c.looked])
	what := stat.CompareChange(c.before, after, c.sla.Percentile/100, last)
	if !last && !what.Called() {
		c.looked++
		return Effect{}, false
	}
	figures := c.figures(what, len(after.Values))
	return Effect{N: c.n, What: what, Figures: figures, Text: c.change + ": " + figures}, true
}

// whole returns the first seconds after the change. Seconds without an answer count as 0.
func (c *comparison) whole(seconds int) stat.Side {
	out := stat.Side{Seconds: make([]int, seconds)}
	n := 0
	for i := range min(seconds, len(c.after.Seconds)) {
		out.Seconds[i] = c.after.Seconds[i]
		n += out.Seconds[i]
	}
	out.Values = c.after.Values[:n]
	return out
}

// figures is the result in words, with the number of answers after the change.
func (c *comparison) figures(what stat.Change, answers int) string {
	of := ""
	if c.sla.Latency == trial.ModelLatency {
		of = " of the model"
	}
	text := fmt.Sprintf("P%g%s%s", c.sla.Percentile, of, c.percentileText(what.Percentile, answers))
	if !c.closed {
		text += ", mean " + shareText(what.Mean)
	}
	text += ", rate " + shareText(what.Rate)
	if c.hostBusy {
		text += "; host busy"
	}
	if c.errors != [2]int{} {
		text += fmt.Sprintf("; %d of %d requests failed, before %d of %d", c.errors[1], c.requests[1], c.errors[0], c.requests[0])
	}
	return text
}

// percentileText is a percentile before and after with its direction in words.
func (c *comparison) percentileText(s stat.Shift, answers int) string {
	word := "~"
	switch {
	case s.Direction == stat.Higher:
		word = "worse"
	case s.Direction == stat.Lower && c.moreErrors():
		word = "lower, but more requests failed"
	case s.Direction == stat.Lower:
		word = "better"
	}
	enough := stat.Needed(c.sla.Percentile / 100)
	switch {
	case math.IsNaN(s.Before.Value) || math.IsNaN(s.After.Value):
		return " ~ (too few answers)"
	case word == "~" && (len(c.before.Values) < enough || answers < enough):
		return fmt.Sprintf(" ~ (%s -> %s ms; %d and %d answers, it takes %d)", figure(s.Before.Value), figure(s.After.Value),
			len(c.before.Values), answers, enough)
	}
	return fmt.Sprintf(" %s (%s -> %s ms)", word, intervalText(s.Before), intervalText(s.After))
}

// moreErrors reports whether a larger share of requests failed after the change, and more than the
// promise allows.
func (c *comparison) moreErrors() bool {
	share := func(i int) float64 { return float64(c.errors[i]) / float64(max(c.requests[i], 1)) }
	return share(1) > share(0) && share(1) > c.sla.MaxErrorRate
}

// shareText is the relative change of a figure, or ~ if the data cannot tell.
func shareText(s stat.Shift) string {
	if s.Direction == stat.CannotTell {
		return "~"
	}
	return fmt.Sprintf("%+.0f%%", 100*(s.Ratio()-1))
}

// intervalText is an interval, with "?" for an end that the data do not give.
func intervalText(iv stat.Interval) string { return figure(iv.Low) + "-" + figure(iv.High) }

// figure formats a latency in ms with two or three digits.
func figure(v float64) string {
	switch {
	case math.IsNaN(v):
		return "?"
	case v >= 9.95:
		return fmt.Sprintf("%.0f", v)
	case v >= .995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// beginComparison begins to compare with the traffic before the change c, which the caller has kept
// from before the change began. The lock is held.
func (s *Session) beginComparison(c Change, before *comparison) {
	if before == nil {
		return
	}
	before.n = c.N
	before.change = fmt.Sprintf("A%d %s", c.N, changesText(s.state.Info.Knobs(), c.From, c.To))
	if len(before.before.Seconds) < minCompared {
		s.notCompared(before, littleTraffic(len(before.before.Seconds)))
		return
	}
	s.comparing = before
	s.comparing.begin = s.now().Add(settleTime(s.ring.current.P99))
	s.state.Comparing = &Comparing{N: c.N, Since: s.comparing.begin}
}

// baseline returns a comparison with the traffic before a change that begins now; nil without
// traffic. The lock is held.
func (s *Session) baseline() *comparison {
	if !s.state.LoadOn || s.liveLoad == nil {
		return nil
	}
	c := &comparison{sla: s.state.SLA, closed: s.state.Load.Mode == load.Closed, hostBusy: s.ring.current.HostBusy}
	c.before, c.requests[0], c.errors[0] = s.ring.side(maxCompared, s.state.SLA.Latency)
	return c
}

// lookAtComparison reports the result of the comparison if it has ended. The lock is held.
func (s *Session) lookAtComparison() {
	if s.comparing == nil {
		return
	}
	s.comparing.hostBusy = s.comparing.hostBusy || s.ring.current.HostBusy
	if e, done := s.comparing.look(s.now()); done {
		s.comparing, s.state.Comparing, s.state.Effect = nil, nil, &e
		s.add(Message{Level: Note, Text: e.Text, Short: fmt.Sprintf("A%d: %s", e.N, e.Figures)})
	}
}

// dropComparison ends a comparison because the traffic is no longer that after the change. The lock
// is held.
func (s *Session) dropComparison(why string) {
	if s.comparing != nil {
		s.notCompared(s.comparing, why)
	}
	s.comparing, s.state.Comparing = nil, nil
}

// notCompared says why the traffic before and after a change is not compared. The lock is held.
func (s *Session) notCompared(c *comparison, why string) {
	s.add(Message{Level: Note, Text: c.change + ": not compared: " + why, Short: fmt.Sprintf("A%d: not compared: %s", c.n, why)})
}

// littleTraffic is why seconds of traffic before a change are not enough.
func littleTraffic(seconds int) string {
	if seconds == 0 {
		return "no whole second of traffic before it"
	}
	return fmt.Sprintf("only %d s of traffic before it", seconds)
}
