package tui

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// exact fails unless the frame is h lines of w cells.
func exact(t *testing.T, sc *screen, w, h int, what string) {
	t.Helper()
	lines := strings.Split(sc.View().Content, "\n")
	if len(lines) != h {
		t.Fatalf("%s: %d lines at %dx%d", what, len(lines), w, h)
	}
	for i, l := range lines {
		if got := ansi.StringWidth(l); got != w {
			t.Fatalf("%s: line %d is %d cells at %dx%d: %q", what, i, got, w, h, ansi.Strip(l))
		}
		if sc.ASCII && strings.IndexFunc(l, func(r rune) bool { return r >= 0x80 }) >= 0 {
			t.Fatalf("%s: line %d is not ASCII: %q", what, i, l)
		}
	}
}

// chance makes snapshots as odd as the types allow.
type chance struct{ *rand.Rand }

func (c chance) num() trial.Num {
	switch c.IntN(6) {
	case 0:
		return trial.Num{}
	case 1:
		return trial.NumOf(0)
	case 2:
		return trial.NumOf(math.Pow(10, c.Float64()*24-6))
	case 3:
		return trial.NumOf(-c.ExpFloat64() * 100)
	}
	return trial.NumOf(c.ExpFloat64() * 40)
}

func (c chance) estimate() trial.Estimate {
	return trial.Estimate{Value: c.num(), Low: c.num(), High: c.num()}
}

func (c chance) text() string {
	return []string{
		"", "ok", "a reason\nof two lines", "模型がありません", "tab\tand \x1b[31mcolour", "n\u0303o e\u0301 👩‍🔧 ก\u0e33",
		strings.Repeat("long ", 80), strings.Repeat("x", 300), "profiles/20261122T140211Z-7f3a.jsonl",
	}[c.IntN(9)]
}

func (c chance) count() int { return []int{0, 1, 7, 12345, 1 << 40, -3}[c.IntN(6)] }

func (c chance) settings() knob.Settings {
	return knob.Settings{
		Workers: 1 + c.IntN(256), BatchSize: 1 + c.IntN(1024), BatchDelay: time.Duration(c.IntN(60001)) * time.Millisecond,
		Precision: knob.Precision(c.IntN(2)), Device: []string{"cpu", "gpu", "gpu:GPU-8f1c2a3e-0b7d"}[c.IntN(3)],
		Threads: c.IntN(64), QueueSize: c.IntN(1000001),
	}
}

func (c chance) load() load.Spec {
	return []load.Spec{
		{Concurrency: 10},
		{Matched: true},
		{Mode: load.Open, Rate: 1e6 * c.Float64()},
		{Mode: load.Open, Rate: 50, Arrivals: load.Constant},
		{Mode: load.Trace, File: c.text()},
	}[c.IntN(5)]
}

func (c chance) counts() trial.Counts {
	return trial.Counts{Sent: c.count(), OK: c.count(), Refused: c.count(), Failed: c.count(), Timeout: c.count(), Late: c.count()}
}

func (c chance) verdict() trial.Verdict {
	return trial.Verdict{Result: trial.Answer(c.IntN(3)), ValueMS: c.num(), LowMS: c.num(), HighMS: c.num(), ErrorRate: c.Float64(), Why: c.text()}
}

func (c chance) use() trial.ResourceUse {
	throttled := c.IntN(2) == 0
	return trial.ResourceUse{CPUPercent: c.num(), RSSMB: c.num(), GPU: trial.GPUUse{
		PercentMean: c.num(), MemoryMB: c.num(), PowerW: c.num(), SMMHz: c.num(), Throttled: &throttled, Reason: c.text(),
	}}
}

func (c chance) trial(n int) trial.Trial {
	t := trial.Trial{N: n, Settings: c.settings(), Load: c.load()}
	t.Latency = trial.Latencies{Max: c.num(), P50: c.estimate(), P95: c.estimate(), P99: c.estimate()}
	t.Throughput, t.Verdict, t.Counts, t.Use = c.estimate(), c.verdict(), c.counts(), c.use()
	t.Model.P99, t.Batches.Mean = c.num(), c.num()
	t.Breakdown = trial.Breakdown{Decode: c.num(), Queue: c.num(), Formation: c.num(), Execution: c.num(), Encode: c.num()}
	t.Warnings = []trial.Warning{{Text: c.text()}, {Text: c.text()}}
	if c.IntN(6) == 0 {
		t.Error = c.text()
	}
	return t
}

func (c chance) sweep() *session.Sweep {
	p := plan.Default()
	if c.IntN(3) == 0 {
		p.Loads = []load.Spec{c.load(), c.load()}
	}
	w := &session.Sweep{
		State: session.SweepState(c.IntN(7)), ID: c.text(), Path: c.text(), Plan: p, Total: c.IntN(200),
		Elapsed: time.Duration(c.Int64N(1e14)), ETA: time.Duration(c.Int64N(1e14)), Best: -1, Problem: c.text(),
	}
	for n := range c.IntN(60) {
		w.Trials = append(w.Trials, c.trial(n+1))
	}
	if len(w.Trials) > 0 {
		w.Best = c.IntN(len(w.Trials)+1) - 1
	}
	if c.IntN(2) == 0 {
		w.Current = &sweep.Current{N: c.count(), Point: plan.Point{Settings: c.settings(), Load: c.load()}, Stage: sweep.StageApply, RPS: c.num(), P99MS: c.num()}
	}
	if c.IntN(2) == 0 {
		w.Choice = &trial.Choice{Why: trial.Explanation{Text: c.text()}}
		w.Skipped = []trial.Skip{{Reason: c.text()}}
	}
	return w
}

func (c chance) snapshot() *session.Snapshot {
	s := &session.Snapshot{
		At: epoch, Phase: session.Phase(c.IntN(4)), Problem: c.text(), LoadOn: c.IntN(3) > 0, Load: c.load(), Settings: c.settings(),
		SLA: trial.SLA{Percentile: []float64{99, 95, 99.9}[c.IntN(3)], Limit: time.Duration(c.Int64N(1e10)), Latency: trial.LatencyKind(c.IntN(2))},
	}
	s.Info = sweep.Info{Model: sweep.ModelInfo{Name: c.text()}, Runtime: c.text(), Cores: c.IntN(200), Limits: knob.Limits{BatchAxis: true, Rule: knob.Rule(c.IntN(2))}}
	if c.IntN(2) == 0 {
		s.Info.Fixed = map[knob.Name]string{knob.FP16: c.text(), knob.Workers: c.text()}
	}
	s.Live = session.Live{
		Window: time.Duration(c.IntN(31)) * time.Second, Answers: c.count(), P50: c.num(), P99: c.num(), ModelP99: c.num(),
		RPS: c.num(), Batch: c.num(), Verdict: c.verdict(), Totals: c.counts(), Use: c.use(), Settling: c.IntN(3) == 0,
	}
	for i := range c.IntN(600) {
		s.Live.Seconds = append(s.Live.Seconds, session.Second{
			At: epoch.Add(time.Duration(i-700+c.IntN(3)) * time.Second), P99: c.num(), ModelP99: c.num(), OK: c.IntN(5000), Errors: c.IntN(5), CPU: c.num(), GPU: c.num(),
		})
	}
	for n := range c.IntN(12) {
		s.Changes = append(s.Changes, session.Change{N: n + 1, At: epoch.Add(-time.Duration(c.IntN(700)) * time.Second), From: c.settings(), To: c.settings(), Took: time.Duration(c.Int64N(1e11))})
	}
	if c.IntN(4) == 0 {
		s.Applying = &session.Applying{To: c.settings(), Since: epoch, Steps: []sweep.Step{{What: c.text()}}}
	}
	for range c.IntN(30) {
		s.Messages = append(s.Messages, session.Message{At: epoch, Level: session.Level(c.IntN(3)), Text: c.text()})
	}
	if c.IntN(3) > 0 {
		s.Sweep = c.sweep()
	}
	return s
}

var allKeys = []string{
	"up", "down", "left", "right", "shift+left", "shift+right", "=", "enter", "esc", "u", "[", "]", "l", "space", "-", "+", "e",
	"s", "p", "X", "R", "pgup", "pgdown", "home", "end", "o", "1", "2", "tab", "!", "?", "M", "q", "y", "n", "7",
}

// Whatever the snapshot, the size and the keys: every line is w cells, there are
// h of them, and nothing panics.
func TestFramesAreExact(t *testing.T) {
	c := chance{rand.New(rand.NewPCG(8, 1))}
	for i := range 250 {
		w, h := 60+c.IntN(141), 16+c.IntN(45)
		if i%10 == 0 {
			w, h = 1+c.IntN(90), 1+c.IntN(30)
		}
		sc := newScreen(t, w, h, c.snapshot())
		sc.ASCII, sc.ReduceMotion = c.IntN(4) == 0, c.IntN(4) == 0
		what := fmt.Sprintf("snapshot %d", i)
		exact(t, sc, w, h, what)
		for range c.IntN(8) {
			k := allKeys[c.IntN(len(allKeys))]
			what += " " + k
			sc.press(k)
			exact(t, sc, w, h, what)
		}
		sc.bench.snap = c.snapshot()
		sc.clock = sc.clock.Add(time.Second)
		sc.send(tickMsg{})
		exact(t, sc, w, h, what+", then another")
		sc.send(tea.MouseClickMsg{X: c.IntN(w), Y: c.IntN(h)})
		w, h = 60+c.IntN(141), 16+c.IntN(45)
		sc.send(tea.WindowSizeMsg{Width: w, Height: h})
		exact(t, sc, w, h, what+", resized")
		Summary(sc.bench.snap)
	}
}

func TestNoSizeIsDrawnAt80x24(t *testing.T) {
	sc := newScreen(t, 0, 0, serving())
	exact(t, sc, 80, 24, "0x0")
}

func TestLayouts(t *testing.T) {
	for w := minWidth; w <= 200; w++ {
		for h := minHeight; h <= 60; h++ {
			if sizeOf(w, h) == tiny {
				continue
			}
			l, s := liveOf(w, h), sweepOf(w, h)
			for _, rects := range [][]rect{{l.knobs, l.load, l.use, l.p99, l.rps, l.busy}, {s.progress, s.trials, s.detail, s.best}} {
				tiles(t, frameOf(w, h).body, rects)
			}
			if l.p99.h < 9 || l.rps.h < 6 || l.busy.h < 6 {
				t.Fatalf("%dx%d: charts of %d, %d and %d rows", w, h, l.p99.h, l.rps.h, l.busy.h)
			}
		}
	}
}

// tiles fails unless the rectangles cover the body once.
func tiles(t *testing.T, body rect, rects []rect) {
	t.Helper()
	area := 0
	for i, a := range rects {
		area += a.w * a.h
		if a.w > 0 && (a.x < body.x || a.y < body.y || a.x+a.w > body.x+body.w || a.y+a.h > body.y+body.h) {
			t.Fatalf("%v leaves the body %v", a, body)
		}
		for _, b := range rects[:i] {
			if a.x < b.x+b.w && b.x < a.x+a.w && a.y < b.y+b.h && b.y < a.y+a.h {
				t.Fatalf("%v and %v overlap", a, b)
			}
		}
	}
	if area != body.w*body.h {
		t.Fatalf("panels cover %d of the body's %d cells: %v", area, body.w*body.h, rects)
	}
}

func BenchmarkView(b *testing.B) {
	for _, size := range []struct{ w, h int }{{80, 24}, {120, 36}} {
		for _, v := range []view{live, sweeps} {
			b.Run(fmt.Sprintf("%s %dx%d", viewNames[v], size.w, size.h), func(b *testing.B) {
				m := newModel(Deps{Bench: &bench{snap: sweepingNow()}, Now: func() time.Time { return epoch }})
				m.resize(size.w, size.h)
				m.view = v
				b.ReportAllocs()
				for b.Loop() {
					m.View()
				}
			})
		}
	}
}
