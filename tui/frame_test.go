package tui

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// requireExactSize fails unless the frame is h lines of w cells.
func requireExactSize(t *testing.T, sc *screen, w, h int, what string) {
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

// random makes snapshots with any values that the types allow.
type random struct{ *rand.Rand }

func (r random) num() trial.Num {
	switch r.IntN(6) {
	case 0:
		return trial.Num{}
	case 1:
		return trial.NumOf(0)
	case 2:
		return trial.NumOf(math.Pow(10, r.Float64()*24-6))
	case 3:
		return trial.NumOf(-r.ExpFloat64() * 100)
	}
	return trial.NumOf(r.ExpFloat64() * 40)
}

func (r random) estimate() trial.Estimate {
	return trial.Estimate{Value: r.num(), Low: r.num(), High: r.num()}
}

func (r random) text() string {
	return []string{
		"", "ok", "a reason\nof two lines", "模型がありません", "tab\tand \x1b[31mcolour", "n\u0303o e\u0301 👩‍🔧 ก\u0e33",
		strings.Repeat("long ", 80), strings.Repeat("x", 300), "profiles/20261122T140211Z-7f3a.jsonl",
	}[r.IntN(9)]
}

func (r random) count() int { return []int{0, 1, 7, 12345, 1 << 40, -3}[r.IntN(6)] }

func (r random) settings() knob.Settings {
	return knob.Settings{
		Workers: 1 + r.IntN(256), BatchSize: 1 + r.IntN(1024), BatchDelay: time.Duration(r.IntN(60001)) * time.Millisecond,
		Precision: knob.Precision(r.IntN(3)), Device: []string{"cpu", "gpu", "gpu:GPU-8f1c2a3e-0b7d"}[r.IntN(3)],
		Threads: r.IntN(64), QueueSize: r.IntN(1000001),
	}
}

func (r random) load() load.Spec {
	return []load.Spec{
		{Concurrency: 10},
		{Matched: true},
		{Mode: load.Open, Rate: 1e6 * r.Float64()},
		{Mode: load.Open, Rate: 50, Arrivals: load.Constant},
		{Mode: load.Trace, File: r.text()},
	}[r.IntN(5)]
}

func (r random) counts() trial.Counts {
	return trial.Counts{Sent: r.count(), OK: r.count(), Refused: r.count(), Failed: r.count(), Timeout: r.count(), Late: r.count()}
}

func (r random) verdict() trial.Verdict {
	return trial.Verdict{Result: trial.Answer(r.IntN(3)), ValueMS: r.num(), LowMS: r.num(), HighMS: r.num(), ErrorRate: r.num(), Why: r.text()}
}

func (r random) use() trial.ResourceUse {
	throttled := r.IntN(2) == 0
	return trial.ResourceUse{CPUPercent: r.num(), RSSMB: r.num(), GPU: trial.GPUUse{
		PercentMean: r.num(), MemoryMB: r.num(), PowerW: r.num(), SMMHz: r.num(), Throttled: &throttled, Reason: r.text(),
	}}
}

func (r random) trial(n int) trial.Trial {
	t := trial.Trial{N: n, Settings: r.settings(), Load: r.load()}
	t.Latency = trial.Latencies{Max: r.num(), P50: r.estimate(), P95: r.estimate(), P99: r.estimate()}
	t.Throughput, t.Verdict, t.Counts, t.Use = r.estimate(), r.verdict(), r.counts(), r.use()
	t.Model.P99, t.Batches.Mean = r.num(), r.num()
	t.Breakdown = trial.Breakdown{Decode: r.num(), Queue: r.num(), Formation: r.num(), Execution: r.num(), Encode: r.num()}
	t.Warnings = []trial.Warning{{Text: r.text()}, {Text: r.text()}}
	if r.IntN(6) == 0 {
		t.Error = r.text()
	}
	return t
}

func (r random) sweep() *session.Sweep {
	p := plan.Default()
	if r.IntN(3) == 0 {
		p.Loads = []load.Spec{r.load(), r.load()}
	}
	w := &session.Sweep{
		State: session.SweepState(r.IntN(7)), ID: r.text(), Path: r.text(), Plan: p, Total: r.IntN(200),
		Elapsed: time.Duration(r.Int64N(1e14)), ETA: time.Duration(r.Int64N(1e14)), Best: -1, Problem: r.text(),
	}
	for n := range r.IntN(60) {
		w.Trials = append(w.Trials, r.trial(n+1))
	}
	if len(w.Trials) > 0 {
		w.Best = r.IntN(len(w.Trials)+1) - 1
	}
	if r.IntN(2) == 0 {
		w.Current = &sweep.Current{N: r.count(), Point: plan.Point{Settings: r.settings(), Load: r.load()}, Stage: sweep.StageApply, RPS: r.num(), P99MS: r.num()}
	}
	if r.IntN(2) == 0 {
		w.Choice = &trial.Choice{Why: trial.Explanation{Text: r.text()}}
		w.Skipped = []trial.Skip{{Reason: r.text()}}
	}
	for range r.IntN(40) {
		w.Predictions = append(w.Predictions, search.Prediction{Settings: r.settings(), Load: r.load(), Throughput: r.estimate(), ValueMS: r.estimate(), Pass: r.Float64()})
	}
	return w
}

func (r random) snapshot() *session.Snapshot {
	s := &session.Snapshot{
		At: epoch, Phase: session.Phase(r.IntN(4)), Problem: r.text(), LoadOn: r.IntN(3) > 0, Load: r.load(), Settings: r.settings(),
		SLA: trial.SLA{Percentile: []float64{99, 95, 99.9}[r.IntN(3)], Limit: time.Duration(r.Int64N(1e10)), Latency: trial.LatencyKind(r.IntN(2))},
	}
	s.Info = sweep.Info{Model: sweep.ModelInfo{Name: r.text()}, Runtime: r.text(), Cores: r.IntN(200), Limits: knob.Limits{BatchAxis: true, Rule: knob.Rule(r.IntN(3))}}
	if r.IntN(2) == 0 {
		s.Info.Fixed = map[knob.Name]string{knob.FP16: r.text(), knob.Workers: r.text()}
	}
	s.Live = session.Live{
		Window: time.Duration(r.IntN(31)) * time.Second, Answers: r.count(), P50: r.num(), P99: r.num(), ModelP99: r.num(),
		RPS: r.num(), Batch: r.num(), Verdict: r.verdict(), Totals: r.counts(), Use: r.use(), Transient: r.IntN(3) == 0,
	}
	for i := range r.IntN(600) {
		s.Live.Seconds = append(s.Live.Seconds, session.Second{
			At: epoch.Add(time.Duration(i-700+r.IntN(3)) * time.Second), P99: r.num(), ModelP99: r.num(), OK: r.IntN(5000), Errors: r.IntN(5), CPU: r.num(), GPU: r.num(),
		})
	}
	for n := range r.IntN(12) {
		s.Changes = append(s.Changes, session.Change{N: n + 1, At: epoch.Add(-time.Duration(r.IntN(700)) * time.Second), From: r.settings(), To: r.settings(), Took: time.Duration(r.Int64N(1e11))})
	}
	if r.IntN(4) == 0 {
		s.Applying = &session.Applying{To: r.settings(), Since: epoch, Steps: []sweep.Step{{What: r.text()}}}
	}
	for range r.IntN(30) {
		s.Messages = append(s.Messages, session.Message{At: epoch, Level: session.Level(r.IntN(3)), Text: r.text()})
	}
	if r.IntN(3) > 0 {
		s.Sweep = r.sweep()
	}
	return s
}

var allKeys = []string{
	"up", "down", "left", "right", "shift+left", "shift+right", "=", "enter", "esc", "u", "[", "]", "l", "space", "-", "+", "e",
	"s", "p", "X", "R", "pgup", "pgdown", "home", "end", "o", "1", "2", "3", "4", "v", "b", "a", "c", "d", "/", "tab", "!", "?", "M", "q", "y", "n", "7",
}

func TestUnknownSizeIs80x24(t *testing.T) {
	sc := newScreen(t, 0, 0, serving())
	requireExactSize(t, sc, 80, 24, "0x0")
}

func TestLayouts(t *testing.T) {
	for w := minWidth; w <= 200; w++ {
		for h := minHeight; h <= 60; h++ {
			if sizeClassOf(w, h) == tiny {
				continue
			}
			l, s := liveLayoutOf(w, h), sweepLayoutOf(w, h)
			for _, rects := range [][]rect{{l.knobs, l.load, l.resources, l.p99, l.throughput, l.utilization}, {s.progress, s.trials, s.detail, s.best}} {
				requireTiling(t, frameLayoutOf(w, h).body, rects)
			}
			if l.p99.h < 9 || l.throughput.h < 6 || l.utilization.h < 6 {
				t.Fatalf("%dx%d: charts of %d, %d and %d rows", w, h, l.p99.h, l.throughput.h, l.utilization.h)
			}
		}
	}
}

// requireTiling fails unless the rectangles cover the body without overlaps.
func requireTiling(t *testing.T, body rect, rects []rect) {
	t.Helper()
	area := 0
	for i, a := range rects {
		area += a.w * a.h
		if a.w > 0 && (a.x < body.x || a.y < body.y || a.x+a.w > body.x+body.w || a.y+a.h > body.y+body.h) {
			t.Fatalf("%v is not inside the body %v", a, body)
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
	for _, size := range []struct{ w, h int }{{80, 24}, {120, 36}, {200, 60}} {
		for _, v := range []view{liveView, sweepView, frontierView} {
			b.Run(fmt.Sprintf("%s %dx%d", viewNames[v], size.w, size.h), func(b *testing.B) {
				m := newModel(Deps{Workbench: &fakeWorkbench{snap: predicting()}, Now: func() time.Time { return epoch }})
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
