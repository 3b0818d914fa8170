package replay_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles/replay"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
)

// TestNotRecorded: the error for what was not recorded says what was recorded.
func TestNotRecorded(t *testing.T) {
	target, recorded, _ := grid(t)
	distinct := map[knob.Settings]bool{}
	for _, r := range recorded.Trials {
		distinct[r.Settings] = true
	}
	settings := fmt.Sprint(len(distinct)) // validations repeat some
	s := knob.Default(knob.TorchServe)
	s.BatchDelay = time.Millisecond
	if _, err := target.Apply(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	for _, l := range []load.Spec{{Mode: load.Open, Rate: 50}, {Mode: load.Closed, Concurrency: 1}} {
		_, err := target.Measure(t.Context(), sweep.Measurement{Load: l, SLA: sla})
		if !hasError(err, fmt.Sprintf("was not recorded under %v in recorded: its loads are concurrency 16; use one of them", l)) {
			t.Errorf("under %v: %v", l, err)
		}
	}
	s.Workers = 3
	_, err := target.Apply(t.Context(), s)
	if !hasError(err, "3 workers, batch 1, delay 1 ms, fp32, cpu, 1 thread was not recorded in recorded: in its "+settings+" settings workers has 1, 2; batch_size has 1, 2, 4, 8, 16, 32; batch_delay_ms has 1, 2, 5, 10") {
		t.Errorf("3 workers: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := fmt.Errorf("cause")
	cancel(cause)
	if _, err := target.Measure(ctx, sweep.Measurement{Load: closed, SLA: sla}); err != cause {
		t.Errorf("after the end of the context: %v", err)
	}
}

// TestAnotherQuestion: in a search for the highest load all trials have that error, and there
// is no choice.
func TestAnotherQuestion(t *testing.T) {
	target, _, _ := grid(t)
	p := gridPlan()
	p.Loads = []load.Spec{{Mode: load.Open, Rate: 50}}
	st, _ := run(t, p, target)
	if st.Choice != nil || !strings.Contains(st.Trials[0].Error, "was not recorded under") {
		t.Errorf("choice %v, first error %q", st.Choice, st.Trials[0].Error)
	}
}

// TestIncomplete: of an incomplete file, the complete trials are replayed.
func TestIncomplete(t *testing.T) {
	_, recorded, path := grid(t)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	incomplete := filepath.Join(t.TempDir(), "incomplete.jsonl.gz")
	var compressed bytes.Buffer
	z := gzip.NewWriter(&compressed)
	if _, err := z.Write(data[:len(data)/2]); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(incomplete, compressed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	target, err := replay.Read(incomplete)
	if err != nil {
		t.Fatal(err)
	}
	p := target.Profile()
	if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "incomplete") || len(p.Trials) < 2*len(recorded.Trials)/5 {
		t.Errorf("%d trials, warnings %q", len(p.Trials), p.Warnings)
	}
	st, _ := run(t, gridPlan(), target)
	for _, r := range st.Trials {
		if r.Error != "" && !strings.Contains(r.Error, "was not recorded") {
			t.Errorf("trial %d: %s", r.N, r.Error)
		}
	}
	if st.Choice == nil {
		t.Error("no choice")
	}
}

func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct{ path, want string }{
		{filepath.Join(dir, "none"), "no such file"},
		{write("a.gz", "not compressed"), "gzip"},
		{write("b", "not a profile\n"), "not a sweetspot profile"},
		{write("c", `{"t":"header","format":"sweetspot-profile","version":1,"id":"c","kind":"live"}`+"\n"), "c has no trials of a sweep to replay"},
	} {
		if _, err := replay.Read(tt.path); !hasError(err, tt.want) {
			t.Errorf("Read(%s) = %v, want %q", filepath.Base(tt.path), err, tt.want)
		}
	}
}
