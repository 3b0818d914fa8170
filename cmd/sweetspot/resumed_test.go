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

// resumePlan has no time budget, so that the speed of the machine has no effect.
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

// TestKilledAnywhere cuts the profile of a sweep in virtual time, as after a SIGKILL, and
// resumes it: at most the running trial is lost, and the choice is the same, except for
// its time. killed.txtar kills a real process.
func TestKilledAnywhere(t *testing.T) {
	for _, strategy := range []string{"grid", "auto"} {
		t.Run(strategy, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "plan.yaml")
			if err := os.WriteFile(file, fmt.Appendf(nil, resumePlan, strategy), 0o600); err != nil {
				t.Fatal(err)
			}
			complete := sweepVirtual(t, dir, "complete", "--sweep="+file)
			reference := decode(t, complete)
			rng := rand.New(rand.NewPCG(20, 0))
			for i := range 10 {
				n, position := killPoint(rng, complete, i)
				t.Run(fmt.Sprintf("%d %s", i, position), func(t *testing.T) {
					resumeAt(t, filepath.Join(dir, fmt.Sprint(i)), complete[:n], reference)
				})
			}
		})
	}
}

// sweepVirtual runs the program and returns its profile in the folder with this name.
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

// killPoint returns a random length at which a profile is cut, between the header and the
// choice: within a line, before its line feed, or after it.
func killPoint(rng *rand.Rand, profile []byte, i int) (length int, position string) {
	first := bytes.IndexByte(profile, '\n') + 1
	last := bytes.LastIndex(profile, []byte(`{"t":"choice"`))
	lines := bytes.SplitAfter(profile[first:last], []byte("\n"))
	n := rng.IntN(len(lines) - 1)
	start := first
	for _, l := range lines[:n] {
		start += len(l)
	}
	switch size := len(lines[n]); i % 3 {
	case 0:
		return start + 1 + rng.IntN(size-2), "within a line"
	case 1:
		return start + size - 1, "before the line feed"
	default:
		return start + size, "between lines"
	}
}

// resumeAt resumes a profile that was cut, and compares the result with the complete sweep.
func resumeAt(t *testing.T, dir string, cut []byte, reference *profiles.Profile) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "cut.jsonl")
	if err := os.WriteFile(path, cut, 0o600); err != nil {
		t.Fatal(err)
	}
	started, kept := bytes.Count(cut, []byte(`{"t":"trial"`)), len(decode(t, cut).Trials)
	if started-kept > 1 {
		t.Errorf("%d trials were started, %d are left", started, kept)
	}
	got := decode(t, sweepVirtual(t, dir, "resumed", "--resume="+path))
	if len(got.Trials) != len(reference.Trials) || got.State() != profiles.Done {
		t.Errorf("%d trials, %s; the complete sweep has %d", len(got.Trials), got.State(), len(reference.Trials))
	}
	if a, b := choiceOf(t, reference), choiceOf(t, got); a != b {
		t.Errorf("choice of the complete sweep\n%s\nof the resumed one\n%s", a, b)
	}
}

// choiceOf returns the line of the last choice without its time.
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
