package main

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
)

func TestApply(t *testing.T) {
	needLibrary(t)
	got, fields := figureLines(t, "apply")
	want := []string{
		"apply.failed", "apply.lost", "apply.duplicated", "apply.mixed-up", "apply.refused",
		"apply.left.sessions", "apply.left.goroutines", "apply.left.descriptors", "apply.memory",
		"apply.tail.hot", "apply.tail.warm",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
	for _, name := range want[:6] {
		if name == "apply.refused" {
			continue // a machine that stands still for a second fills the queue
		}
		if f := fields[name]; len(f) < 5 || f[1] != "0" || f[4] != "ok" {
			t.Errorf("%s: %q, want 0", name, f)
		}
	}
}

func TestDrawSettings(t *testing.T) {
	draws := drawSettings(3, 400, 2)
	if diff := cmp.Diff(draws, drawSettings(3, 400, 2)); diff != "" {
		t.Errorf("the same seed draws other settings:\n%s", diff)
	}
	limits := knob.Limits{Rule: knob.Eager, Cores: 2, BatchAxis: true}
	changed := map[knob.Name]int{}
	for i, last := range append([]knob.Settings{baseSettings()}, draws[:len(draws)-1]...) {
		if draws[i] == last {
			t.Errorf("draw %d changes nothing", i)
		}
		if draws[i].Threads <= limits.Cores {
			if err := draws[i].Validate(limits); err != nil {
				t.Errorf("draw %d: %v", i, err)
			}
		}
		for _, k := range knob.All() {
			if draws[i].Get(k.Name) != last.Get(k.Name) {
				changed[k.Name]++
			}
		}
	}
	for _, n := range []knob.Name{knob.Workers, knob.BatchSize, knob.BatchDelay, knob.FP16, knob.QueueSize} {
		if changed[n] < 40 {
			t.Errorf("%s is changed %d times of 400", n, changed[n])
		}
	}
}

func TestNearest(t *testing.T) {
	payloads := &payloadSet{answers: [][]float64{{0, 0}, {1, 0}, {0, 3}}}
	for _, tt := range []struct {
		answer []float64
		at     int
		off    float64
	}{
		{[]float64{.25, 0}, 0, .25},
		{[]float64{1, .125}, 1, .125},
		{[]float64{0, 2}, 2, 1},
		{[]float64{0}, -1, math.Inf(1)},
		{nil, -1, math.Inf(1)},
	} {
		for id := range payloads.answers {
			if at, off := payloads.nearest(tt.answer, id); at != tt.at || off != tt.off {
				t.Errorf("nearest(%v, %d) = %d, %v, want %d, %v", tt.answer, id, at, off, tt.at, tt.off)
			}
		}
	}
}

// Requests in flight during a part of a span are included.
func TestLatenciesDuring(t *testing.T) {
	const ms = time.Millisecond
	var samples []load.Sample
	for i := range 10 { // 0-15, 10-25, 20-35, ... 90-105
		samples = append(samples, load.Sample{Planned: time.Duration(i) * 10 * ms, Latency: time.Duration(15+i) * ms})
	}
	got := latenciesDuring(samples, []timeSpan{{22 * ms, 31 * ms}, {25 * ms, 30 * ms}, {200 * ms, 300 * ms}})
	if want := []float64{16, 17, 18}; !slices.EqualFunc(got, want, func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }) {
		t.Errorf("during = %v, want %v", got, want)
	}
}

func TestTailFigure(t *testing.T) {
	const ms = time.Millisecond
	var samples []load.Sample
	for i := range 6000 { // one per ms: steady at 10 ms, steady at 20 ms, changes at 30 ms
		samples = append(samples, load.Sample{
			Planned: time.Duration(i) * ms, Latency: time.Duration(10*(1+i/2000))*ms + time.Duration(i%100)*time.Microsecond,
		})
	}
	s := time.Second
	steady, changes := []timeSpan{{0, 19 * s / 10}, {21 * s / 10, 39 * s / 10}}, []timeSpan{{41 * s / 10, 5 * s}, {5 * s, 6 * s}}
	f := tailFigure("apply.tail.x", samples, steady, changes, 1000)
	if f.Value < 1.45 || f.Value > 1.5 || f.Interval != nil {
		t.Errorf("%v (%s), want a little below 1.5", f.Value, f.Detail)
	}
}
