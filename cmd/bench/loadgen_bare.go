package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/sweep"
	"sweetspot/sweep/stat"
)

// bareLoad is a constant load of equal requests that a loop of nothing but system calls sends at their times.
type bareLoad struct {
	addr    string
	request string // as it is written, with its head
	rate    int    // requests per second
	// spin is the time before each planned time in which the loop is busy instead of asleep, so that its request is not
	// late because its thread wakes up late.
	spin time.Duration
}

// bareResult is what a bareLoad took.
type bareResult struct {
	us  float64 // processor time per request
	p50 float64 // median latency in ms
}

// wholeSpin is longer than most sleeps are late.
const wholeSpin = 200 * time.Microsecond

// bareLoad is the load of this set, as the load generator sends it.
func (s *loadServer) bareLoad(rate int, spin time.Duration) bareLoad {
	return bareLoad{s.Load, bareRequest("localhost", pathWork, "application/json", []byte(`{"x":1}`)), rate, spin}
}

// bareRequest is a request as our load generator sends it.
func bareRequest(host, path, contentType string, body []byte) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", path, host, contentType, len(body), body)
}

// limitOfTiming adds how even the requests of a spinning bare loop arrive and their median latency, and ours as shares of
// that. Its requests are written at their times, so that all that is left is the machine: a sleeping server wakes up late,
// by different times.
func limitOfTiming(ctx context.Context, e *env, s *loadServer, gaps, p50 judge.Figure) error {
	var discarded, at []int64
	if err := s.get(ctx, "/arrivals", &discarded); err != nil { // of the run before
		return err
	}
	watch := s.watch()
	watch()
	r, err := s.bareLoad(slowRate, wholeSpin).run(e.budget.load().limit)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err == nil {
		err = s.get(ctx, "/arrivals", &at)
	}
	if err != nil {
		return err
	}
	n := watch()
	disturbed := (sweep.Disturbance{Steal: n.Steal, Foreign: n.Foreign}).RejectReason() != ""
	slices.Sort(at)
	cv := coefficientOfVariation(gapsOf(at))
	for _, f := range []struct {
		name, unit string
		ours       judge.Figure
		limit      float64
	}{
		{"loadgen.gaps", "cv", gaps, cv},
		{"loadgen.p50", "ms", p50, r.p50},
	} {
		detail := fmt.Sprintf("of a bare loop that spins for %v before each of %d requests, to the same server", wholeSpin, len(at))
		e.report.Add(judge.Figure{Name: f.name + ".limit", Value: f.limit, Unit: f.unit, Detail: detail})
		e.report.Add(shareOfLimit(f.name+".share", f.ours, f.limit, disturbed))
	}
	return nil
}

// gapsOf are the differences of ascending times.
func gapsOf(at []int64) []float64 {
	var out []float64
	for i := 1; i < len(at); i++ {
		out = append(out, float64(at[i]-at[i-1]))
	}
	return out
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
