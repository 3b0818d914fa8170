package profiles_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"

	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

var styles = []profiles.Style{{}, {Width: 120, Bold: true}, {Width: 80}, {Width: 40}}

func TestWriteShow(t *testing.T) {
	p := read(t, write(t, newDir(t), "20261122T091500Z-7f3a"))
	p.Header.Machine.Class = "sha256:0123456789abcdef"
	p.End.At, p.Warnings = at, []string{"line 9: incomplete; ignored (12 bytes)"}
	for _, s := range styles {
		t.Run(fmt.Sprint(s.Width), func(t *testing.T) {
			var b bytes.Buffer
			if err := profiles.WriteShow(&b, p, s); err != nil {
				t.Fatal(err)
			}
			fits(t, b.String(), s)
			golden.RequireEqual(t, b.Bytes())
		})
	}
}

func TestWriteList(t *testing.T) {
	list, err := profiles.List(folder(t))
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if list[i].Error != "" {
			list[i].Error = "profiles: line 2: not a JSON object" // without the path
		}
	}
	for _, s := range styles {
		t.Run(fmt.Sprint(s.Width), func(t *testing.T) {
			var b bytes.Buffer
			if err := profiles.WriteList(&b, list, s); err != nil {
				t.Fatal(err)
			}
			fits(t, b.String(), s)
			golden.RequireEqual(t, b.Bytes())
		})
	}
}

// fits checks that no line is wider than the terminal, and that there are no escape sequences.
func fits(t *testing.T, text string, s profiles.Style) {
	t.Helper()
	for line := range strings.Lines(text) {
		if w := ansi.StringWidth(strings.TrimSuffix(line, "\n")); s.Width > 0 && w > s.Width {
			t.Errorf("%d columns, terminal has %d: %q", w, s.Width, line)
		}
		if !s.Bold && strings.Contains(line, "\x1b") {
			t.Errorf("escapes in plain text: %q", line)
		}
	}
}

func TestEmptyList(t *testing.T) {
	var b bytes.Buffer
	if err := profiles.WriteList(&b, nil, profiles.Style{}); err != nil {
		t.Fatal(err)
	}
	if err := profiles.WriteListJSON(&b, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "no profiles yet; sweetspot MODEL --sweep creates one\n[]\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestListJSON(t *testing.T) {
	list, err := profiles.List(folder(t))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := profiles.WriteListJSON(&b, list); err != nil {
		t.Fatal(err)
	}
	var got []struct {
		ID   string
		Best *struct{ N int }
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 || got[1].ID != "20261122T091500Z-7f3a" || got[1].Best.N != 2 || got[0].Best != nil {
		t.Errorf("list as JSON: %s", b.Bytes())
	}
}

// TestWriteTrials: the runs of a setting are one row, with the figures of all runs and one
// verdict; with Style.Trials each trial is a row.
func TestWriteTrials(t *testing.T) {
	p := read(t, write(t, newDir(t), "20261122T091500Z-7f3a"))
	p.Trials = repeated()
	p.Header.SLA.MaxErrorRate = .01
	for _, s := range []profiles.Style{{}, {Width: 120}, {Width: 80}, {Trials: true}} {
		t.Run(fmt.Sprintf("%d %t", s.Width, s.Trials), func(t *testing.T) {
			var b bytes.Buffer
			if err := profiles.WriteTrials(&b, p, s); err != nil {
				t.Fatal(err)
			}
			fits(t, b.String(), s)
			golden.RequireEqual(t, b.Bytes())
		})
	}
}

// TestWrongAnswersAreNoted: settings whose answers differ fail although they are fast, and the row says
// why before any warning.
func TestWrongAnswersAreNoted(t *testing.T) {
	p := read(t, write(t, newDir(t), "20261122T091500Z-7f3a"))
	wrong := sampleTrial(2)
	wrong.Answers = &trial.AnswerCheck{Compared: 16, Differ: 3, Tolerance: .001}
	wrong.Warnings = []trial.Warning{{Text: "the machine was busy"}}
	p.Trials = []trial.Trial{wrong}
	for _, s := range []profiles.Style{{}, {Trials: true}} {
		var b bytes.Buffer
		if err := profiles.WriteTrials(&b, p, s); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); !strings.Contains(got, "answers differ in batches: 3 of 16") || strings.Contains(got, "busy") {
			t.Errorf("%+v:\n%s", s, got)
		}
	}
}

// repeated returns trials of four settings: the choice with three runs, one without
// validation, one with an undecided validation, and one that refuses requests.
func repeated() []trial.Trial {
	run := func(n, workers int, rps float64, role trial.Role, result, leaning trial.Answer) trial.Trial {
		t := sampleTrial(workers)
		t.N, t.Role = n, role
		t.Throughput = trial.Estimate{Value: trial.NumOf(rps), Low: trial.NumOf(rps - 10), High: trial.NumOf(rps + 10)}
		t.Verdict.Result, t.Verdict.Leaning = result, leaning
		if result == trial.Undecided {
			t.Verdict.Why = "2210 of the 2994 requests that a pass takes"
		}
		return t
	}
	refusing := run(7, 5, 700, trial.RoleLoad, trial.Fail, trial.Undecided)
	refusing.Counts = trial.Counts{Sent: 1000, OK: 968, Refused: 32}
	out := []trial.Trial{
		run(1, 1, 560, trial.RoleLoad, trial.Undecided, trial.Pass), run(2, 2, 471, trial.RoleControl, trial.Undecided, trial.Pass),
		run(3, 2, 560, trial.RoleLoad, trial.Undecided, trial.Pass), run(4, 2, 378, trial.RoleValidation, trial.Pass, trial.Undecided),
		run(5, 4, 600, trial.RoleLoad, trial.Pass, trial.Undecided), run(6, 4, 610, trial.RoleValidation, trial.Undecided, trial.Pass), refusing,
	}
	out[3].Latency.P99.High = trial.Num{}
	out[4].Latency.P99.High, out[5].Latency.P99.High = trial.Num{}, trial.Num{}
	return out
}
