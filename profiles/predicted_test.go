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

// linearProfile returns a profile with s(b) = 4 + b ms: trials of batch sizes 1, which is
// the choice, and 8, and a trial without times.
func linearProfile(limit time.Duration) *profiles.Profile {
	p := &profiles.Profile{Header: profiles.Header{ID: "20261122T091500Z-aaaa", Model: profiles.Model{Name: "net"}, Seed: 1}}
	p.Header.SLA = &trial.SLA{Percentile: 99, Limit: limit}
	for n, size := range []int{1, 8} {
		r := timed(1, 4+float64(size), map[int]int{size: 100})
		r.N, r.Settings.BatchSize, r.Settings.BatchDelay = n+1, size, time.Millisecond
		r.Options.Rule = knob.TorchServe
		p.Trials = append(p.Trials, r)
	}
	untimed := timed(2, 0, nil)
	untimed.N = 3
	p.Trials = append(p.Trials, untimed)
	p.Choices = []trial.Choice{{N: 1, Settings: p.Trials[0].Settings}}
	return p
}

// TestPredict: batch size 1 is faster at a low load. Above 1000/5 = 200 requests per second
// it cannot keep up.
func TestPredict(t *testing.T) {
	for _, tt := range []struct {
		rate        float64
		best        int // trial
		keeps       bool
		utilization float64
	}{
		{20, 1, true, .1},
		{400, 2, true, .87}, // with partly filled batches a worker is busy for most of the time
		{5000, 2, false, 1},
	} {
		got, err := profiles.Predict(linearProfile(50*time.Millisecond), tt.rate)
		if err != nil {
			t.Fatal(err)
		}
		first := got.Settings[0]
		if first.N != tt.best || *first.KeepsPromise != tt.keeps || math.Abs(first.Utilization-tt.utilization) > .05 {
			t.Errorf("at %g/s: trial %d, keeps %v, busy %.2f; want %d, %v, %.2f",
				tt.rate, first.N, *first.KeepsPromise, first.Utilization, tt.best, tt.keeps, tt.utilization)
		}
		if tt.keeps && math.Abs(first.Throughput/tt.rate-1) > .05 {
			t.Errorf("at %g/s: %.1f requests/s", tt.rate, first.Throughput)
		}
		if !got.Predicted || got.Unknown != 1 || len(got.Settings) != 2 {
			t.Errorf("predicted %v, %d settings, %d unknown", got.Predicted, len(got.Settings), got.Unknown)
		}
	}
}

// TestPredictModel: a promise on the model latency depends only on the times of batches.
func TestPredictModel(t *testing.T) {
	p := linearProfile(6 * time.Millisecond)
	p.Header.SLA.Latency = trial.ModelLatency
	got, err := profiles.Predict(p, 190)
	if err != nil {
		t.Fatal(err)
	}
	if first := got.Settings[0]; first.N != 1 || !*first.KeepsPromise || first.Promised.Or(0) != 5 || first.P99.Or(0) <= 6 {
		t.Errorf("trial %d, keeps %v, model P99 %v ms, request P99 %v ms", first.N, *first.KeepsPromise, first.Promised, first.P99)
	}
}

// TestPredictOverload: settings whose workers cannot answer as many requests as arrive keep no promise: neither one on the
// model latency, which does not rise, nor one whose limit a short simulation does not reach.
func TestPredictOverload(t *testing.T) {
	for _, tt := range []struct {
		latency trial.LatencyKind
		limit   time.Duration
		rate    float64 // 8 requests take 12 ms: 667/s at most
		best    int
		keeps   bool
	}{
		{trial.ModelLatency, 50 * time.Millisecond, 190, 1, true},
		{trial.ModelLatency, 50 * time.Millisecond, 400, 2, true}, // more than a batch of 1 can do
		{trial.ModelLatency, 50 * time.Millisecond, 1000, 2, false},
		{trial.RequestLatency, time.Hour, 660, 2, false},
		{trial.RequestLatency, time.Hour, 700, 2, false},
	} {
		p := linearProfile(tt.limit)
		p.Header.SLA.Latency = tt.latency
		for i := range p.Trials {
			p.Trials[i].Settings.QueueSize = 1_000_000
		}
		got, err := profiles.Predict(p, tt.rate)
		if err != nil {
			t.Fatal(err)
		}
		first := got.Settings[0]
		if first.N != tt.best || *first.KeepsPromise != tt.keeps || first.Overloaded == tt.keeps {
			t.Errorf("%v at %g/s: trial %d, keeps %v, overloaded %v; want %d, %v", tt.latency, tt.rate, first.N, *first.KeepsPromise, first.Overloaded, tt.best, tt.keeps)
		}
		if text := tableOf(t, got); !tt.keeps && !strings.Contains(text, "nearest; does not keep up") {
			t.Errorf("nothing about the overload in\n%s", text)
		}
	}
}

func tableOf(t *testing.T, p profiles.Prediction) string {
	t.Helper()
	var b strings.Builder
	if err := profiles.WritePrediction(&b, p, profiles.Style{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPredictErrors: the error says what the profile lacks.
func TestPredictErrors(t *testing.T) {
	untimed := linearProfile(time.Second)
	untimed.Trials = untimed.Trials[2:]
	other := &profiles.Profile{Probes: []trial.Probe{probed(3, 1, 5)}, Trials: untimed.Trials}
	for _, tt := range []struct {
		name string
		p    *profiles.Profile
		want string
	}{
		{"no trials", &profiles.Profile{}, "no trials, so that there are no settings"},
		{"no batches", untimed, "neither probes nor trials with the times of batches"},
		{"other probes", other, "no probe has the settings of a trial"},
	} {
		if _, err := profiles.Predict(tt.p, 50); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// A profile of another server may have trials without settings or without the batching rule.
func TestPredictWithoutSettings(t *testing.T) {
	p := linearProfile(50 * time.Millisecond)
	before, err := profiles.Predict(p, 20)
	if err != nil {
		t.Fatal(err)
	}
	empty, noRule := p.Trials[0], p.Trials[0]
	empty.Settings = knob.Settings{}
	noRule.Settings.QueueSize, noRule.Options = 7, knob.Options{}
	p.Trials = append([]trial.Trial{empty, noRule}, p.Trials...)
	got, err := profiles.Predict(p, 20)
	if err != nil || got.Unknown != before.Unknown+2 || len(got.Settings) != len(before.Settings) {
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
		{"kept", 20, nil, []string{
			"predicted by the simulator, not measured: net at open 20/s", "predicted P99 ms", "kept     chosen; predicted best",
			"1 settings left out", "predicted best at 20 requests/s: 1 worker, batch 1",
		}},
		{"broken", 5000, nil, []string{"BROKEN   nearest", "predicted: no setting recorded keeps P99 of request latency <= 50ms at 5000 requests/s; nearest is"}},
		{"no promise", 20, func(p *profiles.Profile) { p.Header.SLA = nil }, []string{"n/a      chosen; predicted best", "predicted fastest at 20 requests/s: 1 worker, batch 1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := linearProfile(50 * time.Millisecond)
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
