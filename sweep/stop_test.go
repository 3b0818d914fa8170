package sweep_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/latency"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// answers returns n samples with exponential gaps of 5 ms on average and latencies of 20 to 30 ms.
func trialAnswers(n int) []load.Sample {
	rng := rand.New(rand.NewPCG(1, 1))
	out, at := make([]load.Sample, n), 0.0
	for i := range out {
		at += 5 * rng.ExpFloat64()
		out[i] = load.Sample{
			Planned: time.Duration(at * 1e6), Latency: 20*time.Millisecond + time.Duration(rng.Float64()*1e7), Status: 200,
		}
	}
	return out
}

// stopTime calls stop every 250 ms and returns when it ends the measurement, or 0.
func stopTime(stop sweep.Stop, samples []load.Sample) (at time.Duration, why string) {
	const block = 250 * time.Millisecond
	last := samples[len(samples)-1].Planned
	for at = block; at < last; at += block {
		n := 0
		for n < len(samples) && samples[n].Planned+samples[n].Latency <= at {
			n++
		}
		if stopped, why := stop(at, samples[:n]); stopped {
			return at, why
		}
	}
	return 0, ""
}

// TestUntilCertain checks that the trial of an open load does not last until the throughput is
// precise, unlike that of a closed load.
func TestUntilCertain(t *testing.T) {
	samples := trialAnswers(8000)
	sla := trial.SLA{Percentile: 99, Limit: 35 * time.Millisecond}
	open, why := stopTime(sweep.UntilCertain(sla, load.Spec{Mode: load.Open, Rate: 200}), samples)
	closed, _ := stopTime(sweep.UntilCertain(sla, load.Spec{Concurrency: 5}), samples)
	if open == 0 || !strings.HasPrefix(why, "certain after") || closed != 0 && closed <= open {
		t.Errorf("an open load ended after %v (%s), a closed one after %v", open, why, closed)
	}
}

func TestUntilPrecise(t *testing.T) {
	sla := trial.SLA{Percentile: 99, Limit: time.Hour}
	samples := trialAnswers(8000)
	wide, why := stopTime(sweep.UntilPrecise(sla, .1), samples)
	never, _ := stopTime(sweep.UntilPrecise(sla, .0001), samples)
	if wide == 0 || !strings.HasPrefix(why, "precise to 10% after") || never != 0 {
		t.Errorf("precise to 10%% after %v (%s), to .01%% after %v, want never", wide, why, never)
	}
}

// TestThroughputOfASlowServer checks that the throughput is clients / latency, which includes answers
// to requests that were sent before the first block.
func TestThroughputOfASlowServer(t *testing.T) {
	const clients, took = 10, 700 * time.Millisecond
	var samples []load.Sample
	for at := time.Duration(0); at < 21*time.Second; at += took {
		for range clients {
			samples = append(samples, load.Sample{Planned: at, Latency: took, Status: 200})
		}
	}
	r := sweep.Summarize(load.Result{Samples: samples, Seconds: 21, Lag: latency.New()}, load.Spec{}, trial.SLA{Percentile: 99}, "")
	if got := r.Throughput.Value.Or(0); math.Abs(got-clients/took.Seconds()) > .5 {
		t.Errorf("throughput %g, want 10 per 700 ms", got)
	}
}
