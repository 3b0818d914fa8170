package search

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// settings returns settings with w workers and batch size b.
func settings(w, b int) knob.Settings {
	s := knob.Default(knob.TorchServe)
	s.Workers, s.BatchSize, s.BatchDelay, s.QueueSize = w, b, time.Millisecond, 1000
	return s
}

// gridOf returns all pairs of workers and batch sizes, for every device.
func gridOf(workers, batches []int, devices ...string) []plan.Point {
	if devices == nil {
		devices = []string{"cpu"}
	}
	var out []plan.Point
	for _, d := range devices {
		for _, w := range workers {
			for _, b := range batches {
				s := settings(w, b)
				s.Device = d
				out = append(out, plan.Point{Settings: s, Load: load.Spec{Concurrency: 10}, Role: trial.RoleLoad})
			}
		}
	}
	return out
}

// upTo returns 1 to n.
func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i + 1
	}
	return out
}

// The first stage never exceeds the number of probes, and includes the largest number of workers.
func TestProberKeepsToItsLimit(t *testing.T) {
	for _, c := range []struct {
		name             string
		workers, batches []int
		devices          []string
		budget           time.Duration
	}{
		{"small", upTo(2), []int{1, 2, 4, 8}, nil, 0},
		{"one batch size", upTo(3), []int{8}, nil, 0},
		{"many workers", upTo(64), []int{1, 2, 4, 8, 16, 32}, nil, 0},
		{"many kinds", upTo(4), []int{1, 8, 32}, []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"}, 0},
		{"more kinds than probes", upTo(2), []int{1, 8}, strings.Split("a,b,c,d,e,f,g,h", ","), 10 * time.Second},
		{"short budget", upTo(4), []int{1, 2, 4, 8, 16, 32}, nil, 30 * time.Second},
	} {
		p := plan.Default()
		p.Budget.Time = c.budget
		points := gridOf(c.workers, c.batches, c.devices...)
		s := newProber(p, points)
		if len(s.firstProbes) == 0 || len(s.firstProbes) > s.maxProbes || s.maxProbes > probeLimit {
			t.Errorf("%s: %d probes of %d", c.name, len(s.firstProbes), s.maxProbes)
		}
		if !slices.IsSortedFunc(s.firstProbes, func(a, b probeKey) int { return a.group.compare(b.group) }) {
			t.Errorf("%s: the groups are not sorted: %v", c.name, s.firstProbes)
		}
		if c.devices == nil && !slices.ContainsFunc(s.firstProbes, func(k probeKey) bool { return k.workers == slices.Max(c.workers) }) {
			t.Errorf("%s: the most workers are not probed", c.name)
		}
		for _, k := range s.firstProbes {
			if k.batch > 1 && !slices.Contains(c.batches, k.batch) {
				t.Errorf("%s: probes batch %d", c.name, k.batch)
			}
		}
		if all := len(s.firstProbes) + len(s.otherBatches(s.groups)); all > s.maxProbes {
			t.Errorf("%s: %d probes in both stages, of %d", c.name, all, s.maxProbes)
		}
	}
}

// probesOf returns the probes of s(b) = a + each b with this number of workers.
func probesOf(workers int, a, each float64, batches ...int) []trial.Probe {
	var out []trial.Probe
	for _, b := range batches {
		ms := trial.NumOf(a + each*float64(b))
		out = append(out, trial.Probe{
			Settings: settings(workers, b), BatchSize: b, Runs: 16,
			ServiceTime: trial.ServiceTime{Median: ms, Low: ms, High: ms, Fastest: ms},
		})
	}
	return out
}

// For a number of workers without probes, the times of the next larger number are used, with an
// uncertainty.
func TestSimulatorSubstitutesServiceTimes(t *testing.T) {
	p := plan.Default()
	m := newSimulator(p, nil, append(probesOf(1, 1, 1, 1, 8), probesOf(4, 3, 1, 1, 8)...))
	for _, c := range []struct {
		workers     int
		ms          float64
		uncertainty float64
	}{{1, 9, 0}, {2, 11, sdMoreWorkers}, {4, 11, 0}, {8, 11, sdOtherSession}} {
		curve, uncertainty := m.curve(groupOf(settings(c.workers, 8)))
		if got := curve.At(8).Seconds() * 1000; got != c.ms || uncertainty != c.uncertainty {
			t.Errorf("%d workers: %g ms, uncertainty %g; want %g, %g", c.workers, got, uncertainty, c.ms, c.uncertainty)
		}
	}
	failed := probesOf(1, 1, 1, 4)
	failed[0].ServiceTime, failed[0].Error = trial.ServiceTime{}, "no memory"
	if newSimulator(p, nil, failed) != nil {
		t.Error("a failed probe gave a simulator")
	}
	if c, _ := newSimulator(p, nil, probesOf(1, 2, 1, 4, 8)).curve(groupOf(settings(1, 1))); c.At(1) != 3*time.Millisecond {
		t.Errorf("s(1) extrapolated from 4 and 8 is %v, want 3ms", c.At(1))
	}
}

// One worker, 8 clients, batches of 8 in 9 ms: 8 requests every 9 ms.
func TestForecastOfAClosedLoad(t *testing.T) {
	m := newSimulator(plan.Default(), nil, probesOf(1, 1, 1, 1, 8))
	p := plan.Point{Settings: settings(1, 8), Load: load.Spec{Concurrency: 8}}
	f := m.forecast(p, simulatedPerRate)
	if math.Abs(f.rate/(8/.009)-1) > .01 || math.Abs(f.value/9-1) > .01 || f.refused != 0 || f.uncertainty != 0 {
		t.Errorf("forecast = %+v, want 889/s in 9 ms", f)
	}
}

// The residual of one point changes the posteriors of all others and makes them more certain, the
// more similar the points are.
func TestCalibrate(t *testing.T) {
	points := gridOf([]int{1, 2, 4}, []int{1, 8, 32}, "cpu", "gpu")
	s := kernel{points: points, relativeRate: make([]float64, len(points)), uncertainty: make([]float64, len(points))}
	index := func(device string, w, b int) int {
		return slices.IndexFunc(points, func(p plan.Point) bool {
			x := p.Settings
			return x.Device == device && x.Workers == w && x.BatchSize == b
		})
	}
	before := calibrate(s, 1, nil).posterior(index("cpu", 1, 8))
	if before.mean != 0 {
		t.Errorf("without measurements the mean is %g", before.mean)
	}
	off := math.Log(.8)
	c := calibrate(s, 1, []residual{{index("cpu", 1, 8), off, .01}})
	own, near, session, far := c.posterior(index("cpu", 1, 8)), c.posterior(index("cpu", 1, 32)), c.posterior(index("cpu", 4, 1)), c.posterior(index("gpu", 1, 8))
	for i, b := range []posterior{own, near, session, far} {
		if b.mean >= 0 || b.mean < off-1e-9 || b.sd >= before.sd {
			t.Errorf("posterior %d = %+v, measured %g", i, b, off)
		}
	}
	if !(own.mean < near.mean && near.mean < session.mean && session.mean < far.mean) {
		t.Errorf("means %g, %g, %g, %g: want the largest change for similar points", own.mean, near.mean, session.mean, far.mean)
	}
	if !(own.sd < near.sd && near.sd < session.sd && session.sd < far.sd) {
		t.Errorf("sds %g, %g, %g, %g: want the smallest for similar points", own.sd, near.sd, session.sd, far.sd)
	}
}

// An overhead of every request has the largest effect where the time per request is shortest: the
// residuals of two points determine the others.
func TestCalibrateFindsAnOverhead(t *testing.T) {
	points := gridOf([]int{1}, []int{1, 2, 4, 8, 16})
	s := kernel{points: points, relativeRate: make([]float64, len(points)), uncertainty: make([]float64, len(points))}
	times := []float64{5, 2.6, 1.4, .8, .5} // predicted ms per request
	const cost = .1
	truth := func(i int) float64 { return -math.Log1p(cost / times[i]) }
	for i, ms := range times {
		s.relativeRate[i] = times[4] / ms
	}
	c := calibrate(s, 1, []residual{{0, truth(0), .005}, {4, truth(4), .005}})
	for i := range times {
		if b := c.posterior(i); math.Abs(b.mean-truth(i)) > .035 {
			t.Errorf("batch %d: expected %.3f, is %.3f", points[i].Settings.BatchSize, b.mean, truth(i))
		}
	}
}

func TestOrdinal(t *testing.T) {
	for n, want := range map[int]string{1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 11: "11th", 12: "12th", 13: "13th", 21: "21st", 111: "111th"} {
		if got := ordinal(n); got != want {
			t.Errorf("ordinal(%d) = %s, want %s", n, got, want)
		}
	}
}

// BenchmarkForecasts predicts the 288 points of a plan, as Auto does after each probe.
func BenchmarkForecasts(b *testing.B) {
	for _, q := range []plan.Question{plan.Throughput, plan.Capacity} {
		b.Run(q.String(), func(b *testing.B) {
			p := plan.Default()
			p.Question = q
			var points []plan.Point
			for range 12 {
				points = append(points, gridOf(upTo(4), []int{1, 2, 4, 8, 16, 32})...)
			}
			var probes []trial.Probe
			for w := 1; w <= 4; w++ {
				probes = append(probes, probesOf(w, 2, .5, 1, 8, 32)...)
			}
			m := newSimulator(p, nil, probes)
			for b.Loop() {
				m.forecasts(points, simulatedPerRate)
			}
		})
	}
}

// An undecided trial that other programs disturbed does not count, a few times. A disturbed trial
// that passed does.
func TestDisturbedTrialsDoNotCount(t *testing.T) {
	points := gridOf([]int{1}, []int{1, 2, 4, 8, 16})
	o, err := newPredictor(plan.Default(), points, trial.AllMetrics())
	if err != nil {
		t.Fatal(err)
	}
	busy := func(point int, result trial.Answer) trial.Trial {
		p := points[point]
		out := trial.Trial{Role: trial.RoleLoad, Settings: p.Settings, Load: p.Load}
		out.Verdict.Result, out.Blocks = result, trial.Blocks{Kept: 9, Disturbed: 9}
		return out
	}
	for _, tt := range []struct {
		name   string
		trials []trial.Trial
		tests  int
	}{
		{"undecided", []trial.Trial{busy(0, trial.Undecided)}, 0},
		{"passed", []trial.Trial{busy(0, trial.Pass)}, 1},
		{"failed for certain", []trial.Trial{busy(0, trial.Fail)}, 1},
		{"again and again", []trial.Trial{
			busy(0, trial.Undecided), busy(0, trial.Undecided), busy(1, trial.Undecided), busy(2, trial.Undecided),
		}, 1},
	} {
		if v := o.view(trial.History{Trials: tt.trials}); len(v.tests) != tt.tests {
			t.Errorf("%s: %d tests, want %d", tt.name, len(v.tests), tt.tests)
		}
	}
}

// TestForecastUsesTheWholeTrace: a burst late in a trace is simulated, even after more requests
// than the simulations of other loads have. If a trace is simulated only in part, a text says so.
func TestForecastUsesTheWholeTrace(t *testing.T) {
	var text strings.Builder
	const quiet, burst = 30000, 3000
	for i := range quiet {
		fmt.Fprintf(&text, "%g\n", float64(i)/100)
	}
	for i := range burst {
		fmt.Fprintf(&text, "%g\n", quiet/100+float64(i)/10000)
	}
	path := filepath.Join(t.TempDir(), "a.csv")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	at := plan.Point{Settings: settings(1, 1), Load: load.Spec{Mode: load.Trace, File: path}, Role: trial.RoleLoad}
	at.Settings.QueueSize = burst
	times, cut, err := readTraces([]plan.Point{at, at}, simulatedTrace)
	if err != nil || len(times[path]) != quiet+burst || cut != nil {
		t.Fatalf("%d requests, truncations %q, %v, want all %d", len(times[path]), cut, err, quiet+burst)
	}
	p := plan.Default()
	probe := trial.Probe{Settings: at.Settings, BatchSize: 1, Runs: 16, ServiceTime: trial.ServiceTime{Median: trial.NumOf(2)}}
	if f := newSimulator(p, times, []trial.Probe{probe}).forecast(at, simulatedPerRate); f.value < 1000 {
		t.Errorf("expected percentile %g ms, want that of the burst", f.value)
	}
	times, cut, err = readTraces([]plan.Point{at, at}, 100)
	if err != nil || len(times[path]) != 100 || len(cut) != 1 || !strings.Contains(cut[0], "the first 100 of the 33000 requests") {
		t.Errorf("%d requests, truncations %q, %v, want the first 100 and a text about it", len(times[path]), cut, err)
	}
}

// Under the torchserve rule the first request of a batch waits for the whole delay if the batch
// does not become full. Both this delay and the time of a full batch may exceed the limit.
func TestMinLatencyIncludesTheDelay(t *testing.T) {
	at := func(batch int, delay time.Duration) plan.Point {
		s := settings(1, batch)
		s.BatchDelay = delay
		return plan.Point{Settings: s, Load: load.Spec{Concurrency: 10}}
	}
	points := []plan.Point{at(1, 20*time.Millisecond), at(8, 20*time.Millisecond), at(8, time.Millisecond), at(4, 20*time.Millisecond), at(200, 20*time.Millisecond)}
	probes := probesOf(1, 1, 2, 1, 8) // 3 ms and 17 ms
	probes = append(probes, probesOf(1, 1, 2, 200)...)
	for _, tt := range []struct {
		name   string
		change func(*plan.Plan)
		want   []bool // impossible
	}{
		{"request latency", nil, []bool{false, true, false, false, false}}, // batch size 4 has no probe of a full batch; with batch size 200 few requests wait for the whole delay
		{"model latency", func(p *plan.Plan) { p.SLA.Latency = trial.ModelLatency }, []bool{false, false, false, false, false}},
		{"eager rule", func(p *plan.Plan) { p.Options.Rule = knob.Eager }, []bool{false, false, false, false, false}},
		{"a shorter limit", func(p *plan.Plan) { p.SLA.Limit = 2 * time.Millisecond }, []bool{true, true, true, true, true}},
		{"a limit of a full batch", func(p *plan.Plan) { p.SLA.Limit = 17 * time.Millisecond }, []bool{false, false, false, false, false}},
	} {
		p := plan.Default()
		p.SLA.Limit = 10 * time.Millisecond
		if tt.change != nil {
			tt.change(&p)
		}
		o, err := newPredictor(p, points, trial.AllMetrics())
		if err != nil {
			t.Fatal(err)
		}
		v := o.view(trial.History{Probes: probes})
		for i, want := range tt.want {
			if why := v.whyImpossible(i); (why != "") != want {
				t.Errorf("%s: %v: %q, want %v", tt.name, points[i].Settings, why, want)
			}
		}
	}
}

// With a probe of several workers, each of them may have waited for the others.
func TestMinBatchTime(t *testing.T) {
	o, err := newPredictor(plan.Default(), gridOf(upTo(4), []int{1, 8}), trial.AllMetrics())
	if err != nil {
		t.Fatal(err)
	}
	session := groupOf(settings(1, 1)).sessionKind()
	two := probesOf(2, 8, 0, 1)
	if ms, _, ok := o.view(trial.History{Probes: two}).minBatchTime(session, 8); !ok || ms != 4 {
		t.Errorf("of two workers at 8 ms one alone takes %g ms, %v; want at least 4", ms, ok)
	}
	if ms, _, ok := o.view(trial.History{Probes: append(probesOf(1, 7, 0, 1), two...)}).minBatchTime(session, 8); !ok || ms != 7 {
		t.Errorf("one alone takes %g ms, %v; want the 7 that were measured", ms, ok)
	}
	if _, _, ok := o.view(trial.History{Probes: probesOf(1, 7, 0, 8)}).minBatchTime(session, 8); ok {
		t.Error("a batch of 8 determines the time of a batch of 1")
	}
	odd := append(probesOf(1, 20, 0, 1), probesOf(1, 6, 0, 8)...)
	if ms, size, ok := o.view(trial.History{Probes: odd}).minBatchTime(session, 8); !ok || ms != 6 || size != 8 {
		t.Errorf("the shortest is %g ms of a batch of %d, %v; want the batch of 8", ms, size, ok)
	}
	if ms, _, _ := o.view(trial.History{Probes: odd}).minBatchTime(session, 4); ms != 20 {
		t.Errorf("of at most 4 the shortest is %g ms, want 20", ms)
	}
}

// The probes of a slow model are fewer, so that their total time stays within the share of the
// budget.
func TestSlowModelGetsFewerProbes(t *testing.T) {
	for _, tt := range []struct {
		name    string
		budget  time.Duration
		ms      float64 // time of a batch of one
		least   int
		most    int
		longest float64 // s, of all probes together
	}{
		{"fast", 3 * time.Minute, 2, 12, 40, 54},
		{"2 s an item", 45 * time.Second, 2000, 1, 3, 13.5},
		{"2 s an item, an hour", time.Hour, 2000, 12, 40, 1080},
		{"slower than its share", 45 * time.Second, 19000, 1, 1, 20},
		{"no budget", 0, 2000, 12, 40, 1e9},
	} {
		p := plan.Default()
		p.Budget.Time, p.SLA.Limit = tt.budget, time.Hour
		o, err := newPredictor(p, gridOf(upTo(4), []int{1, 2, 4, 8}), trial.AllMetrics())
		if err != nil {
			t.Fatal(err)
		}
		var found []trial.Probe
		total := 0.0
		for {
			x, more := o.probe(found)
			if !more {
				break
			}
			made := probesOf(x.Settings.Workers, 0, tt.ms*float64(x.Settings.Workers), x.Settings.BatchSize)[0]
			made.Seconds = max(.6, tt.ms/1000*float64(x.Settings.Workers*x.Settings.BatchSize))
			total += made.Seconds
			found = append(found, made)
		}
		if len(found) < tt.least || len(found) > tt.most || total > tt.longest {
			t.Errorf("%s: %d probes of %.1f s in all, want %d-%d of at most %.1f", tt.name, len(found), total, tt.least, tt.most, tt.longest)
		}
	}
}

// With few batches the interval of the median is wide even if the spread is small: a spread from
// this interval made predictions too low by a fifth.
func TestSpreadOf(t *testing.T) {
	p := trial.Probe{Runs: 16, ServiceTime: trial.ServiceTime{
		Median: trial.NumOf(10), Low: trial.NumOf(8.5), High: trial.NumOf(11.5), Spread: trial.NumOf(.05),
	}}
	if got := spreadOf(p).Or(0); got != .05 {
		t.Errorf("spread %v, that of the probe is .05", got)
	}
	p.ServiceTime.Spread, p.ServiceTime.Low, p.ServiceTime.High = trial.Num{}, trial.NumOf(9.7), trial.NumOf(10.3)
	if got := spreadOf(p).Or(0); math.Abs(got-.049) > .001 { // .3/10 x 4 / (1.96 x 1.2533)
		t.Errorf("spread %v of an older profile, want .049", got)
	}
}
