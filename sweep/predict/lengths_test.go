package predict_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/runs"
	"sweetspot/engine/tensor"
	"sweetspot/sweep/load"
	"sweetspot/sweep/predict"
)

// lengthVariants are a server of 1 ms a run + 1 us per row and token, for each way to run
// batches, with the time of the batch 10, 100, 10, 90 in ms.
var lengthVariants = []struct {
	name    string
	pad     bool
	buckets []int64
	batch   float64
}{
	{"equal shapes", false, nil, 3 + .02 + .1 + .09},
	{"longest", true, nil, 1 + .4},
	{"buckets", true, []int64{16, 128}, 2 + .032 + .256},
	{"above the last bucket", true, []int64{16}, 2 + .032 + .2},
}

func simulate(t *testing.T, l predict.Lengths, requests int) *predict.Sim {
	t.Helper()
	c, err := l.Curve(4)
	if err != nil {
		t.Fatal(err)
	}
	s := knob.Default(knob.Eager)
	s.BatchSize, s.BatchDelay = 4, time.Second // all batches are full
	sim := predict.New(predict.Config{Settings: s, Rule: knob.Eager, Service: c, Lengths: &l, Clients: 4, Requests: requests, Detail: true})
	sim.Run()
	return sim
}

func TestLengths(t *testing.T) {
	for _, tc := range lengthVariants {
		sim := simulate(t, predict.Lengths{Drawn: []int64{10, 100, 10, 90}, Pad: tc.pad, Buckets: tc.buckets, Run: 1e6, Each: 1e3}, 4000)
		got := sim.Now().Seconds() * 1e3 / 1000
		if math.Abs(got-tc.batch) > .01*tc.batch {
			t.Errorf("%s: %.3f ms a batch, want %.3f", tc.name, got, tc.batch)
		}
	}
}

// TestFitLengths fits to the samples of a simulation.
func TestFitLengths(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	drawn := make([]int64, 64)
	for i := range drawn {
		drawn[i] = 8 + rng.Int64N(120)
	}
	for _, tc := range lengthVariants {
		want := predict.Lengths{Drawn: drawn, Pad: tc.pad, Buckets: tc.buckets, Run: 2e5, Each: 5e3, Spread: .03}
		samples := slices.Clone(simulate(t, want, 2000).Samples())
		got, ok := predict.FitLengths(predict.Lengths{Drawn: drawn, Pad: tc.pad, Buckets: tc.buckets}, samples)
		if !ok {
			t.Fatalf("%s: no fit", tc.name)
		}
		if math.Abs(got.Run/want.Run-1) > .2 || math.Abs(got.Each/want.Each-1) > .05 || math.Abs(got.Spread-.03) > .02 {
			t.Errorf("%s: fit %.0f + %.1f, spread %.3f; want %.0f + %.0f, .03", tc.name, got.Run, got.Each, got.Spread, want.Run, want.Each)
		}
	}
	if _, ok := predict.FitLengths(predict.Lengths{Drawn: drawn}, make([]load.Sample, 100)); ok {
		t.Error("a fit to samples without batches")
	}
}

// TestLengthsAsTheEngine compares the runs of a batch with those of the engine.
func TestLengthsAsTheEngine(t *testing.T) {
	inputs := []tensor.Spec{{Name: "x", Type: tensor.Uint8, Shape: []int64{-1}}}
	rng := rand.New(rand.NewPCG(2, 2))
	for _, tc := range lengthVariants {
		var pad *runs.Padding
		if tc.pad {
			pad = &runs.Padding{Fills: []runs.Fill{{Pad: true}}, Buckets: tc.buckets}
		}
		d := runs.NewDivider(inputs, nil, pad)
		for range 200 {
			drawn := make([]int64, 4)
			rows := make([]payload.Row, 4)
			for i := range drawn {
				drawn[i] = 1 + rng.Int64N(40)
				rows[i].Item = tensor.Item{{Type: tensor.Uint8, Shape: drawn[i : i+1], Data: make([]byte, drawn[i])}}
			}
			all := d.Divide(rows)
			w := d.Work(all, rows)
			// One batch of these four, in virtual time: 1 s a run and 1 ms per element.
			l := predict.Lengths{Drawn: drawn, Pad: tc.pad, Buckets: tc.buckets, Run: 1e9, Each: 1e6}
			if got, want := l.Batch(drawn), time.Duration(w.Runs)*time.Second+time.Duration(w.Elements)*time.Millisecond; got != want {
				t.Fatalf("%s: %v takes %v, the engine's runs %v", tc.name, drawn, got, want)
			}
		}
	}
}
