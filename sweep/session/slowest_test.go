package session

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// A second keeps its five slowest requests whatever their order, with when they were sent and their
// phases. Requests without a latency are not among them, and the next second begins anew.
func TestSlowestRequests(t *testing.T) {
	const ms = time.Millisecond
	at := time.Unix(1000, 0)
	samples := []load.Sample{
		{Latency: time.Second, Outcome: load.Refused},
		{Latency: 2 * time.Second, Outcome: load.Failed},
		{Latency: 500 * ms, Outcome: load.Timeout},
		{Latency: 95 * ms, Model: 9 * ms, Queue: 80 * ms, Formation: 2 * ms, Encode: ms, Batch: 7},
	}
	for i := range 90 {
		samples = append(samples, load.Sample{Latency: time.Duration(i) * ms, Model: 3 * ms, Batch: 4})
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		r.Shuffle(len(samples), func(i, j int) { samples[i], samples[j] = samples[j], samples[i] })
		var x ring
		for i := range samples {
			x.present.slowest.add(&samples[i], at)
			x.add(samples[i])
		}
		x.endSecond(at, trial.ResourceUse{}, sweep.Host{})
		got := x.seconds[0].Slowest
		var latencies []float64
		for _, s := range got {
			latencies = append(latencies, s.MS)
		}
		if diff := cmp.Diff([]float64{500, 95, 89, 88, 87}, latencies); diff != "" {
			t.Fatalf("latencies (-want +got):\n%s", diff)
		}
		if s := got[0]; !s.TimedOut || s.Queue.OK() || s.Execution.OK() || !s.Sent.Equal(at.Add(-500*ms)) {
			t.Errorf("timeout %+v", s)
		}
		want := []trial.Num{trial.NumOf(80), trial.NumOf(2), trial.NumOf(9), trial.NumOf(1)}
		if s := got[1]; s.TimedOut || s.Batch != 7 || !slices.Equal(want, []trial.Num{s.Queue, s.Formation, s.Execution, s.Encode}) {
			t.Errorf("phases %+v", s)
		}
		x.endSecond(at, trial.ResourceUse{}, sweep.Host{})
		if x.seconds[1].Slowest != nil {
			t.Errorf("a second without requests has %+v", x.seconds[1].Slowest)
		}
	}
}
