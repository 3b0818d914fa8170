package profiles_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

// whatIf is a profile of s(b) = 4 + b ms: batches of 1 and of 8, one of them
// chosen, and a setting that tells no times.
func whatIf(limit time.Duration) *profiles.Profile {
	p := &profiles.Profile{Header: profiles.Header{ID: "20261122T091500Z-aaaa", Model: profiles.Model{Name: "net"}, Seed: 1}}
	p.Header.SLA = &trial.SLA{Percentile: 99, Limit: limit}
	for n, size := range []int{1, 8} {
		r := told(1, 4+float64(size), map[int]int{size: 100})
		r.N, r.Settings.BatchSize, r.Settings.BatchDelay = n+1, size, time.Millisecond
		p.Trials = append(p.Trials, r)
	}
	mute := told(2, 0, nil)
	mute.N = 3
	p.Trials = append(p.Trials, mute)
	p.Choices = []trial.Choice{{N: 1, Settings: p.Trials[0].Settings}}
	return p
}

// TestPredict: one at a time is quicker while the load is low; above 1000/5 = 200
// requests a second it only falls behind.
func TestPredict(t *testing.T) {
	for _, tt := range []struct {
		rate        float64
		best        int // trial
		holds       bool
		utilization float64
	}{
		{20, 1, true, .1},
		{400, 2, true, .87}, // a worker that batches is busy long before it is full
		{5000, 2, false, 1},
	} {
		got, err := profiles.Predict(whatIf(50*time.Millisecond), tt.rate)
		if err != nil {
			t.Fatal(err)
		}
		first := got.Settings[0]
		if first.N != tt.best || *first.Holds != tt.holds || math.Abs(first.Utilization-tt.utilization) > .05 {
			t.Errorf("at %g/s: trial %d, holds %v, busy %.2f; want %d, %v, %.2f",
				tt.rate, first.N, *first.Holds, first.Utilization, tt.best, tt.holds, tt.utilization)
		}
		if tt.holds && math.Abs(first.Throughput/tt.rate-1) > .05 {
			t.Errorf("at %g/s: %.1f requests/s", tt.rate, first.Throughput)
		}
		if !got.Predicted || got.Unknown != 1 || len(got.Settings) != 2 {
			t.Errorf("predicted %v, %d settings, %d unknown", got.Predicted, len(got.Settings), got.Unknown)
		}
	}
}

// TestPredictModel: a promise on the model's latency is held by the batches.
func TestPredictModel(t *testing.T) {
	p := whatIf(6 * time.Millisecond)
	p.Header.SLA.Latency = trial.ModelLatency
	got, err := profiles.Predict(p, 190)
	if err != nil {
		t.Fatal(err)
	}
	if first := got.Settings[0]; first.N != 1 || !*first.Holds || first.Promised.Or(0) != 5 || first.P99.Or(0) <= 6 {
		t.Errorf("trial %d, holds %v, model P99 %v ms, request P99 %v ms", first.N, *first.Holds, first.Promised, first.P99)
	}
}

// TestPredictNothing: a profile that lacks what it takes says what.
func TestPredictNothing(t *testing.T) {
	mute := whatIf(time.Second)
	mute.Trials = mute.Trials[2:]
	apart := &profiles.Profile{Probes: []trial.Probe{probed(3, 1, 5)}, Trials: mute.Trials}
	for _, tt := range []struct {
		name string
		p    *profiles.Profile
		want string
	}{
		{"no trials", &profiles.Profile{}, "no trials, so no settings"},
		{"no batches", mute, "neither probes nor trials that tell their batches"},
		{"other probes", apart, "the probes belong to none of the settings"},
	} {
		if _, err := profiles.Predict(tt.p, 50); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// A profile that another program wrote may have trials without settings.
func TestPredictWithoutSettings(t *testing.T) {
	p := whatIf(50 * time.Millisecond)
	before, err := profiles.Predict(p, 20)
	if err != nil {
		t.Fatal(err)
	}
	bare := p.Trials[0]
	bare.Settings = knob.Settings{}
	p.Trials = append([]trial.Trial{bare}, p.Trials...)
	got, err := profiles.Predict(p, 20)
	if err != nil || got.Unknown != before.Unknown+1 || len(got.Settings) != len(before.Settings) {
		t.Errorf("%d settings, %d unknown, %v", len(got.Settings), got.Unknown, err)
	}
}

func TestWritePrediction(t *testing.T) {
	for _, tt := range []struct {
		name string
		rate float64
		edit func(*profiles.Profile)
		want []string
	}{
		{"holds", 20, nil, []string{
			"predicted by the simulator, not measured: net at open 20/s", "predicted P99 ms", "holds    chosen; predicted best",
			"1 settings left out", "predicted best at 20 requests/s: 1 worker, batch 1",
		}},
		{"breaks", 5000, nil, []string{"BREAKS   nearest", "predicted: no setting recorded keeps P99 of request latency <= 50ms at 5000 requests/s; nearest is"}},
		{"no promise", 20, func(p *profiles.Profile) { p.Header.SLA = nil }, []string{"n/a      chosen; predicted best", "predicted fastest at 20 requests/s: 1 worker, batch 1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := whatIf(50 * time.Millisecond)
			if tt.edit != nil {
				tt.edit(p)
			}
			got, err := profiles.Predict(p, tt.rate)
			if err != nil {
				t.Fatal(err)
			}
			var text, object strings.Builder
			if err := profiles.WritePrediction(&text, got, profiles.Style{}); err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if !strings.Contains(text.String(), want) {
					t.Errorf("no %q in\n%s", want, text.String())
				}
			}
			if err := profiles.WritePredictionJSON(&object, got); err != nil {
				t.Fatal(err)
			}
			var back struct {
				Predicted bool
				Settings  []struct{ Settings knob.Settings }
			}
			if err := json.Unmarshal([]byte(object.String()), &back); err != nil || !back.Predicted || len(back.Settings) != 2 {
				t.Errorf("%+v, %v", back, err)
			}
		})
	}
}

func TestParseRate(t *testing.T) {
	for _, tt := range []struct {
		text string
		want float64 // 0 is an error
	}{
		{"80rps", 80},
		{"80/s", 80},
		{"80", 80},
		{"0.5rps", .5},
		{"80 rps", 80},
		{"1e3", 1000},
		{"", 0},
		{"0", 0},
		{"-3", 0},
		{"NaN", 0},
		{"1e9", 0},
		{"80ms", 0},
		{"rps", 0},
	} {
		got, err := profiles.ParseRate(tt.text)
		if got != tt.want || (err != nil) != (tt.want == 0) {
			t.Errorf("ParseRate(%q) = %v, %v", tt.text, got, err)
		}
	}
}

func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"80rps", "0.001/s", "1e6", "x", "-0", "0x10", "inf"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rate, err := profiles.ParseRate(text)
		if err == nil && !(rate >= 1e-3 && rate <= 1e6) {
			t.Errorf("ParseRate(%q) = %v", text, rate)
		}
	})
}
