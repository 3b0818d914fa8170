package tui

import (
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

var _ Workbench = (*session.Session)(nil)

// quits reports whether a message ends the program.
func quits(msg tea.Msg) bool {
	_, ok := msg.(tea.QuitMsg)
	return ok
}

// The first use: settings that fail are changed until they pass, and exported.
func TestFirstUse(t *testing.T) {
	sc := newScreen(t, 80, 24, failing())
	var written []string
	sc.Exported = func(path string) { written = append(written, path) }
	if !strings.Contains(sc.plainFrame(), "FAIL 47.0 ms (235%)") {
		t.Fatalf("no FAIL on the screen:\n%s", sc.plainFrame())
	}
	sc.press("down", "right", "right", "right", "enter")
	sc.show(func(s *session.Snapshot) { *s = *serving() })
	if !strings.Contains(sc.plainFrame(), "PASS 15.2 ms (76%)") || len(sc.pending) > 0 {
		t.Fatalf("no PASS on the screen, or still pending:\n%s", sc.plainFrame())
	}
	sc.press("e", "enter")
	want := []string{"apply 1 worker, batch 8, delay 5 ms, fp32, cpu, 1 thread", "export 0"}
	if diff := cmp.Diff(want, sc.workbench.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if got, want := sc.status(), "exported to out/config.properties"; got != want {
		t.Errorf("status %q, want %q", got, want)
	}
	if diff := cmp.Diff([]string{"out/config.properties"}, written); diff != "" {
		t.Errorf("exported (-want +got):\n%s", diff)
	}
}

// The actions that keys cause.
func TestActions(t *testing.T) {
	paused := func() *session.Snapshot {
		s := swept()
		s.Sweep.State, s.Sweep.Choice = session.Paused, nil
		return s
	}
	open := func() *session.Snapshot {
		s := serving()
		s.Load = load.Spec{Mode: load.Open, Rate: 50}
		return s
	}
	matched := func() *session.Snapshot {
		s := serving()
		s.Load = load.Spec{Matched: true}
		return s
	}
	held := func() *session.Snapshot {
		s := serving()
		s.LoadOn = false
		return s
	}
	cases := []struct {
		name string
		snap func() *session.Snapshot
		keys string
		want []string
	}{
		{"workers double", serving, "right right enter", []string{"apply 4 workers, batch 8, delay 5 ms, fp32, cpu, 1 thread"}},
		{"workers by one", serving, "shift+right shift+right enter", []string{"apply 3 workers, batch 8, delay 5 ms, fp32, cpu, 1 thread"}},
		{"all at once", serving, "right down left down left enter", []string{"apply 2 workers, batch 4, delay 2 ms, fp32, cpu, 1 thread"}},
		{"typed", serving, "= backspace 3 enter enter", []string{"apply 3 workers, batch 8, delay 5 ms, fp32, cpu, 1 thread"}},
		{"changed back", serving, "right left enter", nil},
		{"dropped", serving, "right esc esc enter", nil},
		{"one esc drops nothing", serving, "right esc enter", []string{"apply 2 workers, batch 8, delay 5 ms, fp32, cpu, 1 thread"}},
		{"fp16", withGPU, "up right enter", []string{"apply 1 worker, batch 8, delay 5 ms, fp16, cpu, 1 thread"}},
		{"undo", serving, "u", []string{"undo"}},
		{"nothing to redo", serving, "U", nil},
		{"the settings of the start", serving, "B enter", []string{"apply 1 worker, batch 1, delay 100 ms, fp32, cpu, 1 thread"}},
		{"by the list of actions", serving, "? u n d o space l a s t enter", []string{"undo"}},
		{"a value by the list of actions", serving, ": w o r k e r s space 6 enter enter", []string{"apply 6 workers, batch 8, delay 5 ms, fp32, cpu, 1 thread"}},
		{"an action of the other view", swept, "? e x p o r t space t h e space t r i a l enter enter", []string{"export 5"}},
		{"a disabled action of the list", serving, "? p a u s e enter", nil},
		{"more load", serving, "]", []string{"load concurrency 12"}},
		{"two quick keys add up", serving, "] ]", []string{"load concurrency 12", "load concurrency 15"}},
		{"less load", serving, "[ [ [", []string{"load concurrency 8", "load concurrency 6", "load concurrency 5"}},
		{"a matched load becomes a number", matched, "]", []string{"load concurrency 10"}},
		{"rate", open, "] [ [", []string{"load open 60/s poisson", "load open 50/s poisson", "load open 40/s poisson"}},
		{"open load from the throughput of the closed load", serving, "l l", []string{"load open 600/s poisson", "load concurrency 10"}},
		{"closed by default", open, "l", []string{"load concurrency 10"}},
		{"hold", serving, "space", []string{"hold true"}},
		{"resume the load", held, "space", []string{"hold false"}},
		{"s asks", serving, "s esc", nil},
		{"sweep", serving, "s enter", []string{"sweep P99 of request latency <= 20ms, concurrency 10, 3m0s"}},
		{"sweep with another promise and load", serving, "s down 5 0 m s down right down 1 , 2 enter", []string{"sweep P99 of request latency <= 50ms, concurrency 12, 3m0s"}},
		{"sweep of a wrong limit", serving, "s down x enter", nil},
		{"measure a trial again", swept, "2 down R", []string{"measure 1 worker, batch 8, delay 5 ms, fp32, cpu, 1 thread, concurrency 10"}},
		{"measure next", sweeping, "2 R", []string{"measure 2 workers, batch 8, delay 5 ms, fp32, cpu, 1 thread, concurrency 10"}},
		{"measure a predicted setting", predicting, "3 end R", []string{"measure 1 worker, batch 1, delay 20 ms, fp32, cpu, 1 thread, concurrency 10"}},
		{"what if the load is more, then another", repeated, "3 ] = 5 0 / s enter", []string{"what if concurrency 12", "what if open 50/s poisson"}},
		{"export a predicted setting", predicting, "3 end e enter", []string{"export 1 worker, batch 1, delay 20 ms, fp32, cpu, 1 thread"}},
		{"export to another file", serving, "e tab tab ctrl+u a . b enter", []string{"export 0 to a.b"}},
		{"s shows a running sweep", sweeping, "s", nil},
		{"pause", sweeping, "p", []string{"pause true"}},
		{"resume", paused, "p", []string{"pause false"}},
		{"abort asks", sweeping, "X n X esc X enter", nil},
		{"abort", sweeping, "X y", []string{"abort"}},
		{"restart", down, "R", []string{"restart"}},
		{"export a trial", swept, "2 down down e enter", []string{"export 3"}},
		{"no restart of a running engine", serving, "R", nil},
		{"no apply while sweeping", sweeping, "right enter u [ space l", nil},
		{"nothing while starting", starting, "right enter u ] space s p X R e", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			sc := newScreen(t, 80, 24, c.snap())
			sc.press(strings.Fields(c.keys)...)
			if diff := cmp.Diff(c.want, sc.workbench.calls); diff != "" {
				t.Errorf("keys %s: calls (-want +got):\n%s", c.keys, diff)
			}
		})
	}
}

// A key that does not work shows the reason.
func TestDisabledKeys(t *testing.T) {
	cases := []struct {
		snap func() *session.Snapshot
		keys string
		want string
	}{
		{serving, "enter", "nothing is pending: ← → change the selected knob"},
		{serving, "up right", "FP16: the engine cannot convert models to FP16"},
		{serving, "? p a u s e enter", "no sweep is running: s starts one"},
		{serving, "%", "% does nothing here: ? lists the keys"},
		{serving, "right esc", "esc again drops 1 pending change"},
		{serving, "left", "workers: 0 is outside 1-256"},
		{serving, "down down left left left", "batch_delay_ms: 0 is outside 1-60000 (TorchServe reads 0 as unset, which is 100)"},
		{serving, "p", "no sweep is running: s starts one"},
		{serving, "R", "the engine is running"},
		{serving, "2 enter", "no trial yet: s starts a sweep"},
		{starting, "right", "the engine is still starting"},
		{starting, "e", "the engine is still starting: nothing to export yet"},
		{starting, "u", "nothing to undo"},
		{applying, "u", "applying workers 1→4, 1.2 s"},
		{sweeping, "]", "the sweep sends its own load: p pauses it"},
		{sweeping, "u", "a sweep uses the engine: p pauses it to change settings"},
		{sweeping, "2 s", "the sweep is running: p pauses or resumes it, X aborts it"},
		{down, "u", "the engine is down: R restarts it"},
	}
	for _, c := range cases {
		sc := newScreen(t, 80, 24, c.snap())
		sc.press(strings.Fields(c.keys)...)
		if got := sc.status(); got != c.want || len(sc.workbench.calls) > 0 {
			t.Errorf("keys %s: status %q, calls %v, want %q and none", c.keys, got, sc.workbench.calls, c.want)
		}
	}
}

// An action that is refused is in the status line and in the log.
func TestRefusedAction(t *testing.T) {
	sc := newScreen(t, 80, 24, serving())
	sc.workbench.err = errRefused
	sc.press("]")
	if got, want := sc.status(), "load: the engine refuses it"; got != want || sc.unread != 1 {
		t.Errorf("status %q with %d unread, want %q and 1", got, sc.unread, want)
	}
	if got := sc.currentLoad(); got != serving().Load {
		t.Errorf("after a refusal the screen shows %v", got)
	}
	sc.workbench.err = nil
	sc.press("!")
	if sc.unread != 0 || !strings.Contains(sc.plainFrame(), "✗ load: the engine refuses it") {
		t.Errorf("%d unread, log:\n%s", sc.unread, sc.plainFrame())
	}
}

// After a failed apply the value stays pending, and the reason is shown until the next
// apply.
func TestFailedApply(t *testing.T) {
	sc := newScreen(t, 80, 24, serving())
	sc.press("right", "enter")
	sc.show(func(s *session.Snapshot) { s.Applying = &session.Applying{To: s.Settings, Since: epoch} })
	sc.show(func(s *session.Snapshot) {
		s.Applying = nil
		s.Messages = append(slices.Clip(s.Messages), session.Message{At: epoch, Level: session.Error, Text: "not applied: out of memory"})
	})
	if got := sc.knobNotes()[0].s; got != "✗ not applied: out of memory" || sc.pending[knob.Workers] != "2" {
		t.Errorf("note %q, pending %v", got, sc.pending)
	}
	sc.clock = sc.clock.Add(time.Minute)
	sc.send(tickMsg{})
	if !sc.notice.visible(sc.now) {
		t.Error("the error disappeared without a key")
	}
	sc.press("up")
	if sc.notice.visible(sc.now) {
		t.Error("the error is still there after a key")
	}
	sc.press("enter")
	if sc.applyError != "" {
		t.Errorf("after applying again the note is %q", sc.applyError)
	}
}

// The workbench's message on the same export does not replace the path. A note is shown
// for a time; an error stays until a key is pressed.
func TestNotices(t *testing.T) {
	sc := newScreen(t, 80, 24, serving())
	say := func(level session.Level, text string) {
		sc.show(func(s *session.Snapshot) {
			s.Messages = append(slices.Clip(s.Messages), session.Message{At: sc.clock, Level: level, Text: text})
		})
	}
	sc.press("e", "enter")
	say(session.Note, "exported a very long list of settings to out/config.properties")
	if got, want := sc.status(), "exported to out/config.properties"; got != want {
		t.Errorf("status %q, want %q", got, want)
	}
	say(session.Note, "load: concurrency 12")
	if got, want := sc.status(), "load: concurrency 12"; got != want {
		t.Errorf("status %q, want %q", got, want)
	}
	sc.clock = sc.clock.Add(noticeDuration)
	sc.send(tickMsg{})
	if sc.notice.visible(sc.now) {
		t.Error("a note is still shown after its time")
	}
	say(session.Error, "live load: connection refused")
	say(session.Note, "load: concurrency 15")
	if got, want := sc.status(), "live load: connection refused"; got != want {
		t.Errorf("status %q, want %q", got, want)
	}
	if sc.unread != 1 {
		t.Errorf("%d unread, want 1", sc.unread)
	}
}

func TestBestSoFar(t *testing.T) {
	sc := newScreen(t, 80, 24, sweeping())
	sc.show(func(s *session.Snapshot) {
		w := *s.Sweep
		w.Trials = append(slices.Clip(w.Trials), newTrial(8, 4, 16, 18, 700, trial.Pass))
		w.Best = 7
		s.Sweep = &w
	})
	if got, want := sc.status(), "most promising, not validated: trial #8, 700/s at P99 18.0 ms"; got != want {
		t.Errorf("status %q, want %q", got, want)
	}
}

func TestQuit(t *testing.T) {
	cases := []struct {
		name string
		snap func() *session.Snapshot
		keys string
		want bool
	}{
		{"q", serving, "q", true},
		{"ctrl+c", serving, "ctrl+c", true},
		{"asks", sweeping, "q", false},
		{"stay", sweeping, "q n", false},
		{"enter stays", sweeping, "q enter", false},
		{"yes", sweeping, "q y", true},
		{"ctrl+c asks", sweeping, "ctrl+c", false},
		{"ctrl+c twice", sweeping, "ctrl+c ctrl+c", true},
		{"ctrl+c over help", serving, "? ctrl+c", true},
		{"q closes help", serving, "? q", false},
		{"an ended sweep does not ask", swept, "q", true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			sc := newScreen(t, 80, 24, c.snap())
			if got := quits(sc.press(strings.Fields(c.keys)...)); got != c.want {
				t.Errorf("keys %s: quits %v, want %v", c.keys, got, c.want)
			}
		})
	}
	sc := newScreen(t, 80, 24, sweeping())
	sc.press("ctrl+c")
	sc.clock = sc.clock.Add(fastDuration)
	if quits(sc.press("ctrl+c")) {
		t.Error("a late second ctrl+c quits without asking")
	}
	if !quits(sc.press("ctrl+c")) {
		t.Error("the third ctrl+c doesn't quit")
	}
}

func TestStageTrial(t *testing.T) {
	sc := newScreen(t, 80, 24, swept())
	sc.press("2", "end", "up", "enter")
	if sc.view != liveView || sc.pending[knob.BatchSize] != "1" || len(sc.workbench.calls) > 0 {
		t.Errorf("view %v, pending %v, calls %v", sc.view, sc.pending, sc.workbench.calls)
	}
	if got, want := sc.knobNotes()[1].s, "trial #1: P99 47.0 ms, 208/s, FAIL"; got != want {
		t.Errorf("note %q, want %q", got, want)
	}
}

func TestOrderOfTrials(t *testing.T) {
	sc := newScreen(t, 80, 24, swept())
	numbers := func() (out []int) {
		for _, r := range sc.rows() {
			out = append(out, r.N)
		}
		return out
	}
	if diff := cmp.Diff([]int{5, 4, 3, 6, 2, 1, 7}, numbers()); diff != "" {
		t.Errorf("by rank (-want +got):\n%s", diff)
	}
	sc.press("2", "down", "o")
	if diff := cmp.Diff([]int{6, 5, 4, 3, 7, 2, 1}, numbers()); diff != "" {
		t.Errorf("by throughput (-want +got):\n%s", diff)
	}
	sc.press("o")
	if diff := cmp.Diff([]int{5, 4, 3, 6, 2, 1, 7}, numbers()); diff != "" {
		t.Errorf("by P99 (-want +got):\n%s", diff)
	}
	sc.press("o")
	if diff := cmp.Diff([]int{1, 2, 3, 4, 5, 6, 7}, numbers()); diff != "" {
		t.Errorf("by settings (-want +got):\n%s", diff)
	}
	sc.press("o")
	if diff := cmp.Diff([]int{1, 2, 3, 4, 5, 6, 7}, numbers()); diff != "" {
		t.Errorf("every trial (-want +got):\n%s", diff)
	}
	if got := sc.selectedTrial().N; got != 4 {
		t.Errorf("sorting moved the selection to #%d", got)
	}
	sc.press("pgdown")
	if got := sc.selectedTrial().N; got != 7 {
		t.Errorf("pgdown went to #%d, want the last", got)
	}
	sc.press("home")
	if got := sc.selectedTrial().N; got != 1 {
		t.Errorf("home went to #%d, want the first", got)
	}
}

// If the terminal is too small, only help and quit work.
func TestTooSmallTerminal(t *testing.T) {
	sc := newScreen(t, 39, 9, sweeping())
	sc.press("p", "s", "right", "X", "2", "e")
	if len(sc.workbench.calls) > 0 || sc.dialog != nil || sc.view != liveView {
		t.Errorf("calls %v, dialog %v, view %v", sc.workbench.calls, sc.dialog, sc.view)
	}
	sc.press("?")
	if _, ok := sc.dialog.(*help); !ok {
		t.Error("? does not open the help")
	}
	sc.press("?", "q")
	if _, ok := sc.dialog.(*confirm); !ok {
		t.Error("q doesn't ask")
	}
}

// Actions run one at a time, in the order of the keys.
func TestActionsRunInOrder(t *testing.T) {
	sc := newScreen(t, 80, 24, serving())
	_, first := sc.Update(keyOf("]"))
	_, second := sc.Update(keyOf("space"))
	if first == nil || second != nil {
		t.Fatalf("two keys gave commands %v and %v, want the second to wait", first != nil, second != nil)
	}
	_, next := sc.Update(first())
	if next == nil {
		t.Fatal("the second action does not follow")
	}
	_, last := sc.Update(next())
	if diff := cmp.Diff([]string{"load concurrency 12", "hold true"}, sc.workbench.calls); diff != "" || last != nil {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}
