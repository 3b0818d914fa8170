package tui

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// fakeWorkbench returns a snapshot and records the calls of its other methods.
type fakeWorkbench struct {
	snap  *session.Snapshot
	calls []string
	err   error    // the result of every call
	path  string   // of an export
	notes []string // of an export

	plan        plan.Plan // of the last StartSweep
	predictions []search.Prediction
	live        trial.Trial
	exported    session.Exported // its text and its verdict
	previewErr  error
}

func (f *fakeWorkbench) Snapshot() *session.Snapshot { return f.snap }

func (f *fakeWorkbench) record(format string, args ...any) error {
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	return f.err
}

func (f *fakeWorkbench) Apply(to knob.Settings) error { return f.record("apply %v", to) }
func (f *fakeWorkbench) Undo() error                  { return f.record("undo") }
func (f *fakeWorkbench) Redo() error                  { return f.record("redo") }
func (f *fakeWorkbench) SetLoad(l load.Spec) error    { return f.record("load %v", l) }
func (f *fakeWorkbench) HoldLoad(hold bool) error     { return f.record("hold %v", hold) }
func (f *fakeWorkbench) StartSweep(p plan.Plan) error {
	f.plan = p
	return f.record("sweep %v, %v, %v", p.SLA, p.Loads[0], p.Budget.Time)
}

func (f *fakeWorkbench) Measure(s knob.Settings, l load.Spec) error {
	return f.record("measure %v, %v", s, l)
}

func (f *fakeWorkbench) LiveTrial() (trial.Trial, error) { return f.live, f.err }

func (f *fakeWorkbench) WhatIf(l load.Spec) ([]search.Prediction, error) {
	return f.predictions, f.record("what if %v", l)
}

func (f *fakeWorkbench) PauseSweep(pause bool) error { return f.record("pause %v", pause) }
func (f *fakeWorkbench) AbortSweep() error           { return f.record("abort") }
func (f *fakeWorkbench) Restart() error              { return f.record("restart") }
func (f *fakeWorkbench) Record(on bool) error        { return f.record("record %v", on) }
func (f *fakeWorkbench) Bare() error                 { return f.record("bare") }
func (f *fakeWorkbench) Operators() error            { return f.record("operators") }

// Export returns the export of the fake. The calls of previews are not recorded.
func (f *fakeWorkbench) Export(o session.ExportOptions) (session.Exported, error) {
	out := f.exported
	out.Formats, out.Format = []string{"config.properties", "json"}, "config.properties"
	if o.Format != "" {
		out.Format = o.Format
	}
	out.Path, out.Notes, out.Written = f.path, f.notes, !o.Preview
	if o.Path != "" {
		out.Path = o.Path
	}
	if o.Preview {
		return out, f.previewErr
	}
	text := fmt.Sprintf("export %d", o.Trial)
	if o.Settings != nil {
		text = fmt.Sprintf("export %v", *o.Settings)
	}
	if o.Profile != "" {
		text = "export of " + filepath.Base(o.Profile)
	}
	if o.Path != "" {
		text += " to " + o.Path
	}
	if o.Overwrite {
		text += ", overwriting"
	}
	return out, f.record("%s", text)
}

// screen is a model with its workbench and its clock.
type screen struct {
	*model
	t         *testing.T
	workbench *fakeWorkbench
	clock     time.Time
}

var epoch = time.Date(2026, 11, 22, 14, 2, 11, 0, time.UTC)

func newScreen(t *testing.T, w, h int, s *session.Snapshot) *screen {
	sc := &screen{t: t, workbench: &fakeWorkbench{snap: s, path: "out/config.properties"}, clock: epoch}
	sc.workbench.exported = session.Exported{
		Text: "# settings of mlp-wide\nmodels={\\\n  \"batchSize\": 8\n}\n", Source: "trial 5", Verdict: trial.Verdict{Result: trial.Pass},
	}
	sc.model = newModel(Deps{Workbench: sc.workbench, Now: func() time.Time { return sc.clock }})
	sc.send(tea.WindowSizeMsg{Width: w, Height: h})
	return sc
}

// send updates the model with a message and runs the resulting actions. It returns the
// message of any other command.
func (sc *screen) send(msg tea.Msg) tea.Msg {
	sc.t.Helper()
	for {
		_, cmd := sc.Update(msg)
		if cmd == nil {
			return nil
		}
		if _, tick := msg.(tickMsg); tick {
			return nil
		}
		if msg = cmd(); msg == nil {
			return nil
		}
		if _, done := msg.(actionDoneMsg); !done {
			return msg
		}
	}
}

// show changes a copy of the snapshot and polls it.
func (sc *screen) show(change func(s *session.Snapshot)) {
	s := *sc.workbench.snap
	change(&s)
	sc.workbench.snap = &s
	sc.send(tickMsg{})
}

// press sends keys by name and returns the message of the last one's command.
func (sc *screen) press(names ...string) (last tea.Msg) {
	sc.t.Helper()
	for _, n := range names {
		last = sc.send(keyOf(n))
	}
	return last
}

func keyOf(name string) tea.KeyPressMsg {
	codes := map[string]rune{
		"up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft, "right": tea.KeyRight, "enter": tea.KeyEnter,
		"esc": tea.KeyEscape, "tab": tea.KeyTab, "space": tea.KeySpace, "backspace": tea.KeyBackspace,
		"pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "home": tea.KeyHome, "end": tea.KeyEnd,
	}
	switch {
	case codes[name] != 0:
		return tea.KeyPressMsg{Code: codes[name]}
	case len(name) > 6 && name[:6] == "shift+":
		return tea.KeyPressMsg{Code: codes[name[6:]], Mod: tea.ModShift}
	case len(name) > 5 && name[:5] == "ctrl+":
		return tea.KeyPressMsg{Code: rune(name[5]), Mod: tea.ModCtrl}
	}
	return tea.KeyPressMsg{Code: []rune(name)[0], Text: name}
}

// plainFrame is the screen without colours.
func (sc *screen) plainFrame() string { return sc.frame().render(&theme{}, sc.ASCII) }

func (sc *screen) status() string { return sc.notice.Text }

// starting is the first snapshot of a session.
func starting() *session.Snapshot {
	p := plan.Default()
	p.SLA = trial.SLA{Percentile: 99, Limit: 20 * time.Millisecond}
	return &session.Snapshot{
		Plan: p, At: epoch, SLA: trial.SLA{Percentile: 99, Limit: 20 * time.Millisecond}, LoadOn: true,
		Load: load.Spec{Concurrency: 10}, Settings: knob.Default(knob.TorchServe),
	}
}

// serving is live traffic that passes the SLA, at batch size 8 after two changes.
func serving() *session.Snapshot {
	s := starting()
	s.Phase = session.Serving
	s.Info = sweep.Info{
		Model: sweep.ModelInfo{Name: "mlp-wide"}, Runtime: "onnxruntime cpu", Cores: 2,
		Options: knob.Options{Rule: knob.TorchServe}, Limits: knob.Limits{Rule: knob.TorchServe, Cores: 2, BatchAxis: true}, Metrics: trial.AllMetrics(),
		Fixed: map[knob.Name]string{knob.FP16: "the engine cannot convert models to FP16"},
	}
	before := s.Settings
	before.BatchDelay = 5 * time.Millisecond
	s.Settings = before
	s.Settings.BatchSize = 8
	s.Info.Current = s.Settings
	s.Changes = []session.Change{
		{N: 1, At: epoch.Add(-58 * time.Second), From: knob.Default(knob.TorchServe), To: before, Took: 3 * time.Millisecond},
		{N: 2, At: epoch.Add(-30 * time.Second), From: before, To: s.Settings, Took: 12 * time.Millisecond},
	}
	s.Baseline, s.Undoable = knob.Default(knob.TorchServe), 2
	s.Messages = []session.Message{
		{At: epoch.Add(-90 * time.Second), Text: "serving mlp-wide: batch axis found by running"},
		{At: epoch.Add(-30 * time.Second), Text: "applied A2: batch size 1 to 8 (12ms)"},
	}
	s.Live = traffic(90, 60, 47, 15.2, 208, 640)
	s.Live.Batch = trial.NumOf(5.9)
	s.Internals.Bare = &trial.Bare{Settings: s.Settings, RPS: trial.NumOf(752)}
	s.Live.Verdict = trial.Verdict{Result: trial.Pass, Percentile: 99, LimitMS: 20, ValueMS: trial.NumOf(15.2), LowMS: trial.NumOf(14.8), HighMS: trial.NumOf(15.9)}
	return s
}

// traffic is n seconds. The first ones have P99 p99A and throughput rateA, the others
// p99B and rateB.
func traffic(n, first int, p99A, p99B, rateA, rateB float64) session.Live {
	l := session.Live{
		Window: time.Second, Answers: int(rateB), P50: trial.NumOf(p99B / 2), P99: trial.NumOf(p99B), RPS: trial.NumOf(rateB),
		Totals: trial.Counts{Sent: 31720, OK: 31720},
		Use:    trial.ResourceUse{CPUPercent: trial.NumOf(171), RSSMB: trial.NumOf(412), GPU: trial.GPUUse{Reason: "no NVML library"}},
	}
	for i := range n {
		p99, rate := p99A, rateA
		if i >= first {
			p99, rate = p99B, rateB
		}
		wave := math.Sin(float64(i) / 3)
		l.Seconds = append(l.Seconds, session.Second{
			At: epoch.Add(time.Duration(i-n+1) * time.Second), Window: time.Second,
			P50: trial.NumOf(p99 / 2), P99: trial.NumOf(p99 * (1 + wave/15)), OK: int(rate * (1 - wave/20)), CPU: trial.NumOf(165 + 9*wave),
		})
	}
	return l
}

// failing is live traffic at batch size 1 that fails the SLA.
func failing() *session.Snapshot {
	s := serving()
	s.Settings, s.Changes, s.Undoable = s.Changes[1].From, s.Changes[:1], 1
	s.Messages = s.Messages[:1]
	s.Live = traffic(90, 0, 47, 47, 208, 208)
	s.Live.Batch = trial.NumOf(1)
	s.Live.Totals = trial.Counts{Sent: 18733, OK: 18720, Refused: 10, Failed: 2, Timeout: 1}
	s.Live.Seconds[89].Errors, s.Live.Errors = 13, 13
	s.Live.Verdict = trial.Verdict{Result: trial.Fail, Percentile: 99, LimitMS: 20, ValueMS: trial.NumOf(47)}
	return s
}

// justChanged is live traffic soon after a change.
func justChanged() *session.Snapshot {
	s := serving()
	s.Live.Transient = true
	s.Live.Answers = 412
	return s
}

func down() *session.Snapshot {
	s := serving()
	s.Phase = session.Down
	s.Problem = "the engine exited: signal: killed\nlast lines of its log:\nonnxruntime: cannot allocate 412 MB\nonnxruntime: giving up"
	s.Messages = append(slices.Clip(s.Messages), session.Message{At: epoch, Level: session.Error, Text: s.Problem})
	return s
}

// withGPU is serving on a GPU with all its values.
func withGPU() *session.Snapshot {
	s := serving()
	throttled := true
	s.Live.Use.GPU = trial.GPUUse{
		PercentMean: trial.NumOf(83), MemoryMB: trial.NumOf(7578), PowerW: trial.NumOf(131), SMMHz: trial.NumOf(1590), Throttled: &throttled,
	}
	for i := range s.Live.Seconds {
		s.Live.Seconds[i].GPU = trial.NumOf(60 + 23*math.Min(1, float64(i)/60))
	}
	s.Info.Fixed = nil
	return s
}

// withGPUs is serving on two GPUs, of which one is throttled.
func withGPUs() *session.Snapshot {
	s := withGPU()
	g := &s.Live.Use.GPU
	g.Throttle = []string{"power cap"}
	g.Each = []trial.GPUShare{{PercentMean: trial.NumOf(83), MemoryMB: trial.NumOf(7578)}, {PercentMean: trial.NumOf(79), MemoryMB: trial.NumOf(7310)}}
	return s
}

func newTrial(n, workers, batch int, p99, rps float64, r trial.Answer) trial.Trial {
	s := knob.Default(knob.TorchServe)
	s.Workers, s.BatchSize, s.BatchDelay = workers, batch, 5*time.Millisecond
	t := trial.Trial{N: n, At: epoch, Settings: s, Load: load.Spec{Concurrency: 10}}
	est := func(v float64) trial.Estimate {
		return trial.Estimate{Value: trial.NumOf(v), Low: trial.NumOf(v * .97), High: trial.NumOf(v * 1.04)}
	}
	t.Latency = trial.Latencies{P50: est(p99 * .6), P95: est(p99 * .9), P99: est(p99)}
	t.Throughput = est(rps)
	t.Model.P99 = trial.NumOf(p99 * .4)
	t.Counts = trial.Counts{Sent: int(rps * 12), OK: int(rps * 12)}
	t.Batches.Mean = trial.NumOf(float64(batch) * .7)
	t.Breakdown = trial.Breakdown{Decode: trial.NumOf(.02), Queue: trial.NumOf(p99 * .3), Formation: trial.NumOf(.4), Execution: trial.NumOf(p99 * .35), Encode: trial.NumOf(.03)}
	t.Use = trial.ResourceUse{CPUPercent: trial.NumOf(171), RSSMB: trial.NumOf(412)}
	t.Verdict = trial.Verdict{Result: r, Percentile: 99, LimitMS: 20, ValueMS: trial.NumOf(p99), Why: "certain after 2210 requests"}
	if r == trial.Undecided {
		t.Verdict.Why = "2210 of the 2994 requests that a pass takes"
	}
	return t
}

// sweeping is a running sweep, in trial 8 of 24.
func sweeping() *session.Snapshot {
	s := serving()
	s.Phase = session.Sweeping
	p := plan.Default()
	p.SLA = s.SLA
	w := &session.Sweep{
		State: session.Running, ID: "20261122T140211Z-7f3a", Path: "profiles/20261122T140211Z-7f3a.jsonl", Plan: p,
		Total: 24, Elapsed: 83 * time.Second, ETA: 185 * time.Second, Best: 4, Unconfirmed: -1,
		Skipped: []trial.Skip{{Settings: s.Settings, Reason: "batch above concurrency"}, {}, {}},
		Trials: []trial.Trial{
			newTrial(1, 1, 1, 47, 208, trial.Fail), newTrial(2, 1, 2, 31, 330, trial.Fail), newTrial(3, 1, 4, 19.9, 470, trial.Undecided),
			newTrial(4, 1, 8, 16.1, 610, trial.Pass), newTrial(5, 2, 8, 15.2, 640, trial.Pass), newTrial(6, 2, 16, 22.4, 655, trial.Fail),
			newTrial(7, 4, 8, 61.3, 380, trial.Fail),
		},
	}
	w.Trials[6].Warnings = []trial.Warning{{Text: "the server's threads outnumber its cores"}}
	next := newTrial(8, 4, 16, 0, 0, trial.Undecided)
	w.Current = &sweep.Current{
		N: 8, Point: plan.Point{Settings: next.Settings, Load: next.Load}, Stage: sweep.StageMeasure,
		Elapsed: 6100 * time.Millisecond, Answers: 3812, RPS: trial.NumOf(621), P99MS: trial.NumOf(24.9),
	}
	s.Sweep = w
	return s
}

// swept is serving after a sweep.
func swept() *session.Snapshot {
	s := sweeping()
	s.Phase = session.Serving
	w := *s.Sweep
	w.State, w.Current, w.ETA, w.Total = session.Done, nil, 0, 7
	w.Trials[4].Role = trial.RoleValidation
	w.Choice = &trial.Choice{N: 5, Settings: w.Trials[4].Settings, Why: trial.Explanation{Text: "execution limits; batches were 70% full"}}
	s.Sweep = &w
	return s
}

// failedSweep is a sweep that could not write its profile.
func failedSweep() *session.Snapshot {
	s := swept()
	w := *s.Sweep
	w.State, w.Problem, w.Choice, w.Best = session.Failed, "the profile could not be written: no space left on device", nil, -1
	w.Trials = []trial.Trial{{N: 1, Settings: s.Settings, Result: trial.Result{Error: "connection refused"}}}
	s.Sweep = &w
	return s
}

var errRefused = errors.New("the engine refuses it")
