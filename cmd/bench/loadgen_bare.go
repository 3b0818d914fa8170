package main

import (
	"errors"
	"fmt"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/sweep/stat"
)

// bareLoad is a constant load of equal requests that a loop of nothing but system calls sends at their times.
type bareLoad struct {
	addr    string
	request string // as it is written, with its head
	rate    int    // requests per second
	spin    bareSpin
}

// bareSpin is how long before each planned time the loop is busy instead of asleep, so that its request is not late because
// its thread wakes up late.
type bareSpin struct {
	lead    time.Duration // from here on no sleep
	adjusts bool          // the lead, as the load generator does: being busy takes at most 1% of the time
}

// adjusted is the lead after a sleep that ended late: so that 1 of 3 sleeps ends before it has passed.
func (s bareSpin) adjusted(late time.Duration) bareSpin {
	const step = 250 * time.Nanosecond
	switch {
	case !s.adjusts:
	case late < s.lead:
		s.lead -= 2 * step
	default:
		s.lead += step
	}
	return s
}

// allowed is the lead if the loop has been busy for a part of its time.
func (s bareSpin) allowed(busy, elapsed time.Duration) time.Duration {
	if s.adjusts && busy > elapsed/100 {
		return 0
	}
	return s.lead
}

// bareResult is what a bareLoad took.
type bareResult struct {
	us  float64 // processor time per request
	p50 float64 // median latency in ms
}

// The loops that show the limits of a sender: one is busy as the load generator is, and one is never late, at the cost of a
// fifth of a core at 1000/s.
var (
	equalSpin = bareSpin{lead: 60 * time.Microsecond, adjusts: true}
	wholeSpin = bareSpin{lead: 200 * time.Microsecond}
)

// bareLoad is the load of this set, as the load generator sends it.
func (s *loadServer) bareLoad(rate int, spin bareSpin) bareLoad {
	return bareLoad{s.Load, bareRequest("localhost", pathWork, "application/json", []byte(`{"x":1}`)), rate, spin}
}

// bareRequest is a request as our load generator sends it.
func bareRequest(host, path, contentType string, body []byte) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", path, host, contentType, len(body), body)
}

// leastP50 adds the median latency of a bare loop that is never late. What is left is the machine: the server sleeps, and
// wakes up late.
func leastP50(e *env, s *loadServer) error {
	r, err := s.bareLoad(slowRate, wholeSpin).run(e.budget.load().limit)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return err
	}
	e.report.Add(judge.Figure{
		Name: "loadgen.p50.least", Value: r.p50, Unit: "ms",
		Detail: fmt.Sprintf("of a bare loop that is busy for %v before each request, to the same server", wholeSpin.lead),
	})
	return nil
}

// shareOfLimit is a figure divided by its limit, with the interval of the figure. If the limit was measured while other
// processes disturbed it, it is undecided.
func shareOfLimit(name string, f judge.Figure, limit float64, disturbed bool) judge.Figure {
	out := judge.Figure{
		Name: name, Value: f.Value / limit, Unit: "ratio",
		Detail: fmt.Sprintf("%s %s of %s %s", judge.Number(f.Value), f.Unit, judge.Number(limit), f.Unit),
	}
	switch {
	case disturbed:
		open := openInterval(out.Value)
		out.Interval, out.Detail = &open, out.Detail+", disturbed"
	case f.Interval != nil:
		out.Interval = &stat.Interval{Value: out.Value, Low: f.Interval.Low / limit, High: f.Interval.High / limit}
	}
	return out
}
