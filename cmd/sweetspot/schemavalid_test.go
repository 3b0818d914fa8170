package main

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// TestRecordedLinesAreValid: all lines of the profiles in testdata, of this and of earlier versions,
// match the published schema. v1.jsonl was not recorded: it has {} where a writer writes numbers.
func TestRecordedLinesAreValid(t *testing.T) {
	found := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".jsonl") || !strings.Contains(path, "testdata") || d.Name() == "v1.jsonl" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found++
		lines := bufio.NewScanner(bytes.NewReader(data))
		lines.Buffer(nil, len(data)+1)
		for n := 1; lines.Scan(); n++ {
			if err := validate("profile-line", lines.Bytes(), published); err != nil {
				t.Errorf("%s:%d: %v", path, n, err)
			}
		}
		return nil
	})
	if err != nil || found < 4 {
		t.Fatalf("%d profiles in testdata, %v", found, err)
	}
}

// TestWrittenLinesAreValid: a writer writes lines of each kind that match the schema, also without
// values, and none has a field that the schema does not have.
func TestWrittenLinesAreValid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.jsonl")
	replicas := trial.Replicas{RPS: 10, Needed: 1, Recommended: 2, EachRPS: trial.NumOf(20)}
	full := trial.Trial{
		N: 2, At: time.Now(), Role: trial.RoleLive, Predicted: &trial.Predicted{},
		Settings: knob.Settings{Workers: 2, BatchSize: 8, BatchDelay: time.Millisecond, Precision: knob.HalfPrecision, Device: "cpu", Threads: 1, QueueSize: 1, Own: knob.OwnValues("")},
		Options:  knob.Options{Rule: knob.Eager, Session: "own", Pin: true, InterOp: 2},
		Load:     load.Spec{Mode: load.Ramp, From: 1, To: 2, Over: time.Second},
		Result:   trial.Result{FP16: &trial.FP16Agreement{}, Answers: &trial.AnswerCheck{}, Lengths: &trial.Lengths{}, Error: "it ended", GeneratorLimited: true, Warnings: []trial.Warning{{Text: "slow"}}},
	}
	w, err := profiles.Create(path, profiles.Header{ID: "a", Kind: profiles.Sweep, Created: time.Now(), Model: profiles.Model{Name: "m"}, SLA: &trial.SLA{Percentile: 99, Limit: time.Second}, Plan: []byte("{}")}, profiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	trend := trial.Trend{Drift: trial.Unclear, Why: "too short"}
	err = errors.Join(
		w.Probe(trial.Probe{}), w.Trial(trial.Trial{Role: trial.RoleLoad}), w.Recording(full, profiles.Series{StepS: 1}), w.Operators(trial.Operators{}),
		w.Event(trial.Event{}), w.Choice(trial.Choice{}), w.Choice(trial.Choice{Why: trial.Explanation{Replicas: &replicas, Skipped: []trial.Skip{{}}, Lines: []trial.Line{{Text: "x"}}}}),
		w.HoldPeriod(trial.HoldPeriod{}), w.HoldPeriod(trial.HoldPeriod{Broken: true, Backlog: true, Limited: true, Died: true, Error: "it ended"}),
		w.Hold(trial.Hold{Latency: trend, Memory: trend, Ended: "stopped", ThrottledWhy: "no GPU"}),
		w.End(profiles.Done, 0), w.Close(),
	)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range lineKinds {
		if !bytes.Contains(data, []byte(`{"t":"`+kind+`"`)) {
			t.Errorf("no %s line was written", kind)
		}
	}
	for line := range bytes.Lines(data) {
		if err := validate("profile-line", line, strict); err != nil {
			t.Errorf("%v\n%s", err, line)
		}
	}
}
