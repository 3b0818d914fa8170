package tui

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
	"sweetspot/tui/chart"
)

// The dialog starts a sweep of the plan that it shows.
func TestStartDialog(t *testing.T) {
	s := serving()
	s.Info.Fixed = nil
	sc := newScreen(t, 80, 24, s)
	sc.press("s")
	d := sc.dialog.(*startDialog)
	sc.requireFrame("Takes over your load of 10 clients", "auto        1 2")
	sc.press("down", "down", "down", "1", "-", "2")
	if d.problem != "" || len(d.points) == 0 {
		t.Fatalf("workers 1-2: problem %q, %d points", d.problem, len(d.points))
	}
	sc.press("down", "4", ",", "8", "down", "right", "down", "right", "right", "down", "9", "0", "s")
	sc.press("enter")
	p := sc.workbench.plan
	if p.Knobs[knob.Workers] != "1-2" || p.Knobs[knob.BatchSize] != "4,8" || p.Knobs[knob.FP16] != "fp32,fp16" || p.Budget.Time != 90*time.Second {
		t.Errorf("started the plan %v with a budget of %v", p.Knobs, p.Budget.Time)
	}
	if s.Plan.Knobs[knob.Workers] != knob.Auto {
		t.Error("the plan of the snapshot was changed")
	}
}

// A field that cannot be read, and ranges that leave nothing or too much, are said before the start.
func TestStartDialogProblems(t *testing.T) {
	for _, c := range []struct{ keys, want string }{
		{"s 1 2", "want 50 to 99.99"},
		{"s down f a s t", "want a time such as 20ms"},
		{"s down down 0", "want 1-10000 clients"},
		{"s down down down x", "workers"},
		{"s down down down 0", "workers"},
		{"s down down down 1 - 2 0 0 down 1 - 2 0 0", "are more than 5 000"},
		{"s up s o o n", "want a time such as 3m"},
	} {
		sc := newScreen(t, 80, 24, serving())
		sc.press(strings.Fields(c.keys)...)
		sc.press("enter")
		d, ok := sc.dialog.(*startDialog)
		if !ok || len(sc.workbench.calls) > 0 {
			t.Errorf("%s: started: %v", c.keys, sc.workbench.calls)
			continue
		}
		if !strings.Contains(d.problem, c.want) {
			t.Errorf("%s: problem %q, want %q", c.keys, d.problem, c.want)
		}
	}
}

// A paste goes into the selected field.
func TestStartDialogPaste(t *testing.T) {
	sc := newScreen(t, 80, 24, serving())
	sc.press("s", "down")
	sc.send(tea.PasteMsg{Content: "75ms"})
	sc.press("enter")
	if got := sc.workbench.plan.SLA.Limit; got != 75*time.Millisecond {
		t.Errorf("limit %v", got)
	}
}

// A setting can be made pending while a sweep runs; it is applied afterwards.
func TestStageDuringSweep(t *testing.T) {
	sc := newScreen(t, 80, 24, sweeping())
	sc.press("2", "enter")
	if sc.view != liveView || sc.pending[knob.Workers] != "2" || !strings.Contains(sc.status(), "pending: p pauses the sweep") {
		t.Fatalf("view %d, pending %v, status %q", sc.view, sc.pending, sc.status())
	}
	sc.press("enter")
	if len(sc.workbench.calls) > 0 {
		t.Errorf("applied during the sweep: %v", sc.workbench.calls)
	}
	sc.show(func(s *session.Snapshot) { *s = *swept() })
	sc.press("enter")
	if got := sc.workbench.calls; len(got) != 1 || !strings.HasPrefix(got[0], "apply 2 workers") {
		t.Errorf("after the sweep: %v", got)
	}
}

// After a sweep the screen says what to do: load the best, export it if it is in force, measure it
// again if nothing has validated it, or what blocks the nearest setting.
func TestNextStep(t *testing.T) {
	inForce := func() *session.Snapshot {
		s := swept()
		s.Settings = s.Sweep.Trials[4].Settings
		return s
	}
	unconfirmed := func() *session.Snapshot {
		s := swept()
		s.Sweep.Trials[4].Role, s.Sweep.Choice = trial.RoleLoad, nil
		return s
	}
	undecidedSweep := func() *session.Snapshot {
		s := nonePassed()
		s.Sweep.Trials[2].Verdict.Result, s.Sweep.Trials[2].Verdict.ValueMS = trial.Undecided, trial.NumOf(19)
		return s
	}
	for _, c := range []struct {
		snap func() *session.Snapshot
		keys string
		want string
	}{
		{swept, "2", "enter loads it in Live: workers 1→2"},
		{swept, "2 end", "home enter loads it in Live: workers 1→2"},
		{swept, "2 end o", "enter on #5 loads it in Live"},
		{inForce, "2", "in force now  e exports it"},
		{unconfirmed, "2", "measures it again, because no validation"},
		{nonePassed, "2", "Little's law"},
		{nonePassed, "2", "no setting passes"},
		{undecidedSweep, "2", "no setting is known to pass"},
		{undecidedSweep, "2", "R measures #3 again"},
		{undecidedSweep, "2 end", "home R measures #3 again"},
		{failedSweep, "2", "s starts another sweep"},
	} {
		sc := newScreen(t, 120, 36, c.snap())
		sc.press(strings.Fields(c.keys)...)
		sc.requireFrame(c.want)
	}
	running := newScreen(t, 120, 36, sweeping())
	if running.nextStep() != nil || noPassText(running.snap.Sweep, nil) != "" {
		t.Error("a next step while the sweep runs")
	}
}

// Predicted points move and disappear when the sweep measures them. The selection stays on its
// setting.
func TestPointsFollowTheSweep(t *testing.T) {
	sc := newScreen(t, 120, 36, predicting())
	before := sc.countPredicted()
	sc.press("3", "end", "up")
	selected := *sc.selectedPoint()
	sc.show(func(s *session.Snapshot) {
		w := *s.Sweep
		next := newTrial(8, 4, 16, 28, 600, trial.Fail)
		w.Trials = append(append([]trial.Trial{}, w.Trials...), next)
		w.Predictions = predictions(load.Spec{Concurrency: 10})
		for i := range w.Predictions {
			w.Predictions[i].Throughput.Value = trial.NumOf(w.Predictions[i].Throughput.Value.Or(0) * .8)
		}
		s.Sweep = &w
	})
	if got := sc.countPredicted(); got != before-1 {
		t.Errorf("%d predicted points, want %d", got, before-1)
	}
	now := sc.selectedPoint()
	if now.settings != selected.settings || now.throughput.Value.Or(0) >= selected.throughput.Value.Or(0) {
		t.Errorf("selected %v with %v/s, before %v with %v/s", now.settings, now.throughput.Value, selected.settings, selected.throughput.Value)
	}
}

// Repeats are one point: from the lowest to the highest of its runs, and its worst run counts.
func TestPointOfRepeats(t *testing.T) {
	points := settingPoints(repeated().Sweep)
	p := points[0]
	if !p.best || p.label != "A" || len(p.row.Runs) != 3 || p.worst().Or(0) != 19.4 || p.value.Low.Or(0) != 15.2 {
		t.Errorf("best %v, label %s, %d runs, P99 %v to %v, worst %v", p.best, p.label, len(p.row.Runs), p.value.Low, p.value.High, p.worst())
	}
	for i, p := range points {
		if p.frontier && p.likely != trial.Pass {
			t.Errorf("point %d, which does not pass, is on the frontier", i)
		}
		if p.measured() != (p.label != "") {
			t.Errorf("point %d: measured %v, label %q", i, p.measured(), p.label)
		}
	}
	for i, want := range map[int]string{0: "A", 25: "Z", 26: "AA", 51: "AZ", 52: "BA"} {
		if got := pointLabel(i); got != want {
			t.Errorf("label %d = %q, want %q", i, got, want)
		}
	}
}

// What-if points are never measured ones, and the newest load wins while one is being predicted.
func TestWhatIf(t *testing.T) {
	sc := newScreen(t, 120, 36, repeated())
	sc.workbench.predictions = predictions(load.Spec{Mode: load.Open, Rate: 300})
	sc.press("3")
	_, first := sc.Update(keyOf("]"))
	_, second := sc.Update(keyOf("]"))
	if first == nil || second != nil {
		t.Fatal("the second prediction does not wait for the first one")
	}
	_, next := sc.Update(first())
	if next == nil {
		t.Fatal("the newest load is not predicted")
	}
	sc.Update(next())
	if got := strings.Join(sc.workbench.calls, "; "); got != "what if concurrency 12; what if concurrency 15" {
		t.Errorf("actions %q", got)
	}
	sc.requireFrame("what if concurrency 15: predicted by the simulator, nothing measured", "nothing was measured under this load")
	for _, p := range sc.frontierPoints() {
		if p.measured() {
			t.Fatal("a measured point under a what-if load")
		}
	}
	sc.press("R")
	if !strings.Contains(sc.status(), "a what-if load is only predicted") {
		t.Errorf("R: %q", sc.status())
	}
	sc.press("esc")
	if len(sc.frontierPoints()) != len(sc.points) {
		t.Error("esc does not show the measured load")
	}
	sc.workbench.err = errors.New("no service times")
	sc.press("]")
	sc.requireFrame("no service times")
}

// Settings that fail or were not measured, and a file with other content, are written only after
// a yes.
func TestExportAsks(t *testing.T) {
	for _, c := range []struct {
		name    string
		verdict trial.Answer
		refused string
		exists  bool
		keys    string
		asks    string
		want    []string
	}{
		{"pass", trial.Pass, "", false, "e enter", "", []string{"export 0"}},
		{"fail", trial.Fail, "", false, "e enter", "FAIL now: export anyway?", nil},
		{"fail, no", trial.Fail, "", false, "e enter n", "", nil},
		{"fail, enter is no", trial.Fail, "", false, "e enter enter", "", nil},
		{"fail, yes", trial.Fail, "", false, "e enter y", "", []string{"export 0"}},
		{"undecided", trial.Undecided, "", false, "e enter", "undecided (?): export anyway?", nil},
		{"misleading", trial.Pass, "measured under the eager rule; --force writes it anyway", false, "e enter", "measured under the eager rule: export anyway?", nil},
		{"another file", trial.Pass, "", true, "e tab tab ctrl+u x enter", "x exists, with 2 lines: overwrite it?", nil},
		{"another file, yes", trial.Pass, "", true, "e tab tab ctrl+u x enter y", "", []string{"export 0 to x, overwriting"}},
		{"cancelled", trial.Pass, "", false, "e esc enter", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			sc := newScreen(t, 80, 24, serving())
			e := &sc.workbench.exported
			e.Verdict, e.Refused = trial.Verdict{Result: c.verdict, ValueMS: trial.NumOf(30)}, c.refused
			if c.exists {
				e.Exists, e.Existing, e.Diff = true, "one\ntwo\n", "-one\n"
			}
			sc.press(strings.Fields(c.keys)...)
			if c.asks != "" {
				sc.requireFrame(c.asks)
			}
			if got := strings.Join(sc.workbench.calls, "; "); got != strings.Join(c.want, "; ") {
				t.Errorf("actions %q, want %q", got, c.want)
			}
		})
	}
	sc := newScreen(t, 80, 24, serving())
	sc.workbench.previewErr = errors.New("no folder out")
	sc.press("e", "enter")
	sc.requireFrame("no folder out")
	if len(sc.workbench.calls) > 0 {
		t.Errorf("written although there is no preview: %v", sc.workbench.calls)
	}
}

// Enter that is pressed while the preview waits for another action is not lost: it writes, or asks, when the preview
// is there. Any other key takes it back.
func TestExportEnterEarly(t *testing.T) {
	for _, c := range []struct {
		name    string
		verdict trial.Answer
		failed  bool // the preview
		keys    string
		asks    string
		want    string
	}{
		{"pass", trial.Pass, false, "enter", "", "export 0"},
		{"fail", trial.Fail, false, "enter", "FAIL now: export anyway?", ""},
		{"typed after it", trial.Pass, false, "enter tab", "", ""},
		{"typed before it", trial.Pass, false, "tab tab x enter", "", "export 0 to x"},
		{"closed", trial.Pass, false, "enter esc", "", ""},
		{"no preview", trial.Pass, true, "enter", "no folder out", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			sc := newScreen(t, 80, 24, serving())
			sc.workbench.exported.Verdict = trial.Verdict{Result: c.verdict, ValueMS: trial.NumOf(30)}
			if c.failed {
				sc.workbench.previewErr = errors.New("no folder out")
			}
			_, preview := sc.Update(keyOf("e"))
			sc.press(strings.Fields(c.keys)...)
			if c.keys == "enter" {
				sc.requireFrame("writes it when the preview is made")
			}
			sc.send(preview())
			if c.asks != "" {
				sc.requireFrame(c.asks)
			}
			if got := strings.Join(sc.workbench.calls, "; "); got != c.want {
				t.Errorf("actions %q, want %q", got, c.want)
			}
		})
	}
}

// A file whose preview is old is written by the verdict of now: live traffic that passed may fail since.
func TestExportOldPreview(t *testing.T) {
	for _, c := range []struct {
		age  time.Duration
		asks bool
	}{{4 * time.Second, false}, {6 * time.Second, true}} {
		sc := newScreen(t, 80, 24, serving())
		sc.press("e")
		sc.workbench.exported.Verdict = trial.Verdict{Result: trial.Fail, ValueMS: trial.NumOf(30)}
		sc.clock = sc.clock.Add(c.age)
		sc.send(tickMsg{})
		sc.press("enter")
		if written := len(sc.workbench.calls) > 0; written == c.asks {
			t.Errorf("after %v: calls %q", c.age, sc.workbench.calls)
		}
		if c.asks {
			sc.requireFrame("FAIL now: export anyway?")
		}
	}
}

// The size of the terminal changes many times while a sweep runs, in every view and dialog.
func TestResizeStorm(t *testing.T) {
	r := random{rand.New(rand.NewPCG(3, 5))}
	for _, keys := range []string{"2", "2 b", "2 b b", "3", "3 tab", "3 tab tab", "4", "4 v", "e", "s", "2 /", "?"} {
		sc := newScreen(t, 200, 60, predicting())
		if keys == "s" {
			sc = newScreen(t, 200, 60, serving())
		}
		withProfiles(3, 3, 2)(sc)
		sc.ProfileDir = ""
		sc.press(strings.Fields(keys)...)
		for i := range 40 {
			w, h := 1+r.IntN(200), 1+r.IntN(60)
			if i == 39 {
				w, h = 120, 36
			}
			sc.send(tea.WindowSizeMsg{Width: w, Height: h})
			requireExactSize(t, sc, w, h, keys)
			sc.send(tickMsg{})
		}
		want := newScreen(t, 120, 36, sc.workbench.snap)
		withProfiles(3, 3, 2)(want)
		want.ProfileDir = ""
		want.press(strings.Fields(keys)...)
		sc.notice, want.notice = notice{}, notice{}
		if got := sc.plainFrame(); got != want.plainFrame() {
			t.Errorf("%s: the last frame differs from a fresh one:\n%s", keys, got)
		}
	}
}

// A provisional pass is not drawn or counted as a pass.
func TestProvisionalPassIsUndecided(t *testing.T) {
	s := predicting()
	w := *s.Sweep
	w.Trials = append([]trial.Trial(nil), w.Trials[3])
	w.Trials[0].Verdict.Result, w.Trials[0].Verdict.Leaning, w.Best = trial.Undecided, trial.Pass, 0
	s.Sweep = &w
	sc := newScreen(t, 120, 36, s)
	sc.press("3")
	sc.requireFrame("pass 0  FAIL 0  ? 1", "pass?")
	if p := chartPoint(&sc.points[0], false); p.Verdict != chart.Undecided || p.Best || !sc.points[0].frontier {
		t.Errorf("drawn as %+v", p)
	}
}

// The keys of the Frontier view move the selection, the slice of the map, its figure and the panel.
func TestFrontierKeys(t *testing.T) {
	sc := newScreen(t, 80, 24, repeated())
	sc.press("3")
	all := pointSlices(sc.points)
	slice := func() int { return slices.Index(all, sliceOf(sc.selectedPoint().settings)) }
	if len(all) != 2 || slice() != 0 {
		t.Fatalf("%d slices, the first point is in slice %d", len(all), slice())
	}
	sc.press("right")
	if slice() != 1 || sc.selectedPoint().measured() {
		t.Errorf("right selects slice %d, measured %v", slice(), sc.selectedPoint().measured())
	}
	sc.press("right")
	if slice() != 0 || sc.selectedPoint().label != "A" {
		t.Errorf("a second right selects slice %d, point %s", slice(), sc.selectedPoint().label)
	}
	sc.press("left", "tab")
	sc.requireFrame("delay 20 ms · FP16 off  slice 2 of 2", "P99 ms, workers x batch")
	sc.press("v")
	sc.requireFrame("requests/s, workers x batch")
	sc.press("v", "v")
	sc.requireFrame("P99 ms, workers x batch")
	sc.press("end")
	last := sc.selectedPointIndex(sc.points)
	sc.press("down", "pgup")
	if got := sc.selectedPointIndex(sc.points); last != len(sc.points)-1 || got != last-10 {
		t.Errorf("end selects %d of %d, then down and pgup %d", last, len(sc.points), got)
	}
	sc.press("home", "down", "enter")
	if sc.view != liveView || !strings.Contains(sc.status(), "the settings of B are yours already") {
		t.Errorf("enter: view %d, status %q", sc.view, sc.status())
	}
	empty := newScreen(t, 80, 24, serving())
	empty.press("3", "down", "right", "v", "enter", "R", "e")
	if len(empty.workbench.calls) > 0 || empty.dialog != nil || !strings.Contains(empty.status(), "s starts a sweep") {
		t.Errorf("without a sweep: actions %v, status %q", empty.workbench.calls, empty.status())
	}
}

// The filter of the Sweep view shows the rows with all its words; the keys work on them.
func TestFilterTrials(t *testing.T) {
	sc := newScreen(t, 120, 36, swept())
	sc.press("2", "/", "b", "8", "space")
	sc.send(tea.PasteMsg{Content: "FAIL"})
	if rows := sc.rows(); len(rows) != 1 || rows[0].N != 7 {
		t.Errorf("%d rows", len(rows))
	}
	sc.requireFrame("1 of 7 rows")
	sc.press("enter", "down", "enter")
	if got := sc.pending[knob.Workers]; got != "4" {
		t.Errorf("pending workers %q, want those of the only row", got)
	}
	sc.press("2", "/", "x", "enter", "enter", "e")
	sc.requireFrame("no row matches", "no row matches the filter: / changes it")
	sc.press("/", "esc")
	if rows := sc.rows(); len(rows) != 7 {
		t.Errorf("%d rows after esc", len(rows))
	}
}

// Before the first trial of a sweep the chart has the predictions, and the table says what is being done.
func TestBeforeTheFirstTrial(t *testing.T) {
	s := predicting()
	w := *s.Sweep
	w.Trials, w.Best = nil, -1
	s.Sweep = &w
	sc := newScreen(t, 80, 24, s)
	sc.press("2", "b", "b")
	sc.requireFrame("against throughput", "predicted, not corrected yet")
	sc.press("b", "R")
	if want := "no trial has ended yet"; sc.status() != want {
		t.Errorf("status %q, want %q", sc.status(), want)
	}
}
