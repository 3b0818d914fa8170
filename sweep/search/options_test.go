package search_test

import (
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

func TestOptionEffects(t *testing.T) {
	run := func(own knob.OwnValues, batch int, p99, rate, cpu float64) trial.Trial {
		out := trial.Trial{Role: trial.RoleLoad, Load: load.Spec{Concurrency: 10}}
		out.Settings = knob.Settings{Workers: 1, BatchSize: batch, BatchDelay: time.Millisecond, Precision: knob.FullPrecision, Device: "cpu", Threads: 2, QueueSize: 100, Own: own}
		out.Latency.P99.Value, out.Throughput.Value, out.Use.CPUPercent = trial.NumOf(p99), trial.NumOf(rate), trial.NumOf(cpu)
		return out
	}
	spinning, waiting := run("spin=on", 8, 4.1, 500, 200), run("spin=off", 8, 4.3, 480, 96)
	other := run("spin=off", 4, 9, 100, 50)
	failed := waiting
	failed.Error = "not measured"
	unknown := waiting
	unknown.Use.CPUPercent = trial.Num{}
	for _, c := range []struct {
		name   string
		trials []trial.Trial
		best   int
		want   string
	}{
		{"two values", []trial.Trial{spinning, waiting, other}, 0, "spin on: P99 4.1 ms, 4.00 ms of CPU per request; spin off: P99 4.3 ms, 2.00 ms of CPU per request"},
		{"without processor", []trial.Trial{spinning, unknown}, 0, "spin on: P99 4.1 ms, 4.00 ms of CPU per request; spin off: P99 4.3 ms"},
		{"other settings", []trial.Trial{spinning, other}, 0, ""},
		{"a failed one", []trial.Trial{spinning, failed}, 0, ""},
		{"no option", []trial.Trial{run("", 8, 1, 1, 1), waiting}, 0, ""},
		{"a knob of a server", []trial.Trial{run("instances=1", 8, 1, 1, 1), run("instances=2", 8, 1, 1, 1)}, 0, ""},
		{"no best", []trial.Trial{spinning}, -1, ""},
	} {
		if got := search.OptionEffects(c.trials, c.best); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
