package plan_test

import (
	"strings"
	"testing"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
)

func TestWarnings(t *testing.T) {
	at := func(queue, batch int, l load.Spec) plan.Point {
		return plan.Point{Settings: knob.Settings{Workers: 1, BatchSize: batch, QueueSize: queue}, Load: l}
	}
	constant := load.Spec{Mode: load.Open, Rate: 50, Arrivals: load.Constant}
	for _, c := range []struct {
		name   string
		points []plan.Point
		want   []string // the starts of the warnings
	}{
		{"no warning", []plan.Point{at(100, 8, load.Spec{Concurrency: 10})}, nil},
		{"a queue as long as a batch", []plan.Point{at(8, 8, load.Spec{Concurrency: 10})}, nil},
		{"a short queue", []plan.Point{at(4, 2, load.Spec{}), at(4, 8, load.Spec{}), at(4, 16, load.Spec{})}, []string{"queue_size 4 is below batch_size 16 in 2 of 3 points"}},
		{"constant arrivals", []plan.Point{at(100, 8, constant)}, []string{"constant arrivals have lower latencies"}},
		{"a closed load has no arrivals", []plan.Point{at(100, 8, load.Spec{Concurrency: 1, Arrivals: load.Constant})}, nil},
		{"both", []plan.Point{at(4, 8, constant)}, []string{"queue_size 4", "constant"}},
		{"no points", nil, nil},
	} {
		got := plan.Warnings(c.points)
		if len(got) != len(c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
			continue
		}
		for i, w := range c.want {
			if !strings.HasPrefix(got[i], w) {
				t.Errorf("%s: %q, want %q", c.name, got[i], w)
			}
		}
	}
}
