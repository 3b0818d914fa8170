package trial_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

func example() trial.Trial {
	planned := 100
	s := knob.Default(knob.TorchServe)
	s.BatchSize = 8
	return trial.Trial{
		N: 31, At: time.Date(2026, 11, 22, 9, 15, 0, 0, time.UTC), Role: trial.RoleLoad, Reason: "grid point 4 of 12",
		Settings: s, Load: load.Spec{Mode: load.Open, Rate: 50, Arrivals: load.Constant}, Seed: 31,
		Result: trial.Result{
			Seconds: 12.4, Counts: trial.Counts{Planned: &planned, Sent: 100, OK: 97, Refused: 2, Failed: 1},
			Throughput: trial.Estimate{Value: trial.NumOf(528.25), Low: trial.NumOf(519), High: trial.NumOf(537.1)},
			Latency:    trial.Latencies{P99: trial.Estimate{Value: trial.NumOf(41.2), Low: trial.NumOf(39.4)}},
			Verdict:    trial.Verdict{Result: trial.Pass, Percentile: 99, LimitMS: 100, ValueMS: trial.NumOf(41.2)},
			Batches:    trial.Batches{Mean: trial.NumOf(5.9), Sizes: map[int]int{4: 210, 8: 710}},
		},
	}
}

func TestRoundTrip(t *testing.T) {
	want := example()
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got trial.Trial
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(trial.Num{})); diff != "" {
		t.Errorf("after a round trip (-want +got):\n%s", diff)
	}
}

// TestMissingIsNull checks that missing numbers are null in JSON and not 0.
func TestMissingIsNull(t *testing.T) {
	b, err := json.Marshal(example())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"p99":{"value":41.2,"low":39.4,"high":null}`, `"p50":{"value":null,"low":null,"high":null}`,
		`"percent_mean":null`, `"p99_corrected_ms":null`, `"batch_delay_ms":100`, `"mode":"open"`, `"arrivals":"constant"`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in %s", want, b)
		}
	}
}

func TestNum(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if trial.NumOf(v).OK() {
			t.Errorf("NumOf(%v) is not missing", v)
		}
	}
	if got := (trial.Num{}).Text(1); got != "n/a" {
		t.Errorf("Text of a missing number = %q", got)
	}
	b, _ := json.Marshal([]trial.Num{trial.NumOf(1.0 / 3), trial.NumOf(123456789), trial.NumOf(0)})
	if string(b) != "[0.333333,123456789,0]" {
		t.Errorf("rounded to %s", b)
	}
}

func TestEnumsRoundTrip(t *testing.T) {
	for _, a := range []trial.Answer{trial.Undecided, trial.Pass, trial.Fail} {
		var back trial.Answer
		text, _ := a.MarshalText()
		if err := back.UnmarshalText(text); err != nil || back != a {
			t.Errorf("UnmarshalText(%v) = %v, %v", a, back, err)
		}
	}
	for _, w := range []trial.LatencyKind{trial.RequestLatency, trial.ModelLatency} {
		var back trial.LatencyKind
		text, _ := w.MarshalText()
		if err := back.UnmarshalText(text); err != nil || back != w {
			t.Errorf("UnmarshalText(%v) = %v, %v", w, back, err)
		}
	}
	var w trial.LatencyKind
	if err := w.UnmarshalText([]byte("server")); err == nil {
		t.Error("latency \"server\" was accepted")
	}
}

func TestErrorRate(t *testing.T) {
	if got := example().Counts.Errors(); got != 0.03 {
		t.Errorf("Errors() = %v, want .03", got)
	}
	if got := (trial.Counts{}).Errors(); got != 0 {
		t.Errorf("Errors() without requests = %v", got)
	}
}

// TestSLARoundTrip checks that limits are exact after a round trip, although JSON has them in ms and
// most are not exact in binary.
func TestSLARoundTrip(t *testing.T) {
	for us := range 3000 {
		want := trial.SLA{Percentile: 99, Limit: time.Duration(us) * 7 * time.Microsecond}
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got trial.SLA
		if err := json.Unmarshal(b, &got); err != nil || got != want {
			t.Fatalf("%v becomes %v, %v", want.Limit, got.Limit, err)
		}
	}
}

// TestRequestTimeout checks that the timeout is well above the limit, also for a slow model.
func TestRequestTimeout(t *testing.T) {
	for limit, want := range map[time.Duration]time.Duration{
		time.Microsecond:       10 * time.Second,
		100 * time.Millisecond: 10 * time.Second,
		3 * time.Second:        30 * time.Second,
		12 * time.Second:       2 * time.Minute,
		time.Minute:            2 * time.Minute,
		10 * time.Minute:       20 * time.Minute,
	} {
		if got := (trial.SLA{Limit: limit}).RequestTimeout(); got != want {
			t.Errorf("limit %v: %v, want %v", limit, got, want)
		}
	}
}
