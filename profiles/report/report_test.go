package report_test

import (
	"encoding/csv"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/profiles/report"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// profile returns a profile with three trials and a control. The second one has no P99 of
// request latency.
func profile() *profiles.Profile {
	p := &profiles.Profile{Header: profiles.Header{
		ID: "20261122T091500Z-7f3a", Model: profiles.Model{Name: "animated-drawings"},
		SLA: &trial.SLA{Percentile: 99, Limit: 100 * time.Millisecond},
	}}
	for n, f := range []struct {
		device    string
		precision knob.Precision
		workers   int
		batch     int
		rate      float64
		model     float64
		request   trial.Num
		result    trial.Answer
	}{
		{"gpu", knob.HalfPrecision, 1, 8, 85.29, 93.8, trial.NumOf(117.25), trial.Fail},
		{"cpu", knob.FullPrecision, 2, 1, 3.45, 305, trial.Num{}, trial.Undecided},
		{"gpu", knob.FullPrecision, 1, 1, 42.21, 23.7, trial.NumOf(98), trial.Pass},
	} {
		t := trial.Trial{N: n + 1, Role: trial.RoleLoad, Settings: knob.Default(knob.TorchServe), Load: load.Spec{Concurrency: 10}}
		t.Settings.Device, t.Settings.Precision, t.Settings.Workers, t.Settings.BatchSize = f.device, f.precision, f.workers, f.batch
		t.Throughput.Value, t.Model.P99, t.Latency.P99.Value = trial.NumOf(f.rate), trial.NumOf(f.model), f.request
		t.Counts, t.Verdict.Result, t.Verdict.ErrorRate = trial.Counts{Sent: 100, OK: 100}, f.result, trial.NumOf(0)
		p.Trials = append(p.Trials, t)
	}
	control := p.Trials[2]
	control.N, control.Role = 4, trial.RoleControl
	p.Trials = append(p.Trials, control)
	p.Choices = []trial.Choice{{N: 3}}
	return p
}

func study(t *testing.T, p *profiles.Profile) string {
	t.Helper()
	var b strings.Builder
	if err := report.Study(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// unmeasured is a profile about the P90 in which settings could not be measured.
func unmeasured() *profiles.Profile {
	p := profile()
	p.Header.SLA.Percentile = 90
	failed := p.Trials[1]
	failed.Settings.Precision, failed.Error, failed.Throughput, failed.Model = knob.HalfPrecision, "no convolution\nin FP16", trial.Estimate{}, trial.ModelLatencies{}
	p.Trials[2].Model.P90, p.Trials[2].Latency.P90.Value = trial.NumOf(22.5), trial.NumOf(90)
	p.Trials = []trial.Trial{p.Trials[2], failed}
	for n := range 5 {
		s := knob.Default(knob.TorchServe)
		s.Workers = n + 2
		p.Choices[0].Why.Skipped = append(p.Choices[0].Why.Skipped, trial.Skip{Settings: s, Reason: "too little memory"})
	}
	return p
}

const wantUnmeasured = `
|    | configuration                 | load           | requests/s | model P90 ms | request P90 ms | SLA          |
|----|-------------------------------|----------------|-----------:|-------------:|---------------:|--------------|
|    | CPU, 2 workers, batch 1, FP16 | concurrency 10 |        n/a |          n/a |            n/a | not measured |
| -> | GPU, 1 worker, batch 1, FP32  | concurrency 10 |      42.21 |         22.5 |           90.0 | pass         |

Not measured:

- CPU, 2 workers, batch 1, FP16: no convolution in FP16
- CPU, 2 workers, batch 1, FP32; CPU, 3 workers, batch 1, FP32; CPU, 4 workers, batch 1, FP32; and 2 more: too little memory
`

func TestStudy(t *testing.T) {
	const want = `# animated-drawings

SLA: P99 of request latency <= 100ms. Model P99: the time of the batch of a request. Request P99: the time from the planned
send time to the last byte of the answer.

|    | configuration                 | load           | requests/s | model P99 ms | request P99 ms | SLA       |
|----|-------------------------------|----------------|-----------:|-------------:|---------------:|-----------|
|    | CPU, 2 workers, batch 1, FP32 | concurrency 10 |       3.45 |        305.0 |            n/a | UNDECIDED |
| -> | GPU, 1 worker, batch 1, FP32  | concurrency 10 |      42.21 |         23.7 |           98.0 | pass      |
|    | GPU, 1 worker, batch 8, FP16  | concurrency 10 |      85.29 |         93.8 |          117.2 | FAIL      |
`
	if diff := cmp.Diff(want, study(t, profile())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := study(t, unmeasured()); !strings.Contains(got, wantUnmeasured) {
		t.Errorf("no\n%s\nin\n%s", wantUnmeasured, got)
	}
	empty := profile()
	empty.Trials = nil
	if err := report.Study(io.Discard, empty); err == nil || !strings.Contains(err.Error(), "no trials") {
		t.Errorf("a profile without trials: %v", err)
	}
}

func TestCSV(t *testing.T) {
	var b strings.Builder
	if err := report.CSV(&b, profile()); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
	if err != nil || len(rows) != 5 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	second := map[string]string{}
	for i, name := range rows[0] {
		second[name] = rows[2][i]
	}
	for name, want := range map[string]string{
		"n": "2", "workers": "2", "precision": "fp32", "device": "cpu", "throughput_rps": "3.45", "request_p99_ms": "",
		"model_p99_ms": "305", "sent": "100", "error_rate": "0",
	} {
		if got, ok := second[name]; !ok || got != want {
			t.Errorf("%s is %q (exists: %v), want %q", name, got, ok, want)
		}
	}
}

func TestFormats(t *testing.T) {
	for _, f := range report.Formats() {
		var b strings.Builder
		if err := report.Write(&b, []*profiles.Profile{profile()}, f.Name, ""); err != nil || b.Len() == 0 {
			t.Errorf("%s: %d bytes, %v", f.Name, b.Len(), err)
		}
	}
	if err := report.Write(nil, []*profiles.Profile{profile()}, "studdy", ""); err == nil || !strings.Contains(err.Error(), "study") {
		t.Errorf("an unknown format: %v", err)
	}
}
