package tui

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
	"sweetspot/tui/chart"
)

// later is a snapshot d after another one. Its live traffic has a value for each second
// of that time.
func later(s *session.Snapshot, d time.Duration, change func(*session.Second)) *session.Snapshot {
	out := *s
	out.At = s.At.Add(d)
	out.Live.Seconds = append([]session.Second(nil), s.Live.Seconds...)
	for i := time.Second; i <= d; i += time.Second {
		sec := s.Live.Seconds[len(s.Live.Seconds)-1]
		sec.At = s.At.Add(i)
		if change != nil {
			change(&sec)
		}
		out.Live.Seconds = append(out.Live.Seconds, sec)
	}
	return &out
}

// A second without answers is a gap in the chart of P99, although the window of its
// percentile has older answers, and the title says how long the load has been held.
func TestHeldLoadIsAGap(t *testing.T) {
	for _, size := range [][2]int{{120, 36}, {80, 24}} {
		sc := newScreen(t, size[0], size[1], failing())
		held := *sc.workbench.snap
		held.LoadOn, held.HeldSince = false, held.At
		sc.workbench.snap = &held
		sc.send(tickMsg{})
		sc.workbench.snap = later(&held, 15*time.Second, func(s *session.Second) { s.OK, s.Errors, s.Latencies = 0, 0, nil })
		sc.clock = sc.clock.Add(15 * time.Second)
		sc.send(tickMsg{})
		if text := sc.plainFrame(); strings.Count(text, "held 15s") < 2 {
			t.Errorf("%dx%d: the frame does not say how long the load is held:\n%s", size[0], size[1], text)
		}
		n := len(sc.data.p99)
		for i, v := range sc.data.p99[n-15:] {
			if !math.IsNaN(v) || sc.data.throughput[n-15+i] != 0 {
				t.Errorf("%d s after the hold: P99 %g, throughput %g", i+1, v, sc.data.throughput[n-15+i])
			}
		}
		p99 := liveLayoutOf(sc.w, sc.h).p99
		const columns = 7 // a column has two seconds
		if dots := styledCells(sc.frame(), rect{p99.x + p99.w - 1 - columns, p99.y + 1, columns, p99.h - 2}, styleData, styleFail); dots > 0 {
			t.Errorf("%dx%d: %d cells of data while the load is held:\n%s", size[0], size[1], dots, sc.plainFrame())
		}
		sc.show(func(s *session.Snapshot) { s.LoadOn, s.HeldSince = true, time.Time{} })
		if text := sc.plainFrame(); strings.Contains(text, "held 15s") {
			t.Errorf("the load is on again:\n%s", text)
		}
	}
}

// styledCells counts the cells of a rectangle that have one of the styles.
func styledCells(c *canvas, r rect, styles ...styleID) (n int) {
	for y := r.y; y < r.y+r.h; y++ {
		for _, cell := range c.cells[y*c.w+r.x : y*c.w+r.x+r.w] {
			for _, s := range styles {
				if cell.style == s && cell.r != ' ' {
					n++
				}
			}
		}
	}
	return n
}

// Seconds in which every request timed out have a latency: the timeout.
func TestTimeoutsAreNoGap(t *testing.T) {
	sc := newScreen(t, 80, 24, failing())
	sc.workbench.snap = later(sc.workbench.snap, 3*time.Second, func(s *session.Second) {
		s.OK, s.Errors, s.Latencies = 0, 9, []session.LatencyBin{{LowMS: 990, HighMS: 1000, N: 9}}
	})
	sc.send(tickMsg{})
	if v := sc.data.p99[len(sc.data.p99)-1]; math.IsNaN(v) {
		t.Error("a second with timeouts only is a gap")
	}
}

// Changes of load, holds, crashes and trials are marked in all charts, in the column of
// their second.
func TestMarksInAllCharts(t *testing.T) {
	steps := []struct {
		sign   rune
		text   string
		change func(*session.Snapshot)
	}{
		{loadSign, "load 40", func(s *session.Snapshot) { s.Load.Concurrency = 40 }},
		{loadSign, "300/s", func(s *session.Snapshot) { s.Load = load.Spec{Mode: load.Open, Rate: 300} }},
		{holdSign, "held", func(s *session.Snapshot) { s.LoadOn = false }},
		{startSign, "load", func(s *session.Snapshot) { s.LoadOn = true }},
		{crashSign, "died", func(s *session.Snapshot) { s.Crashes = append(s.Crashes, s.At) }},
		{0, "", func(s *session.Snapshot) { s.Phase = session.Down }},
		{startSign, "up", func(s *session.Snapshot) { s.Phase = session.Serving }},
		{trialSign, "#3", func(s *session.Snapshot) {
			s.Phase, s.Sweep = session.Sweeping, &session.Sweep{Current: &sweep.Current{N: 3}}
		}},
	}
	for _, size := range [][2]int{{120, 36}, {200, 60}} {
		sc := newScreen(t, size[0], size[1], serving())
		for _, s := range steps {
			next := *later(sc.workbench.snap, 20*time.Second, nil)
			s.change(&next)
			sc.workbench.snap = &next
			sc.send(tickMsg{})
			sc.workbench.snap = later(&next, 20*time.Second, nil)
			sc.send(tickMsg{})
			if next.Phase == session.Down {
				continue // the panel shows the reason
			}
			lines := strings.Split(sc.plainFrame(), "\n")
			l := liveLayoutOf(sc.w, sc.h)
			for name, r := range map[string]rect{"P99": l.p99, "throughput": l.throughput, "utilization": l.utilization} {
				want := r.w - 2 - 10 // half a column per second, before the right border
				foot := ""
				for _, line := range lines[r.y+r.h-3 : r.y+r.h-1] {
					cells := []rune(line)[r.x : r.x+r.w]
					if cells[7] == '─' || cells[6] == '└' {
						foot = string(cells)
					}
				}
				got := -1
				for x, c := range []rune(foot) {
					if c == s.sign && x > 7 {
						got = x
					}
				}
				if got < want-1 || got > want+1 {
					t.Errorf("%s, %s: the mark %c is in column %d, want %d: %s", s.text, name, s.sign, got, want, foot)
				}
			}
			if !strings.Contains(sc.plainFrame(), s.text) {
				t.Errorf("no mark with the text %q:\n%s", s.text, sc.plainFrame())
			}
		}
	}
}

// The key v switches the panel between P99, latencies over time and their histogram.
func TestLatencyViews(t *testing.T) {
	s := serving()
	for i := range s.Live.Seconds {
		s.Live.Seconds[i].Latencies = []session.LatencyBin{{LowMS: 7, HighMS: 8, N: 90}, {LowMS: 18, HighMS: 20, N: 9}, {LowMS: 20, HighMS: 22, N: 1}}
	}
	sc := newScreen(t, 120, 36, s)
	for _, want := range []string{"share of a second's answers", "30 of 3 000 beyond the SLA in 30 s", "P50 7.60"} {
		sc.press("v")
		if text := sc.plainFrame(); !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

// withSlowest is live traffic whose seconds have slow requests, one of them timed out.
func withSlowest() *session.Snapshot {
	s := serving()
	all := s.Live.Seconds
	for i := range all {
		ms := float64(i) // the last seconds have the slowest
		all[i].Latencies = []session.LatencyBin{{LowMS: 7, HighMS: 8, N: 90}}
		all[i].Slowest = []session.SlowRequest{{
			Sent: epoch.Add(-7 * time.Second), MS: ms / 10, Queue: trial.NumOf(5), Formation: trial.NumOf(.25), Execution: trial.NumOf(2.5), Encode: trial.NumOf(.03), Batch: 8,
		}}
	}
	all[0].Slowest[0].MS = 999 // before the change
	all[len(all)-1].Slowest = append([]session.SlowRequest{{Sent: epoch, MS: 250, TimedOut: true}}, all[len(all)-1].Slowest...)
	return s
}

// Beside the histogram are the slowest requests of its seconds with their phases, over the limit in the
// colour of a failure. Requests before the last change are not among them.
func TestSlowest(t *testing.T) {
	s := withSlowest()
	for _, size := range []struct{ w, h int }{{80, 24}, {120, 36}, {200, 60}} {
		sc := newScreen(t, size.w, size.h, s)
		sc.press("v", "v")
		frame := sc.plainFrame()
		requireTexts(t, frame, "slowest       ms  queue   form   exec encode batch",
			epoch.Format("15:04:05")+"    >250    n/a    n/a    n/a    n/a   n/a",
			epoch.Add(-7*time.Second).Format("15:04:05")+"    8.90   5.00   0.25   2.50   0.03     8", "   8.60   5.00")
		for _, absent := range []string{"999", "   8.50   5.00"} {
			if strings.Contains(frame, absent) {
				t.Errorf("%q in\n%s", absent, frame)
			}
		}
		if !strings.Contains(sc.View().Content, sc.theme.sgr[styleFail]+epoch.Format("15:04:05")+"    >250") {
			t.Error("a request over the limit has not the colour of a failure")
		}
	}
}

// Values before a change are those of the time between it and the mark before, drawn
// at the seconds after it.
func TestValuesBeforeAChange(t *testing.T) {
	sc := newScreen(t, 120, 36, serving())
	b, at := sc.data.before, len(sc.data.p99)-1-30
	if b == nil {
		t.Fatal("no values before the change")
	}
	const between = 27 // seconds between the changes A1 and A2
	for i := range sc.data.p99 {
		want := math.NaN()
		if k := i - at - 1; k >= 0 && k < between {
			want = sc.data.p99[at-between+k]
		}
		if got := b.p99[i]; got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("second %d: %g before the change, want %g", i, got, want)
		}
	}
	sc.show(func(s *session.Snapshot) { s.Changes = nil })
	if sc.data.before != nil {
		t.Error("values before a change without a change")
	}
}

// Each press of - and + changes the time axis, until its end.
func TestZoomChangesTheAxis(t *testing.T) {
	for _, w := range []int{80, 120, 200} {
		sc := newScreen(t, w, 36, serving())
		seen := map[int]bool{sc.span(): true}
		for range timeSpans {
			before := sc.span()
			sc.press("+")
			if sc.span() != before && seen[sc.span()] {
				t.Errorf("width %d: the span %d again", w, sc.span())
			}
			seen[sc.span()] = true
		}
		if sc.span() < 600 || len(seen) < 2 {
			t.Errorf("width %d: the spans are %v", w, seen)
		}
		for range timeSpans {
			sc.press("-")
		}
		if sc.zoom != 0 {
			t.Errorf("width %d: the zoom is %d", w, sc.zoom)
		}
	}
}

// In every size the charts have a labelled time axis.
func TestTimeAxisIsLabelled(t *testing.T) {
	for _, size := range [][2]int{{200, 60}, {120, 36}, {100, 30}, {80, 24}, {60, 16}, {40, 10}} {
		for _, ascii := range []bool{false, true} {
			sc := newScreen(t, size[0], size[1], failing())
			sc.ASCII = ascii
			if text := sc.plainFrame(); !regexp.MustCompile(`-\d+[sm]`).MatchString(text) {
				t.Errorf("%dx%d: no time axis:\n%s", size[0], size[1], text)
			}
		}
	}
}

// A P99 just above the SLA is drawn above its row and in the failing colour, one just
// within it is not.
func TestJustBeyondTheSLA(t *testing.T) {
	for _, c := range []struct {
		p99  float64
		over bool
	}{{20, false}, {19.99, false}, {20.01, true}, {29, true}, {400, true}} {
		for _, size := range [][2]int{{200, 60}, {120, 36}, {80, 24}} {
			s := serving()
			s.Changes = nil
			for i := range s.Live.Seconds {
				s.Live.Seconds[i].P99 = trial.NumOf(c.p99)
			}
			sc := newScreen(t, size[0], size[1], s)
			p99 := liveLayoutOf(sc.w, sc.h).p99
			inside := rect{p99.x + 8, p99.y + 1, p99.w - 9, p99.h - 2}
			over, within := styledCells(sc.frame(), inside, styleFail), styledCells(sc.frame(), inside, styleData)
			if what := fmt.Sprintf("P99 %g at %dx%d", c.p99, sc.w, sc.h); (over > 0) != c.over || (within > 0) == c.over {
				t.Errorf("%s: %d cells beyond the SLA, %d within:\n%s", what, over, within, sc.plainFrame())
			}
		}
	}
}

// BenchmarkCharts measures drawing the charts of a steady frame, with ten minutes of
// history, and making their series from a snapshot.
func BenchmarkCharts(b *testing.B) {
	s := serving()
	s.Live = traffic(session.HistorySeconds, 400, 47, 15.2, 208, 640)
	for i := range s.Live.Seconds {
		for k := range 30 {
			edge := math.Exp2(float64(k)/4 - 2)
			s.Live.Seconds[i].Latencies = append(s.Live.Seconds[i].Latencies, session.LatencyBin{LowMS: edge, HighMS: edge * 1.19, N: 20})
		}
	}
	for _, size := range []struct{ w, h int }{{120, 36}, {200, 60}} {
		for v, name := range []string{"line", "strip", "histogram"} {
			m := newModel(Deps{Workbench: &fakeWorkbench{snap: s}, Now: func() time.Time { return epoch }})
			m.resize(size.w, size.h)
			m.latencyView = latencyView(v)
			m.data = m.series()
			c := newCanvas(m.w, m.h)
			b.Run(fmt.Sprintf("draw %s %dx%d", name, size.w, size.h), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					l := liveLayoutOf(m.w, m.h)
					m.drawP99(c.all().at(l.p99), wide)
					m.drawThroughput(c.all().at(l.throughput))
					m.drawUtilization(c.all().at(l.utilization))
				}
			})
			if size.w == 120 {
				b.Run("series "+name, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						m.series()
					}
				})
			}
		}
	}
}

// The key g shows the batches of each worker in place of the utilization.
func TestBatchesOfWorkers(t *testing.T) {
	s := serving()
	s.Internals.Batches = &sweep.RecentBatches{BatchSize: 8, Workers: [][]sweep.FormedBatch{
		{{Size: 8, Left: sweep.LeftFull}, {Size: 3, Left: sweep.LeftDelay}}, {{Size: 1, Left: sweep.LeftIdle}},
	}}
	for _, size := range [][2]int{{120, 36}, {80, 24}} {
		sc := newScreen(t, size[0], size[1], s)
		sc.press("g")
		text := sc.plainFrame()
		for _, want := range []string{"Batches", "w1", "fd", "w2", "i│"} {
			if !strings.Contains(text, want) {
				t.Errorf("%dx%d: no %q in:\n%s", size[0], size[1], want, text)
			}
		}
		sc.show(func(s *session.Snapshot) { s.Internals.Batches = nil })
		if text := sc.plainFrame(); !strings.Contains(text, "does not report its") {
			t.Errorf("%dx%d, no batches reported:\n%s", size[0], size[1], text)
		}
		sc.press("g")
		if text := sc.plainFrame(); !strings.Contains(text, "Engine CPU %") {
			t.Errorf("%dx%d: g does not switch back:\n%s", size[0], size[1], text)
		}
	}
}

// Trials of a sweep are marked, its probes are not.
func TestProbesHaveNoMark(t *testing.T) {
	sc := newScreen(t, 120, 36, serving())
	marks := len(sc.data.marks)
	for i, role := range []trial.Role{trial.RoleProbe, trial.RoleProbe, "", ""} {
		sc.show(func(s *session.Snapshot) {
			s.At = s.At.Add(time.Second)
			s.Phase, s.Sweep = session.Sweeping, &session.Sweep{Current: &sweep.Current{N: i%2 + 1, Point: plan.Point{Role: role}}}
		})
	}
	if got := len(sc.data.marks) - marks; got != 2 {
		t.Errorf("%d marks for two probes and two trials", got)
	}
}

// A value that is no longer on the chart does not stretch its axis.
func TestOldSpikesDoNotStretchTheAxis(t *testing.T) {
	s := serving()
	s.Live = traffic(500, 0, 15, 15, 600, 600)
	s.Live.Seconds[0].P99 = trial.NumOf(300)
	sc := newScreen(t, 120, 36, s)
	if got := sc.axes.p99.Top; got > 30 {
		t.Errorf("the axis ends at %g, the values shown are about 15", got)
	}
	sc.press("+", "+", "+")
	sc.show(func(s *session.Snapshot) { s.At = s.At.Add(time.Second) })
	if got := sc.axes.p99.Top; got < 300 {
		t.Errorf("the axis ends at %g, but 300 is shown", got)
	}
}

// In ASCII every sign of a chart is the same in its legend, and signs of points and of
// marks differ.
func TestLegendsInASCII(t *testing.T) {
	seen := map[rune]rune{}
	for _, r := range []rune{'★', '●', '○', '×', '?', '·', '◆', loadSign, holdSign, startSign, crashSign, trialSign, '▲'} {
		a := toASCII(r)
		if a != chart.ToASCII(r) || a == '?' && r != '?' {
			t.Errorf("%c is %c on the screen, %c in charts", r, a, chart.ToASCII(r))
		}
		if other, ok := seen[a]; ok && other != r {
			t.Errorf("%c and %c are both %c", r, other, a)
		}
		seen[a] = r
	}
}
