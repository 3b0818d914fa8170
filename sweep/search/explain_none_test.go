package search_test

import (
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

func TestExplainNone(t *testing.T) {
	at := func(l load.Spec, rates ...float64) []trial.Trial {
		var out []trial.Trial
		for _, r := range rates {
			x := trial.Trial{Load: l}
			x.Throughput.Value = trial.NumOf(r)
			out = append(out, x)
		}
		return out
	}
	ten := load.Spec{Concurrency: 10}
	promise := trial.SLA{Percentile: 99, Limit: 100 * time.Millisecond}
	model := promise
	model.Latency = trial.ModelLatency
	near := func(p99, queue, formation, execution float64, change ...func(*trial.Trial)) []trial.Trial {
		x := served(1, 10, p99, 100*time.Millisecond, failed)
		x.Breakdown = trial.Breakdown{Queue: trial.NumOf(queue), Formation: trial.NumOf(formation), Execution: trial.NumOf(execution)}
		for _, c := range change {
			c(&x)
		}
		return []trial.Trial{x}
	}
	alone := func(t *trial.Trial) { t.Load.Concurrency, t.Throughput = 1, trial.Estimate{Value: trial.NumOf(9.7)} }
	faster := func(t *trial.Trial) { t.N, t.Settings.BatchSize, t.Throughput.Value = 2, 16, trial.NumOf(12) }
	few := func(t *trial.Trial) {
		t.Verdict = trial.Verdict{Percentile: 99, LimitMS: 100}
		t.Latency.P50.Value = trial.NumOf(102)
	}
	refused := func(t *trial.Trial) {
		t.Counts = trial.Counts{Sent: 1000, OK: 968, Refused: 32}
		t.Settings.QueueSize = 4
	}
	for _, tt := range []struct {
		name   string
		trials []trial.Trial
		sla    trial.SLA
		want   string // the beginning of the text
	}{
		{"too many clients", at(ten, 3.45, 85.29, 54), promise, "10 requests in flight at 85.3 requests/s, the most that any setting did, take 117 ms on average"},
		{"possible", at(ten, 120), promise, ""},
		{"model latency", at(ten, 85.29), model, ""},
		{"open", at(load.Spec{Mode: load.Open, Rate: 90}, 85), promise, ""},
		{"matched", at(load.Spec{Concurrency: 8, Matched: true}, 10), promise, ""},
		{"nothing measured", at(ten, 0), promise, ""},
		{"no trials", nil, promise, ""},
		{"the delay", near(103, 0, 100, 2, alone), promise, "nearest is trial 1 (1 worker, batch 8, delay 100 ms, fp32, cpu, 1 thread): P99 of request latency 103.0 ms, 101.0-105.0 with 95%; what limits: the delay, as batches wait 100.0 ms to fill and run 2.0 ms; shorten the delay (--batch-delay): 1 at a time never fill a batch of 8"},
		{"the delay, by few answers", near(103, 0, 100, 2, alone, few), promise, "nearest is trial 1 (1 worker, batch 8, delay 100 ms, fp32, cpu, 1 thread): half of its requests took 102.0 ms and longer; what limits: the delay, as batches wait 100.0 ms"},
		{"too many clients, with a breakdown", near(1100, 900, 0, 80), promise, "10 requests in flight at 10.0 requests/s, the most that any setting did, take 1000 ms on average"},
		{"too many clients, the fastest of them with batches too large", append(near(1100, 900, 0, 80), near(1050, 0, 1, 120, faster)...), promise, "10 requests in flight at 12.0 requests/s, the most that any setting did, take 833 ms on average"},
		{"execution alone is too long", near(1100, 300, 0, 800), promise, "nearest is trial 1 (1 worker, batch 8, delay 100 ms, fp32, cpu, 1 thread): P99 of request latency 1100.0 ms, 1098.0-1102.0 with 95%; what limits: execution takes 800.0 ms"},
		{"refused", near(20, 9, 0, 9, refused), promise, "nearest is trial 1 (1 worker, batch 8, delay 100 ms, fp32, cpu, 1 thread): 3.2% refused, 0% are allowed: the queue of 4 was full; a longer one (--queue-size)"},
	} {
		got := search.ExplainNone(tt.trials, tt.sla)
		if tt.want == "" && got != "" || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestNoAdviceThatWasTried: FP16 is advised only if no trial has tried it on the same device.
func TestNoAdviceThatWasTried(t *testing.T) {
	slow := served(1, 10, 1100, 100*time.Millisecond, failed)
	slow.Breakdown = trial.Breakdown{Queue: trial.NumOf(300), Formation: trial.NumOf(0), Execution: trial.NumOf(800)}
	half, other := slow, slow
	half.N, half.Settings.Precision, half.Error = 2, knob.HalfPrecision, "the model cannot be converted to FP16"
	other.N, other.Settings.Precision, other.Settings.Device = 2, knob.HalfPrecision, "gpu"
	for _, c := range []struct {
		name   string
		trials []trial.Trial
		want   bool
	}{
		{"not tried", []trial.Trial{slow}, true},
		{"tried and failed", []trial.Trial{slow, half}, false},
		{"tried on another device", []trial.Trial{slow, other}, true},
	} {
		promise := trial.SLA{Percentile: 99, Limit: 100 * time.Millisecond}
		none := search.ExplainNone(c.trials, promise)
		explained := search.Explainer{}.Explain(c.trials, 0, nil).Text
		for _, text := range []string{none, explained} {
			if got := strings.Contains(text, "FP16"); got != c.want || !strings.Contains(text, "faster device") {
				t.Errorf("%s: %q; advice of FP16 %t, want %t", c.name, text, got, c.want)
			}
		}
	}
}
