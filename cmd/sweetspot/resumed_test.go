package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/profiles"
)

// resumePlan has no budget of time: how fast the machine is must not show.
const resumePlan = `version: 1
sla: {percentile: 90, limit: 150ms}
load: {mode: closed, concurrency: 10}
knobs:
  workers: [1, 2]
  batch_size: [2, 8, 16]
  batch_delay_ms: [1, 20]
  precision: fp16
  device: [gpu]
budget: {time: 0s}
trial: {requests: 900}
strategy: %s
`

// TestKilledAnywhere cuts the profile of a sweep in virtual time where a SIGKILL
// would have, and resumes it: at most the trial at hand is lost, and the final
// choice is the same to the byte, its time aside. killed.txtar kills a real
// process.
func TestKilledAnywhere(t *testing.T) {
	for _, strategy := range []string{"grid", "auto"} {
		t.Run(strategy, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "plan.yaml")
			if err := os.WriteFile(file, fmt.Appendf(nil, resumePlan, strategy), 0o600); err != nil {
				t.Fatal(err)
			}
			whole := sweepVirtual(t, dir, "whole", "--sweep="+file)
			reference := decode(t, whole)
			rng := rand.New(rand.NewPCG(20, 0))
			for i := range 10 {
				at, where := killPoint(rng, whole, i)
				t.Run(fmt.Sprintf("%d %s", i, where), func(t *testing.T) {
					resumeAt(t, filepath.Join(dir, fmt.Sprint(i)), whole[:at], reference)
				})
			}
		})
	}
}

// sweepVirtual runs the program and returns the profile it leaves in the folder
// of that name.
func sweepVirtual(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	out := filepath.Join(dir, name)
	env := []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_STATE_HOME=" + dir}
	var stdout, stderr strings.Builder
	args = append([]string{"sweetspot", "sim:animated-drawings", "--target", "virtual", "--out", out}, args...)
	if code := run(args, env, strings.NewReader(""), &stdout, &stderr); code != exitYes {
		t.Fatalf("%q: exit code %d\n%s", args, code, stderr.String())
	}
	data, err := os.ReadFile(filepath.Join(out, "profile.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decode(t *testing.T, data []byte) *profiles.Profile {
	t.Helper()
	p, err := profiles.Decode("profile", data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// killPoint draws where a profile is cut: within a line, at either side of the
// line feed whose sync ends it, or in the header's shadow, before any trial.
// Lines behind the last trial are left to the end line, which ends a sweep.
func killPoint(rng *rand.Rand, whole []byte, i int) (at int, where string) {
	first := bytes.IndexByte(whole, '\n') + 1
	last := bytes.LastIndex(whole, []byte(`{"t":"choice"`))
	lines := bytes.SplitAfter(whole[first:last], []byte("\n"))
	n := rng.IntN(len(lines) - 1)
	at = first
	for _, l := range lines[:n] {
		at += len(l)
	}
	switch length := len(lines[n]); i % 3 {
	case 0:
		return at + 1 + rng.IntN(length-2), "within a line"
	case 1:
		return at + length - 1, "before the line feed"
	default:
		return at + length, "between lines"
	}
}

// resumeAt resumes a profile that was cut and holds what comes of it against the
// sweep that was not.
func resumeAt(t *testing.T, dir string, cut []byte, reference *profiles.Profile) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "cut.jsonl")
	if err := os.WriteFile(path, cut, 0o600); err != nil {
		t.Fatal(err)
	}
	begun, kept := bytes.Count(cut, []byte(`{"t":"trial"`)), len(decode(t, cut).Trials)
	if begun-kept > 1 {
		t.Errorf("%d trials were begun, %d are left", begun, kept)
	}
	got := decode(t, sweepVirtual(t, dir, "resumed", "--resume="+path))
	if len(got.Trials) != len(reference.Trials) || got.State() != profiles.Done {
		t.Errorf("%d trials, %s; the sweep that was not cut has %d", len(got.Trials), got.State(), len(reference.Trials))
	}
	if a, b := choiceOf(t, reference), choiceOf(t, got); a != b {
		t.Errorf("choice of the whole sweep\n%s\nof the resumed one\n%s", a, b)
	}
}

// choiceOf is the last choice's line without its time.
func choiceOf(t *testing.T, p *profiles.Profile) string {
	t.Helper()
	line := ""
	for _, l := range p.Lines {
		if l.Kind == "choice" {
			line = string(l.Raw)
		}
	}
	var at struct {
		At json.RawMessage `json:"at"`
	}
	if err := json.Unmarshal([]byte(line), &at); err != nil {
		t.Fatal(err)
	}
	return strings.Replace(line, string(at.At), "", 1)
}
