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

// answers are n requests with exponential gaps of 5 ms on average, each answered
// after 20 to 30 ms.
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

// ends asks every 250 ms and returns when the answer is yes, or 0.
func ends(stop sweep.Stop, samples []load.Sample) (at time.Duration, why string) {
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

// The arrivals of an open load scatter: its trial does not wait until their rate
// is known, as one of a closed load does.
func TestUntilCertain(t *testing.T) {
	samples := trialAnswers(8000)
	sla := trial.SLA{Percentile: 99, Limit: 35 * time.Millisecond}
	open, why := ends(sweep.UntilCertain(sla, load.Spec{Mode: load.Open, Rate: 200}), samples)
	closed, _ := ends(sweep.UntilCertain(sla, load.Spec{Concurrency: 5}), samples)
	if open == 0 || !strings.HasPrefix(why, "certain after") || closed != 0 && closed <= open {
		t.Errorf("an open load ended after %v (%s), a closed one after %v", open, why, closed)
	}
}

func TestUntilKnown(t *testing.T) {
	sla := trial.SLA{Percentile: 99, Limit: time.Hour}
	samples := trialAnswers(8000)
	wide, why := ends(sweep.UntilPrecise(sla, .1), samples)
	never, _ := ends(sweep.UntilPrecise(sla, .0001), samples)
	if wide == 0 || !strings.HasPrefix(why, "known within 10% after") || never != 0 {
		t.Errorf("known within 10%% after %v (%s), within .01%% after %v", wide, why, never)
	}
}

// A slow server answers in the first block to requests from before it: its
// throughput is its clients over its latency.
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
