package tui

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
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

// Stopping the program holds the load, so that no backlog is sent afterwards, and continuing resumes
// it.
func TestSuspend(t *testing.T) {
	sc := newScreen(t, 80, 24, serving())
	if msg := sc.press("ctrl+z"); msg != tea.Suspend() {
		t.Errorf("the message after ctrl+z is %T", msg)
	}
	sc.send(tea.ResumeMsg{})
	if diff := cmp.Diff([]string{"hold true", "hold false"}, sc.workbench.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	sc = newScreen(t, 80, 24, serving())
	sc.show(func(s *session.Snapshot) { s.LoadOn = false })
	sc.press("ctrl+z")
	sc.send(tea.ResumeMsg{})
	if len(sc.workbench.calls) > 0 {
		t.Errorf("a load that the user holds: calls %v", sc.workbench.calls)
	}
	stopped := 0
	sc = newScreen(t, 80, 24, serving())
	sc.WillStop = func() { stopped++ }
	if msg := sc.send(suspendMsg{}); msg != tea.Suspend() || stopped != 1 || len(sc.workbench.calls) != 1 {
		t.Errorf("a request from outside: message %T, stopped %d times, calls %v", msg, stopped, sc.workbench.calls)
	}
	sc = newScreen(t, 80, 24, sweeping())
	sc.press("ctrl+z")
	if want := "a trial is being measured: p pauses the sweep first"; sc.status() != want {
		t.Errorf("during a sweep: status %q, want %q", sc.status(), want)
	}
}

// A frozen picture does not change, says its age, and goes on with the latest snapshot.
func TestFreeze(t *testing.T) {
	sc := newScreen(t, 120, 36, serving())
	sc.press("f")
	sc.clock = sc.clock.Add(12 * time.Second)
	sc.show(func(s *session.Snapshot) { *s = *failing() })
	requireTexts(t, sc.plainFrame(), "frozen 12s", "PASS 15.2 ms")
	sc.press("f")
	requireTexts(t, sc.plainFrame(), "FAIL")
	if strings.Contains(sc.plainFrame(), "frozen") {
		t.Error("still frozen")
	}
}

// An expanded chart has the whole body; esc shows all charts again, and drops no pending change.
func TestExpand(t *testing.T) {
	sc := newScreen(t, 80, 24, serving())
	sc.press("right", "z", "z")
	if frame := sc.plainFrame(); !strings.Contains(frame, "Throughput") || strings.Contains(frame, "P99 ms") || strings.Contains(frame, "Knobs") {
		t.Errorf("expanded throughput:\n%s", frame)
	}
	sc.press("esc")
	requireTexts(t, sc.plainFrame(), "P99 ms", "Knobs", "1 pending")
}

// A letter of the jump mode clicks what it is on.
func TestJump(t *testing.T) {
	sc := newScreen(t, 120, 36, swept())
	sc.press(";")
	for i, a := range sc.dialog.(*jump).areas {
		if a.y == 0 && a.x < 112 && i > 0 { // the tabs are drawn first, from the right
			sc.press(jumpLetters[i : i+1])
			break
		}
	}
	if sc.dialog != nil {
		t.Error("a letter leaves the jump mode open")
	}
	sc.press("2", ";")
	last := len(sc.dialog.(*jump).areas) - 1
	sc.press(jumpLetters[last : last+1])
	if n := sc.selectedTrial().N; n != 7 {
		t.Errorf("the last letter selects trial %d, want 7, the last row", n)
	}
	sc.press(";", "esc")
	if sc.dialog != nil {
		t.Error("esc leaves the jump mode open")
	}
}

// What is copied has the model, the settings, the load and the figures; the command is quoted.
func TestCopy(t *testing.T) {
	s := swept()
	s.Info.Model.Source = "my models/mlp.onnx"
	sc := newScreen(t, 80, 24, s)
	text := func(keys ...string) string {
		t.Helper()
		return fmt.Sprint(sc.press(keys...))
	}
	want := "mlp-wide, 1 worker, batch 8, delay 5 ms, fp32, cpu, 1 thread: SLA P99 <= 20 ms PASS 15.2 ms (76%) 14.8–15.9 over 1s 0 errors load concurrency 10, 640/s"
	if got := text("y"); got != want {
		t.Errorf("verdict:\n got %s\nwant %s", got, want)
	}
	if got, want := text("2", "y"), "mlp-wide, 2 workers, batch 8, delay 5 ms, fp32, cpu, 1 thread, concurrency 10: P99 15.2 ms of limit 20 ms, 640/s, pass"; got != want {
		t.Errorf("trial:\n got %s\nwant %s", got, want)
	}
	want = "sweetspot 'my models/mlp.onnx' --sweep --sla 20ms --concurrency 10 --knob workers=2 --knob batch_size=8 --knob batch_delay_ms=5 --knob precision=fp32 --knob device=cpu --knob threads=1 --knob queue_size=100"
	if got := text(".", "c"); got != want {
		t.Errorf("command:\n got %s\nwant %s", got, want)
	}
	sc.show(func(s *session.Snapshot) {
		s.SLA.MaxErrorRate, s.SLA.Percentile, s.SLA.Latency = .01, 95, trial.ModelLatency
	})
	if got := sc.command(knob.Settings{}, load.Spec{Mode: load.Open, Rate: 50}); got != "sweetspot 'my models/mlp.onnx' --sweep --sla 20ms --percentile 95 --latency model --max-errors 0.01 --rate 50 --arrivals poisson" {
		t.Errorf("open load: %s", got)
	}
	if got := shellQuote("it's"); got != `'it'\''s'` {
		t.Errorf("quoted: %s", got)
	}
}

// A click in a list selects the line, and one beside it does nothing.
func TestClickInDialog(t *testing.T) {
	sc := newScreen(t, 80, 24, serving())
	sc.press("?", "u", "n", "d", "o")
	find := func(text string) (x, y int) {
		for y, l := range strings.Split(sc.plainFrame(), "\n") {
			if before, _, ok := strings.Cut(l, text); ok {
				return width(before), y
			}
		}
		t.Fatalf("no %q on the screen:\n%s", text, sc.plainFrame())
		return 0, 0
	}
	x, y := find("redo an undone change")
	sc.send(tea.MouseClickMsg{X: x, Y: y, Button: tea.MouseLeft})
	requireTexts(t, sc.plainFrame(), "▸ U ")
	x, y = find("[1 Live]")
	sc.send(tea.MouseClickMsg{X: x, Y: y + 0, Button: tea.MouseLeft})
	if sc.dialog == nil {
		t.Error("a click beside the list closes it")
	}
}

// A long text can be written in the user's editor.
func TestEditor(t *testing.T) {
	sc := newScreen(t, 80, 24, serving())
	in := &input{heading: "Note", title: "note", text: "before", longest: 200}
	sc.dialog = in
	sc.press("ctrl+e")
	requireTexts(t, sc.plainFrame(), "set EDITOR to the command of your editor")
	sc.Editor = []string{"vi", "-n"}
	var edited error
	sc.runEditor = func(c *exec.Cmd, then tea.ExecCallback) tea.Cmd {
		path := c.Args[len(c.Args)-1]
		if data, err := os.ReadFile(path); string(data) != "before\n" || err != nil || !slices.Equal(c.Args[:2], sc.Editor) {
			t.Errorf("%q opens %q, %v", c.Args, data, err)
		}
		if err := os.WriteFile(path, []byte("warm caches,\nsecond line\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return func() tea.Msg {
			msg := then(edited)
			if _, err := os.Stat(path); err == nil {
				t.Error("the temporary file is still there")
			}
			return msg
		}
	}
	sc.send(sc.press("ctrl+e"))
	if want := "warm caches, second line"; in.text != want {
		t.Errorf("text %q, want %q", in.text, want)
	}
	requireTexts(t, sc.plainFrame(), "ctrl+e opens vi")
	edited = errors.New("exit status 1")
	in.text = "before"
	sc.send(sc.press("ctrl+e"))
	if in.text != "before" || sc.status() != "editor vi: exit status 1" {
		t.Errorf("after an error: text %q, status %q", in.text, sc.status())
	}
}

// A notice that is too long for the status line says that the log has all of it.
func TestLongNotice(t *testing.T) {
	sc := newScreen(t, 80, 24, serving())
	why := "the model has a fixed first dimension of 1 in its input, and its nodes reshape it, so batches cannot be run"
	sc.show(func(s *session.Snapshot) { s.Info.Limits.BatchAxis, s.Info.Model.BatchWhy = false, why })
	sc.press("down")
	requireTexts(t, sc.plainFrame(), "batch size 8 n/a")
	sc.press("right")
	requireTexts(t, sc.plainFrame(), "… (! shows all)")
	sc.press("!")
	requireTexts(t, sc.plainFrame(), "batches cannot be run")
	if len(sc.workbench.calls) > 0 || len(sc.pending) > 0 {
		t.Errorf("calls %v, pending %v", sc.workbench.calls, sc.pending)
	}
}

// The actions of . are those of what is selected in the view.
func TestVerbsOfViews(t *testing.T) {
	sc := newScreen(t, 100, 30, repeated())
	sc.press("3", ".")
	sc.requireFrame("Setting "+shortSettings(sc.selectedPoint().settings), "make its values pending in Live", "export it")
	sc.press("l")
	if sc.view != liveView || sc.dialog != nil {
		t.Errorf("l: view %v", viewNames[sc.view])
	}
	sc = newScreen(t, 100, 30, serving())
	withProfiles(3, -1, -1)(sc)
	sc.ProfileDir = ""
	sc.press("4", ".")
	sc.requireFrame("Profile "+profileName(*sc.selectedProfile()), "show its settings in Frontier", "give it a name")
	sc.press("m")
	if sc.view != frontierView {
		t.Errorf("m: view %v", viewNames[sc.view])
	}
}
