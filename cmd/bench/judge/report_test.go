package judge_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/cmd/bench/judge"
	"sweetspot/sweep/stat"
)

// addRun adds a run with a figure of every status.
func addRun(r *judge.Report) {
	r.Machine(judge.Machine{
		CPU: "A CPU", Cores: 2, System: "linux/amd64", AA: stat.Interval{Value: 1, Low: .98, High: 1.03},
		Others: judge.Disturbance{Steal: math.NaN(), Foreign: .31}, Pinning: "not pinned",
	})
	r.Begin(judge.Run{Name: "serve", Mode: "quick", Seed: 7})
	r.Add(judge.Figure{Name: "serve.duty.encoder.http", Value: .9874, Unit: "share", Detail: "812 batches"})
	r.Add(judge.Figure{
		Name: "serve.ratio.mlp.http", Value: .842, Unit: "ratio", Detail: "60 pairs",
		Interval: &stat.Interval{Value: .842, Low: .8, High: .89},
		AA:       &stat.Interval{Value: 1, Low: .94, High: 1.05},
	})
	r.Add(judge.Figure{
		Name: "serve.p50", Value: -.25, Unit: "us",
		Interval: &stat.Interval{Value: -.25, Low: -.5, High: math.NaN()},
	})
	r.Add(judge.Figure{Name: "serve.failed", Value: 2, Unit: "count", Detail: "1000 changes"})
	r.End(48400 * time.Millisecond)
}

func goals() judge.Goals {
	return judge.Goals{
		{Name: "serve.duty.*", Compare: judge.AtLeast, Number: .98},
		{Name: "serve.ratio.*", Compare: judge.AtLeast, Number: .85},
		{Name: "serve.failed", Compare: judge.Exactly},
		{Name: "apply.failed", Compare: judge.Exactly},
	}
}

func TestReportLines(t *testing.T) {
	var out strings.Builder
	r := judge.NewReport(&out, goals(), false)
	addRun(r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	want := `# A CPU, 2 cores, linux/amd64, A/A 0.98-1.03, others 31%, steal n/a, not pinned
serve.duty.encoder.http         0.987   share  >=0.98   ok           (812 batches)
serve.ratio.mlp.http            0.842   ratio  >=0.85   undecided    (95% 0.8-0.89, 60 pairs, A/A 0.94-1.05)
serve.p50                       -0.25   us     -        -            (95% -0.5 to open)
serve.failed                    2       count  =0       falls short  (1000 changes)
end serve 4 figures, 1 ok, 1 undecided, 1 falls short, 1 without goal, 48 s, quick, seed 7
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if r.Code() != judge.ExitFallsShort {
		t.Errorf("code %d, want %d: a figure falls short", r.Code(), judge.ExitFallsShort)
	}
}

func TestReportJSON(t *testing.T) {
	var out strings.Builder
	r := judge.NewReport(&out, goals(), true)
	addRun(r)
	if out.Len() > 0 {
		t.Errorf("printed %q before it was closed", out.String())
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	const text = `{
	"machine": {"cpu": "A CPU", "cores": 2, "system": "linux/amd64", "aa_low": 0.98, "aa_high": 1.03,
		"steal": null, "foreign": 0.31, "pinning": "not pinned"},
	"runs": [{"bench": "serve", "mode": "quick", "seed": 7, "seconds": 48.4, "figures": [
		{"name": "serve.duty.encoder.http", "value": 0.9874, "unit": "share", "goal": ">=0.98", "status": "ok",
			"low": null, "high": null, "aa_low": null, "aa_high": null, "detail": "812 batches"},
		{"name": "serve.ratio.mlp.http", "value": 0.842, "unit": "ratio", "goal": ">=0.85", "status": "undecided",
			"low": 0.8, "high": 0.89, "aa_low": 0.94, "aa_high": 1.05, "detail": "60 pairs"},
		{"name": "serve.p50", "value": -0.25, "unit": "us", "goal": "-", "status": "-",
			"low": -0.5, "high": null, "aa_low": null, "aa_high": null, "detail": ""},
		{"name": "serve.failed", "value": 2, "unit": "count", "goal": "=0", "status": "falls short",
			"low": null, "high": null, "aa_low": null, "aa_high": null, "detail": "1000 changes"}]}]}`
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestReportCodeOK(t *testing.T) {
	var out strings.Builder
	r := judge.NewReport(&out, judge.Goals{{Name: "a.b", Compare: judge.AtMost, Number: 1}}, false)
	r.Begin(judge.Run{Name: "a", Mode: "full"})
	r.Add(judge.Figure{Name: "a.b", Value: 1, Unit: "us", Detail: "x"})
	r.End(time.Second)
	if err := r.Close(); err != nil || r.Code() != judge.ExitOK {
		t.Errorf("code %d, error %v; want %d and none", r.Code(), err, judge.ExitOK)
	}
}

// A part of a set has not all figures.
func TestPartOfASet(t *testing.T) {
	var out strings.Builder
	r := judge.NewReport(&out, judge.Goals{{Name: "a.bb", Compare: judge.AtMost, Number: 1}}, false)
	r.Begin(judge.Run{Name: "a", Mode: "quick", Only: []string{"x", "y"}})
	r.Add(judge.Figure{Name: "a.b", Value: 1})
	r.End(time.Second)
	if err := r.Close(); err != nil || !strings.Contains(out.String(), "quick, only x,y, seed") {
		t.Errorf("%v, %s", err, out.String())
	}
}

// A goal without a figure would never be checked.
func TestGoalWithoutFigure(t *testing.T) {
	r := judge.NewReport(&strings.Builder{}, judge.Goals{{Name: "a.bb", Compare: judge.AtMost, Number: 1}}, false)
	r.Begin(judge.Run{Name: "a"})
	r.Add(judge.Figure{Name: "a.b", Value: 1})
	r.End(time.Second)
	if err := r.Close(); err == nil || err.Error() != "goal a.bb: no figure of that name" {
		t.Errorf("error %v", err)
	}
}

type fullDisk struct{}

var errFull = errors.New("disk full")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestReportWriteError(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		r := judge.NewReport(fullDisk{}, nil, asJSON)
		addRun(r)
		if err := r.Close(); !errors.Is(err, errFull) {
			t.Errorf("json %v: error %v, want %v", asJSON, err, errFull)
		}
	}
}

func TestNumber(t *testing.T) {
	for _, tt := range []struct {
		v    float64
		want string
	}{
		{0, "0"},
		{2, "2"},
		{20, "20"},
		{5000, "5000"},
		{73248.4, "73248"},
		{100, "100"},
		{99.94, "99.9"},
		{31.46, "31.5"},
		{9.994, "9.99"},
		{1.03, "1.03"},
		{.9874, "0.987"},
		{.84, "0.84"},
		{.0012, "0.001"},
		{.0005, "0.001"},
		{.00049, "0.00049"},
		{-.25, "-0.25"},
		{math.NaN(), "n/a"},
		{math.Inf(1), "n/a"},
	} {
		if got := judge.Number(tt.v); got != tt.want {
			t.Errorf("Number(%v) = %s, want %s", tt.v, got, tt.want)
		}
	}
}
