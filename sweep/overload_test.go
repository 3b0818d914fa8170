//go:build !race

package sweep_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/target/virtual"
	"sweetspot/sweep/trial"
)

// server is a virtual device with a service time of 4 + b ms for batches of b, with any number of
// workers, and an unlimited queue.
type server struct{ workers, batch int }

func (s server) service() time.Duration { return time.Duration(4+s.batch) * ms }

// capacity returns the rate with full batches.
func (s server) capacity() float64 {
	return float64(s.workers*s.batch) / s.service().Seconds()
}

func (s server) open(t testing.TB) *virtual.Target {
	t.Helper()
	var rows []servicetime.Row
	for b := 1; b <= s.batch; b *= 2 {
		rows = append(rows, servicetime.Row{
			Key: servicetime.Key{Workers: s.workers, Device: "cpu", Precision: "fp32"}, Batch: b,
			Median: time.Duration(4+b) * ms, Spread: .03,
		})
	}
	table, err := servicetime.New(rows)
	if err != nil {
		t.Fatal(err)
	}
	start := knob.Config{Settings: knob.Default(knob.TorchServe), Options: knob.Options{Rule: knob.TorchServe}}
	start.Workers, start.BatchSize, start.BatchDelay, start.QueueSize = s.workers, s.batch, ms, 1_000_000
	d, err := virtual.Open(virtual.Config{Name: "s", Source: "sim:s", Table: table, Start: start, MinTimeLimit: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// traceOf returns a trace with n Poisson arrivals at a rate.
func traceOf(t testing.TB, rate float64, n int, seed uint64) load.Spec {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 7))
	var text strings.Builder
	at := 0.
	for range n {
		at += rng.ExpFloat64() / rate
		fmt.Fprintf(&text, "%.6f\n", at)
	}
	path := filepath.Join(t.TempDir(), "trace.csv")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return load.Spec{Mode: load.Trace, File: path}
}

// maxRequests is the largest number of requests of a trial.
const maxRequests = 20_000

// measureUntilCertain measures a load until its verdict is certain.
func measureUntilCertain(t testing.TB, d sweep.Target, l load.Spec, sla trial.SLA, seed uint64) trial.Result {
	t.Helper()
	r, err := d.Measure(t.Context(), sweep.Measurement{
		Load: l, Seed: seed, SLA: sla, Max: maxRequests, Time: time.Minute, Stop: sweep.UntilCertain(sla, l),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// runs returns the number of runs for a statistic.
func runs(short, full uint64) uint64 {
	if testing.Short() {
		return short
	}
	return full
}

// TestOverloadNeverPasses checks that a load above the capacity meets no SLA, even with a high limit
// or with model latency. A load only a little above it may be undecided, but not a pass.
func TestOverloadNeverPasses(t *testing.T) {
	for _, s := range []server{{1, 1}, {1, 8}, {4, 8}} {
		d := s.open(t)
		for _, share := range []float64{1.02, 1.05} {
			for _, times := range []time.Duration{1, 10, 100} {
				for _, which := range []trial.LatencyKind{trial.RequestLatency, trial.ModelLatency} {
					sla := trial.SLA{Percentile: 99, Limit: times * s.service() * 11 / 10, Latency: which}
					if testing.Short() && (times == 10 || which == trial.ModelLatency && s.workers == 1) {
						continue
					}
					for seed := range runs(1, 20) {
						rate := share * s.capacity()
						for _, l := range []load.Spec{{Mode: load.Open, Rate: rate}, traceOf(t, rate, 9000, seed)} {
							r := measureUntilCertain(t, d, l, sla, seed)
							if r.Verdict.Result == trial.Pass && (share > 1.03 || r.Counts.Sent < 10_000) {
								t.Errorf("%+v at %g of the capacity, %s load, %v, seed %d: pass after %d requests", s, share, l.Mode, sla, seed, r.Counts.Sent)
							}
						}
					}
				}
			}
		}
	}
}

// TestBelowCapacityPasses checks that a load below the capacity meets an SLA with a high limit.
func TestBelowCapacityPasses(t *testing.T) {
	for _, s := range []server{{1, 1}, {1, 8}, {4, 8}} {
		d := s.open(t)
		for _, share := range []float64{.7, .9} {
			for _, which := range []trial.LatencyKind{trial.RequestLatency, trial.ModelLatency} {
				sla := trial.SLA{Percentile: 99, Limit: 100 * s.service(), Latency: which}
				passed, all := 0, 0
				for seed := range runs(2, 20) {
					rate := share * s.capacity()
					for _, l := range []load.Spec{{Mode: load.Open, Rate: rate}, traceOf(t, rate, 9000, seed)} {
						all++
						if measureUntilCertain(t, d, l, sla, seed).Verdict.Result == trial.Pass {
							passed++
						}
					}
				}
				if passed*10 < all*9 {
					t.Errorf("%+v at %g of the capacity, %v: %d of %d pass, want 90%%", s, share, sla, passed, all)
				}
			}
		}
	}
}

// TestOverloadReason checks that the reason of the failure has both rates.
func TestOverloadReason(t *testing.T) {
	s := server{1, 8}
	sla := trial.SLA{Percentile: 99, Limit: time.Hour}
	v := measureUntilCertain(t, s.open(t), load.Spec{Mode: load.Open, Rate: 1000}, sla, 1).Verdict
	if v.Result != trial.Fail || !strings.HasPrefix(v.Why, "answers do not keep up with arrivals: ") || !strings.Contains(v.Why, " of 1000 requests/s are answered, and the queue grows") {
		t.Errorf("verdict %v: %s", v.Result, v.Why)
	}
}
