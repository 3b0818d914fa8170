package tui

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// bench is a workbench that shows what a test gives it and notes what it is
// asked to do.
type bench struct {
	snap   *session.Snapshot
	calls  []string
	refuse error // every verb's answer
	path   string
	notes  []string // of an export
}

func (b *bench) Snapshot() *session.Snapshot { return b.snap }

func (b *bench) note(format string, args ...any) error {
	b.calls = append(b.calls, fmt.Sprintf(format, args...))
	return b.refuse
}

func (b *bench) Apply(to knob.Settings) error { return b.note("apply %v", to) }
func (b *bench) Undo() error                  { return b.note("undo") }
func (b *bench) SetLoad(l load.Spec) error    { return b.note("load %v", l) }
func (b *bench) HoldLoad(hold bool) error     { return b.note("hold %v", hold) }
func (b *bench) StartSweep() error            { return b.note("sweep") }
func (b *bench) PauseSweep(pause bool) error  { return b.note("pause %v", pause) }
func (b *bench) AbortSweep() error            { return b.note("abort") }
func (b *bench) Restart() error               { return b.note("restart") }
func (b *bench) Record(on bool) error         { return b.note("record %v", on) }
func (b *bench) Export(n int) (session.Exported, error) {
	return session.Exported{Path: b.path, Notes: b.notes}, b.note("export %d", n)
}

// screen is a model under test with its workbench and clock.
type screen struct {
	*model
	t     *testing.T
	bench *bench
	clock time.Time
}

var epoch = time.Date(2026, 11, 22, 14, 2, 11, 0, time.UTC)

func newScreen(t *testing.T, w, h int, s *session.Snapshot) *screen {
	sc := &screen{t: t, bench: &bench{snap: s, path: "out/config.properties"}, clock: epoch}
	sc.model = newModel(Deps{Bench: sc.bench, Now: func() time.Time { return sc.clock }})
	sc.send(tea.WindowSizeMsg{Width: w, Height: h})
	return sc
}

// send gives a message to the model and runs the verbs it leads to.
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
		if _, done := msg.(doneMsg); !done {
			return msg
		}
	}
}

// show changes the snapshot by a copy and lets the screen look.
func (sc *screen) show(change func(s *session.Snapshot)) {
	s := *sc.bench.snap
	change(&s)
	sc.bench.snap = &s
	sc.send(tickMsg{})
}

// press types keys by name and returns what the last one led to.
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

// plainFrame is the frame without colours.
func (sc *screen) plainFrame() string { return sc.frame().render(&theme{}, sc.ASCII) }

func (sc *screen) status() string { return sc.toast.Text }

// The scripted snapshots.

func starting() *session.Snapshot {
	return &session.Snapshot{
		At: epoch, SLA: trial.SLA{Percentile: 99, Limit: 20 * time.Millisecond}, LoadOn: true,
		Load: load.Spec{Concurrency: 10}, Settings: knob.Default(knob.TorchServe),
	}
}

// serving has traffic at batch size 8 within the SLA, after two changes.
func serving() *session.Snapshot {
	s := starting()
	s.Phase = session.Serving
	s.Info = sweep.Info{
		Model: sweep.ModelInfo{Name: "mlp-wide"}, Runtime: "onnxruntime cpu", Cores: 2,
		Limits: knob.Limits{Cores: 2, BatchAxis: true}, Metrics: trial.AllMetrics(),
		Fixed: map[knob.Name]string{knob.FP16: "the engine makes no fp16 twins of models yet"},
	}
	before := s.Settings
	before.BatchDelay = 5 * time.Millisecond
	s.Settings = before
	s.Settings.BatchSize = 8
	s.Changes = []session.Change{
		{N: 1, At: epoch.Add(-58 * time.Second), From: knob.Default(knob.TorchServe), To: before, Took: 3 * time.Millisecond},
		{N: 2, At: epoch.Add(-30 * time.Second), From: before, To: s.Settings, Took: 12 * time.Millisecond},
	}
	s.Messages = []session.Message{
		{At: epoch.Add(-90 * time.Second), Text: "serving mlp-wide: batch axis found by running"},
		{At: epoch.Add(-30 * time.Second), Text: "applied A2: batch size 1 to 8 (12ms)"},
	}
	s.Live = traffic(90, 60, 47, 15.2, 208, 640)
	s.Live.Batch = trial.NumOf(5.9)
	s.Inside.Bare = &trial.Bare{Settings: s.Settings, RPS: trial.NumOf(752)}
	s.Live.Verdict = trial.Verdict{Result: trial.Pass, Percentile: 99, LimitMS: 20, ValueMS: trial.NumOf(15.2), LowMS: trial.NumOf(14.8), HighMS: trial.NumOf(15.9)}
	return s
}

// traffic is n seconds, the first of which have one P99 and rate and the rest
// another.
func traffic(n, first int, p99a, p99b, rateA, rateB float64) session.Live {
	l := session.Live{
		Window: time.Second, Answers: int(rateB), P50: trial.NumOf(p99b / 2), P99: trial.NumOf(p99b), RPS: trial.NumOf(rateB),
		Totals: trial.Counts{Sent: 31720, OK: 31720},
		Use:    trial.ResourceUse{CPUPercent: trial.NumOf(171), RSSMB: trial.NumOf(412), GPU: trial.GPUUse{Reason: "no NVML library"}},
	}
	for i := range n {
		p99, rate := p99a, rateA
		if i >= first {
			p99, rate = p99b, rateB
		}
		wave := math.Sin(float64(i) / 3)
		l.Seconds = append(l.Seconds, session.Second{
			At: epoch.Add(time.Duration(i-n+1) * time.Second), Window: time.Second,
			P50: trial.NumOf(p99 / 2), P99: trial.NumOf(p99 * (1 + wave/15)), OK: int(rate * (1 - wave/20)), CPU: trial.NumOf(165 + 9*wave),
		})
	}
	return l
}

func failing() *session.Snapshot {
	s := serving()
	s.Settings, s.Changes = s.Changes[1].From, s.Changes[:1]
	s.Messages = s.Messages[:1]
	s.Live = traffic(90, 0, 47, 47, 208, 208)
	s.Live.Batch = trial.NumOf(1)
	s.Live.Totals = trial.Counts{Sent: 18733, OK: 18720, Refused: 10, Failed: 2, Timeout: 1}
	s.Live.Seconds[89].Errors = 13
	s.Live.Verdict = trial.Verdict{Result: trial.Fail, Percentile: 99, LimitMS: 20, ValueMS: trial.NumOf(47)}
	return s
}

func settling() *session.Snapshot {
	s := serving()
	s.Live.Settling = true
	s.Live.Answers = 412
	return s
}

func down() *session.Snapshot {
	s := serving()
	s.Phase = session.Down
	s.Problem = "the engine exited: signal: killed\nlast lines of its log:\nonnxruntime: cannot allocate 412 MB\nonnxruntime: giving up"
	s.Messages = append(slices.Clip(s.Messages), session.Message{At: epoch, Level: session.Trouble, Text: s.Problem})
	return s
}

// withGPU is serving beside a device with all its figures.
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

func aTrial(n, workers, batch int, p99, rps float64, r trial.Answer) trial.Trial {
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
	return t
}

// sweepingNow measures trial 8 of 24.
func sweepingNow() *session.Snapshot {
	s := serving()
	s.Phase = session.Sweeping
	p := plan.Default()
	p.SLA = s.SLA
	w := &session.Sweep{
		State: session.Running, ID: "20261122T140211Z-7f3a", Path: "profiles/20261122T140211Z-7f3a.jsonl", Plan: p,
		Total: 24, Elapsed: 83 * time.Second, ETA: 185 * time.Second, Best: 4,
		Skipped: []trial.Skip{{Settings: s.Settings, Reason: "batch above concurrency"}, {}, {}},
		Trials: []trial.Trial{
			aTrial(1, 1, 1, 47, 208, trial.Fail), aTrial(2, 1, 2, 31, 330, trial.Fail), aTrial(3, 1, 4, 19.9, 470, trial.Undecided),
			aTrial(4, 1, 8, 16.1, 610, trial.Pass), aTrial(5, 2, 8, 15.2, 640, trial.Pass), aTrial(6, 2, 16, 22.4, 655, trial.Fail),
			aTrial(7, 4, 8, 61.3, 380, trial.Fail),
		},
	}
	w.Trials[6].Warnings = []trial.Warning{{Text: "the server's threads outnumber its cores"}}
	next := aTrial(8, 4, 16, 0, 0, trial.Undecided)
	w.Current = &sweep.Current{
		N: 8, Point: plan.Point{Settings: next.Settings, Load: next.Load}, Stage: sweep.StageMeasure,
		Elapsed: 6100 * time.Millisecond, Answers: 3812, RPS: trial.NumOf(621), P99MS: trial.NumOf(24.9),
	}
	s.Sweep = w
	return s
}

func swept() *session.Snapshot {
	s := sweepingNow()
	s.Phase = session.Serving
	w := *s.Sweep
	w.State, w.Current, w.ETA, w.Total = session.Done, nil, 0, 7
	w.Trials[4].Role = trial.RoleValidation
	w.Choice = &trial.Choice{N: 5, Settings: w.Trials[4].Settings, Why: trial.Explanation{Text: "execution limits; batches were 70% full"}}
	s.Sweep = &w
	return s
}

func broken() *session.Snapshot {
	s := swept()
	w := *s.Sweep
	w.State, w.Problem, w.Choice, w.Best = session.Failed, "the profile could not be written: no space left on device", nil, -1
	w.Trials = []trial.Trial{{N: 1, Settings: s.Settings, Result: trial.Result{Error: "connection refused"}}}
	s.Sweep = &w
	return s
}

var errRefused = errors.New("the engine says no")
