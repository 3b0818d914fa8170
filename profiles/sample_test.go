package profiles_test

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

var _ sweep.Recorder = (*profiles.Writer)(nil)

var at = time.Date(2026, 11, 22, 9, 15, 0, 0, time.UTC)

func header(id string) profiles.Header {
	return profiles.Header{
		ID: id, Kind: profiles.Sweep, Created: at, Tool: "sweetspot 0.1.0",
		Machine:  profiles.Machine{OS: "linux", Arch: "amd64", CPU: "Test CPU", Cores: 2, MemoryMB: trial.NumOf(24000), Runtime: "onnxruntime 1.27.0 cpu"},
		Model:    profiles.Model{Name: "mlp-wide", Version: "1.0", Source: "builtin:mlp-wide", SHA256: "12ab34cd56ef7890", BatchAxis: new(true)},
		SLA:      &trial.SLA{Percentile: 99, Limit: 100 * time.Millisecond},
		Plan:     json.RawMessage(`{"model":"builtin:mlp-wide","seed":18446744073709551615}`),
		PlanHash: "sha256:00", Seed: 1,
	}
}

func sampleTrial(n int) trial.Trial {
	est := func(v, half float64) trial.Estimate {
		return trial.Estimate{Value: trial.NumOf(v), Low: trial.NumOf(v - half), High: trial.NumOf(v + half)}
	}
	t := trial.Trial{
		N: n, At: at.Add(time.Duration(n) * time.Minute), Role: trial.RoleLoad, Reason: "predicted best",
		Settings: knob.Settings{Workers: n, BatchSize: 8, BatchDelay: 10 * time.Millisecond, Precision: knob.FullPrecision, Device: "cpu", Threads: 1, QueueSize: 100},
		Options:  knob.Options{Rule: knob.TorchServe},
		Load:     load.Spec{Concurrency: 10}, Seed: uint64(n),
	}
	t.Seconds, t.Counts = 12.4, trial.Counts{Sent: 6550, OK: 6550}
	t.Throughput = est(500+float64(n), 9.05)
	t.Latency.P50, t.Latency.P99 = est(18.9, .3), est(41.2, 1.9)
	t.Model.P99 = trial.NumOf(9.9)
	t.Verdict = trial.Verdict{Result: trial.Pass, Percentile: 99, LimitMS: 100, ValueMS: trial.NumOf(41.2), Why: "certain after 2210 requests"}
	return t
}

// write writes a complete profile to dir and returns its path.
func write(t *testing.T, dir, id string) string {
	t.Helper()
	path := profiles.Path(dir, id)
	w, err := profiles.Create(path, header(id), profiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	failing := sampleTrial(3)
	failing.Throughput.High, failing.Latency.P99.High = trial.Num{}, trial.Num{}
	failing.Verdict.Result, failing.Warnings = trial.Fail, []trial.Warning{{Text: "queue was full"}}
	steps := []error{
		w.Probe(trial.Probe{N: 1, At: at, Settings: knob.Default(knob.TorchServe), BatchSize: 8, Runs: 12, ServiceTime: trial.ServiceTime{Median: trial.NumOf(4.02)}}),
		w.Trial(sampleTrial(1)),
		w.Trial(sampleTrial(2)),
		w.Trial(failing),
		w.Event(trial.Event{At: at, What: "paused", Detail: "p"}),
		w.Choice(trial.Choice{At: at, N: 2, By: "strategy", Settings: sampleTrial(2).Settings, Why: trial.Explanation{Limit: "execution", Headroom: trial.NumOf(.588), RunnersUp: []int{1, 3}}}),
		w.End(profiles.Done, 0),
		w.Close(),
	}
	for i, err := range steps {
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	return path
}

func read(t *testing.T, path string) *profiles.Profile {
	t.Helper()
	p, err := profiles.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newDir(t *testing.T) string { return filepath.Join(t.TempDir(), "profiles") }
