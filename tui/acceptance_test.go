package tui

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/exp/golden"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// The four views at 100x30, and at 80x24 in a dark and a light terminal and without colours.
func TestViewThemes(t *testing.T) {
	views := []viewScene{
		{"live", failing, nil, nil},
		{"sweep", repeated, nil, []string{"2"}},
		{"frontier", repeated, nil, []string{"3"}},
		{"profiles", serving, withProfiles(3, 3, 2), []string{"4"}},
	}
	for _, v := range views {
		t.Run(v.name+" 100x30", func(t *testing.T) {
			sc := v.screen(t, 100, 30)
			requireExactSize(t, sc, 100, 30, v.name)
			golden.RequireEqual(t, sc.plainFrame()+"\n")
		})
		sc := v.screen(t, 80, 24)
		for _, dark := range []bool{true, false} {
			name := map[bool]string{true: "dark", false: "light"}[dark]
			t.Run(v.name+" "+name, func(t *testing.T) {
				sc.theme = newTheme(dark)
				requireExactSize(t, sc, 80, 24, v.name)
				golden.RequireEqual(t, sc.View().Content+"\n")
			})
		}
		var out bytes.Buffer
		w := colorprofile.Writer{Forward: &out, Profile: colorprofile.ASCII}
		if _, err := w.WriteString(sc.View().Content); err != nil {
			t.Fatal(err)
		}
		for _, colour := range []string{"\x1b[3", "\x1b[9", "\x1b[4", ";3", ";9"} {
			if strings.Contains(out.String(), colour) {
				t.Errorf("%s without colours has %q", v.name, colour)
			}
		}
	}
}

// change is a snapshot with a change.
func change(snap func() *session.Snapshot, f func(*session.Snapshot)) func() *session.Snapshot {
	return func() *session.Snapshot { s := snap(); f(s); return s }
}

// stalled is live traffic in which the engine did not answer for 3 seconds, 10 s ago.
func stalled() *session.Snapshot {
	s := serving()
	all := s.Live.Seconds
	for i := range all[len(all)-13 : len(all)-10] {
		all[len(all)-13+i].OK, all[len(all)-13+i].Latencies = 0, nil
	}
	all[len(all)-10].P99 = trial.NumOf(3000)
	s.Live.P99 = trial.NumOf(2980)
	s.Live.Verdict = trial.Verdict{Result: trial.Fail, Percentile: 99, LimitMS: 20, ValueMS: trial.NumOf(2980)}
	return s
}

// Each of these states has a screen that says what is the matter, at every size with charts.
func TestReadableStates(t *testing.T) {
	limit := func(d time.Duration, r trial.Answer) func(*session.Snapshot) {
		return func(s *session.Snapshot) {
			s.SLA.Limit = d
			s.Live.Verdict.Result, s.Live.Verdict.LimitMS = r, limitMS(s.SLA)
		}
	}
	errors := func(s *session.Snapshot) {
		s.Live.Sent, s.Live.Errors = 640, 192
		s.Live.Verdict.Result, s.Live.Verdict.ErrorRate = trial.Fail, trial.NumOf(.3)
		for i := range s.Live.Seconds[60:] {
			s.Live.Seconds[60+i].Errors = 192
		}
	}
	for _, c := range []struct {
		name string
		snap func() *session.Snapshot
		want []string
	}{
		{"no GPU", serving, []string{"no GPU", "no NVML library"}},
		{"no model", starting, []string{"no model yet", "starting"}},
		{"engine that died", down, []string{"✗ down", "the engine exited: signal: killed", "cannot allocate 412 MB", "R restart"}},
		{"port in use", change(down, func(s *session.Snapshot) {
			s.Problem = "start with max_batch_size 8: port in use: another program listens on 127.0.0.1:8080"
		}), []string{"✗ down", "port in use: another program listens on", "127.0.0.1:8080", "R restart"}},
		{"stall", stalled, []string{"FAIL 2980 ms", "SLA 20"}},
		{"30% errors", change(serving, errors), []string{"FAIL 192 failed of 640 (0 allowed)", "192 errors"}},
		{"SLA of 1 ms", change(serving, limit(time.Millisecond, trial.Fail)), []string{"FAIL 15.2 ms (1520%)", "SLA 1"}},
		{"SLA of 10 s", change(serving, limit(10*time.Second, trial.Pass)), []string{"PASS 15.2 ms (<1%)", "SLA 10000"}},
	} {
		for _, size := range [][2]int{{120, 36}, {80, 24}} {
			sc := newScreen(t, size[0], size[1], c.snap())
			requireTexts(t, sc.plainFrame(), c.want...)
			r := liveLayoutOf(sc.w, sc.h).p99
			fails, data := styledCells(sc.frame(), r, styleFail), styledCells(sc.frame(), r, styleData)
			switch c.name {
			case "SLA of 1 ms":
				if fails == 0 || data > 0 {
					t.Errorf("%s: %d cells of failures, %d of passes:\n%s", c.name, fails, data, sc.plainFrame())
				}
			case "SLA of 10 s":
				if fails > 0 || data == 0 {
					t.Errorf("%s: %d cells of failures, %d of passes:\n%s", c.name, fails, data, sc.plainFrame())
				}
			case "stall":
				if n := len(sc.data.p99); !math.IsNaN(sc.data.p99[n-12]) || fails == 0 {
					t.Errorf("%s: P99 %g in it, %d cells of failures:\n%s", c.name, sc.data.p99[n-12], fails, sc.plainFrame())
				}
			}
		}
	}
}

// During a sweep a loaded trial is pending, with a key that works; no pending value equals the one in
// force beside it, whatever the current trial has in force.
func TestPendingDuringSweep(t *testing.T) {
	for _, size := range [][2]int{{120, 36}, {80, 24}, {60, 16}} {
		sc := newScreen(t, size[0], size[1], sweeping())
		sc.press("2", "enter") // trial 5: 2 workers
		sc.show(func(s *session.Snapshot) {
			w := *s.Sweep
			c := *w.Current
			c.Point.Settings = w.Trials[4].Settings
			w.Current, s.Sweep = &c, &w
		})
		frame := sc.plainFrame()
		for _, same := range []string{"2 → 2", "2→2", "2  → 2"} {
			if strings.Contains(frame, same) {
				t.Errorf("%v: %q in\n%s", size, same, frame)
			}
		}
		if size[0] > 60 {
			requireTexts(t, frame, "p pauses")
		}
	}
}

// The note of loaded settings quotes the row that was loaded: its load, and all its runs.
func TestNoteOfLoadedTrial(t *testing.T) {
	s := repeated()
	other := newTrial(10, 2, 8, 44, 700, trial.Fail)
	other.Load = load.Spec{Concurrency: 40}
	w := *s.Sweep
	w.Trials = append(w.Trials, other)
	s.Sweep = &w
	note := func(n int) string {
		sc := newScreen(t, 120, 36, s)
		sc.press("2")
		sc.selectedN = n
		sc.press("enter")
		return sc.knobNotes()[1].s
	}
	if got := note(10); !strings.HasPrefix(got, "trial #10: P99 44.0 ms, 700/s, FAIL, at ") || !strings.Contains(got, "40") {
		t.Errorf("of another load: %q", got)
	}
	sc := newScreen(t, 120, 36, s)
	row := sc.rows()[0] // three runs of 2 workers, batch 8
	if got := note(row.N); !strings.HasPrefix(got, fmt.Sprintf("trial #%d: P99 %s ms, %s/s, %s", row.N, na(row.Latency.P99.Value), na(row.Throughput.Value), row.Verdict.Label())) {
		t.Errorf("of several runs: %q, the row %d has %v", got, row.N, row.Throughput)
	}
	// Settings that were only predicted, or are of a profile, quote no trial that was loaded before.
	sc.press("2")
	sc.selectedN = 10
	sc.press("enter", "3", "home", "enter")
	if sc.stagedN == 10 {
		t.Error("the point quotes the trial that was loaded before")
	}
	if sc.pending[knob.Workers] != "2" {
		t.Errorf("pending %v", sc.pending)
	}
}

// Q leaves the last frame after the terminal is restored, without the question that it asked.
func TestQLeavesTheFrame(t *testing.T) {
	in, keys := io.Pipe()
	defer keys.Close()
	out := &terminal{}
	var once sync.Once
	out.onWrite = func(all string) {
		if strings.Contains(all, "sweetspot") {
			once.Do(func() {
				go func() {
					_, _ = keys.Write([]byte("Q"))
					_, _ = keys.Write([]byte("y"))
				}()
			})
		}
	}
	left, frame := "", ""
	err := Run(context.WithoutCancel(t.Context()), Deps{
		Workbench: &fakeWorkbench{snap: sweeping()}, In: in, Out: out, NoColor: true, Now: func() time.Time { return epoch },
		Leave: func(f string) { left, frame = out.text(), f },
	})
	if err != nil {
		t.Fatal(err)
	}
	requireRestored(t, left)
	requireTexts(t, frame, "mlp-wide", "Knobs", "P99 ms")
	if strings.Contains(frame, "\x1b") || strings.Contains(frame, "Quit") {
		t.Errorf("escape sequences or the question in\n%s", frame)
	}
	if n := strings.Count(frame, "\n") + 1; n != 24 {
		t.Errorf("%d lines", n)
	}
}

// q leaves no frame.
func TestQuitLeavesNothing(t *testing.T) {
	sc := newScreen(t, 80, 24, serving())
	if msg := sc.press("q"); msg != tea.Quit() || sc.leaveFrame {
		t.Errorf("q: message %T, leaves the frame: %v", msg, sc.leaveFrame)
	}
}

// A simulated model is called so at every size with a header.
func TestSimulatedIsSaid(t *testing.T) {
	s := serving()
	s.Info.Runtime = "simulated"
	for _, size := range [][2]int{{200, 60}, {120, 36}, {80, 24}, {60, 16}} {
		requireTexts(t, newScreen(t, size[0], size[1], s).plainFrame(), "mlp-wide (simulated)")
	}
}

// No picture has words that a reader could not understand, or an interval with a missing end.
func TestPlainWords(t *testing.T) {
	wrong := regexp.MustCompile(`bare session|beside the running model|neighbours|[0-9]-\)|–\?|\?–|\(open-|-open\)|not certain after|1 stretches`)
	err := filepath.WalkDir("testdata", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if found := wrong.Find(data); found != nil {
			t.Errorf("%s: %q", path, found)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
