package plan_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// twoCores returns the limits of the machine of the demonstration.
func twoCores() knob.Limits { return knob.Limits{Cores: 2, BatchAxis: true} }

// shortPoints formats points as "w1 b2 d5 c10" with their warnings.
func shortPoints(points []plan.Point) []string {
	var out []string
	for _, p := range points {
		s := fmt.Sprintf("w%d b%d d%s c%d", p.Settings.Workers, p.Settings.BatchSize, p.Settings.Get(knob.BatchDelay), p.Load.Concurrency)
		if p.Reason != "" {
			s += " ! " + p.Reason
		}
		out = append(out, s)
	}
	return out
}

func shortSkips(skips []trial.Skip) []string {
	var out []string
	for _, s := range skips {
		out = append(out, fmt.Sprintf("w%d b%d d%s: %s", s.Settings.Workers, s.Settings.BatchSize, s.Settings.Get(knob.BatchDelay), s.Reason))
	}
	return out
}

func TestDefaultPlanOnTwoCores(t *testing.T) {
	p := plan.Default()
	p.SLA.Limit = 20 * time.Millisecond
	points, skipped := p.Points(twoCores(), knob.Default(knob.TorchServe), nil)
	want := []string{
		"w1 b1 d1 c10", "w1 b2 d1 c10", "w1 b2 d5 c10", "w1 b4 d1 c10", "w1 b4 d5 c10", "w1 b8 d1 c10", "w1 b8 d5 c10",
		"w2 b1 d1 c10", "w2 b2 d1 c10", "w2 b2 d5 c10", "w2 b4 d1 c10", "w2 b4 d5 c10", "w2 b8 d1 c10", "w2 b8 d5 c10",
	}
	if diff := cmp.Diff(want, shortPoints(points)); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
	for _, s := range skipped {
		if s.Reason != "a batch of size 1 never waits: same as delay 1 ms" && s.Settings.BatchSize < 16 {
			t.Errorf("%v was skipped: %s", s.Settings, s.Reason)
		}
	}
	if got, want := len(points)+len(skipped), 2*6*2; got != want {
		t.Errorf("%d points and skips, want %d", got, want)
	}
	if e := p.Estimate(points); e.Fits != len(points) || e.Total > p.Budget.Time {
		t.Errorf("the default plan does not fit its budget: %+v", e)
	}
}

func TestPoints(t *testing.T) {
	auto := knob.Auto
	for _, c := range []struct {
		name          string
		knobs         map[knob.Name]string
		loads         []load.Spec
		limits        knob.Limits
		fixed         map[knob.Name]string
		points, skips []string
	}{
		{
			name: "no knob named", limits: twoCores(),
			points: []string{"w1 b1 d100 c10"},
		},
		{
			name: "loads are the innermost loop; matched gets a concurrency", limits: twoCores(),
			knobs:  map[knob.Name]string{knob.Workers: "2,1", knob.BatchDelay: "5"},
			loads:  []load.Spec{{Concurrency: 4}, {Matched: true}},
			points: []string{"w2 b1 d5 c4", "w2 b1 d5 c2", "w1 b1 d5 c4", "w1 b1 d5 c1"},
		},
		{
			name: "named values are kept with a warning", limits: twoCores(),
			knobs: map[knob.Name]string{knob.Workers: "4", knob.BatchSize: "1,16", knob.BatchDelay: "1,100"},
			points: []string{
				"w4 b1 d1 c10 ! workers x threads is 4 x 1, above 2 cores: the threads wait for one another",
				"w4 b1 d100 c10 ! workers x threads is 4 x 1, above 2 cores: the threads wait for one another; a batch of size 1 never waits: same as delay 1 ms",
				"w4 b16 d1 c10 ! workers x threads is 4 x 1, above 2 cores: the threads wait for one another; batch size 16 is above concurrency 10: no batch fills, so each waits the whole delay",
				"w4 b16 d100 c10 ! workers x threads is 4 x 1, above 2 cores: the threads wait for one another; delay 100 ms is not below the limit of 100ms: a batch that does not fill exceeds it; batch size 16 is above concurrency 10: no batch fills, so each waits the whole delay",
			},
		},
		{
			name: "auto skips settings that are not useful", limits: twoCores(),
			knobs:  map[knob.Name]string{knob.Workers: auto, knob.Threads: "2"},
			points: []string{"w1 b1 d100 c10"},
			skips:  []string{"w2 b1 d100: workers x threads is 2 x 2, above 2 cores: the threads wait for one another"},
		},
		{
			name: "no batch axis", limits: knob.Limits{Cores: 2, BatchWhy: "dimension 0 is fixed"},
			knobs:  map[knob.Name]string{knob.BatchSize: "1,4"},
			points: []string{"w1 b1 d100 c10"},
			skips:  []string{"w1 b4 d100: batch_size: 4 needs a batch axis, and the model has none: dimension 0 is fixed"},
		},
		{
			name: "a fixed knob", limits: twoCores(),
			knobs:  map[knob.Name]string{knob.FP16: auto, knob.Workers: "1,2"},
			fixed:  map[knob.Name]string{knob.FP16: "the engine has no FP16 yet"},
			points: []string{"w1 b1 d100 c10", "w2 b1 d100 c10"},
			skips:  []string{"w1 b1 d100: precision stays at fp32: the engine has no FP16 yet"},
		},
		{
			name: "the only named value of a fixed knob", limits: twoCores(),
			knobs: map[knob.Name]string{knob.Workers: "2"},
			fixed: map[knob.Name]string{knob.Workers: "a remote server"},
			skips: []string{"w2 b1 d100: workers stays at 1: a remote server"},
		},
		{
			name: "a fixed knob outside its auto range", limits: knob.Limits{Cores: 8, BatchAxis: true},
			knobs:  map[knob.Name]string{knob.QueueSize: auto},
			loads:  []load.Spec{{Concurrency: 500}},
			fixed:  map[knob.Name]string{knob.QueueSize: "a remote server"},
			points: []string{"w1 b1 d100 c500 ! concurrency 500 is above the 101 requests for which queue and workers have room: the others are refused"},
			skips:  []string{"w1 b1 d100: queue_size stays at 100: a remote server"},
		},
		{
			name: "open loads fill any batch", limits: twoCores(),
			knobs:  map[knob.Name]string{knob.BatchSize: "32"},
			loads:  []load.Spec{{Mode: load.Open, Rate: 50}},
			points: []string{"w1 b32 d100 c0 ! delay 100 ms is not below the limit of 100ms: a batch that does not fill exceeds it"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := plan.Default()
			p.Knobs = c.knobs
			if c.loads != nil {
				p.Loads = c.loads
			}
			points, skips := p.Points(c.limits, knob.Default(knob.TorchServe), c.fixed)
			if diff := cmp.Diff(c.points, shortPoints(points)); diff != "" {
				t.Errorf("points (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.skips, shortSkips(skips)); diff != "" {
				t.Errorf("skips (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAutoIncludesTheRulesOfThumb checks the range auto on machines of 1 to 96 cores: cores/2
// workers, as many workers as cores, and one worker with all cores.
func TestAutoIncludesTheRulesOfThumb(t *testing.T) {
	for cores := 1; cores <= 96; cores++ {
		p := plan.Default()
		p.Knobs = map[knob.Name]string{knob.Workers: knob.Auto, knob.Threads: knob.Auto}
		points, _ := p.Points(knob.Limits{Cores: cores, BatchAxis: true}, knob.Default(knob.TorchServe), nil)
		has := func(workers, threads int) bool {
			return slices.ContainsFunc(points, func(p plan.Point) bool {
				return p.Settings.Workers == workers && p.Settings.Threads == threads
			})
		}
		if !has(max(1, cores/2), 1) || !has(cores, 1) || !has(1, cores) {
			t.Errorf("%d cores: %d points, but a rule of thumb is missing", cores, len(points))
		}
		for _, pt := range points {
			if pt.Settings.Workers*pt.Settings.Threads > cores {
				t.Errorf("%d cores: %v", cores, pt.Settings)
			}
		}
	}
}

func TestAutoDelaysFollowTheLimitAndTheRule(t *testing.T) {
	for _, c := range []struct {
		rule  knob.Rule
		limit time.Duration
		want  string
	}{
		{knob.TorchServe, 100 * time.Millisecond, "1 25"},
		{knob.TorchServe, 3 * time.Millisecond, "1"},
		{knob.TorchServe, 1000 * time.Second, "1 60000"},
		{knob.Eager, 10 * time.Millisecond, "0 2.5"},
		{knob.Eager, 100 * time.Microsecond, "0"},
	} {
		p := plan.Default()
		p.Options.Rule, p.SLA.Limit = c.rule, c.limit
		p.Knobs = map[knob.Name]string{knob.BatchSize: "4", knob.BatchDelay: knob.Auto}
		points, _ := p.Points(twoCores(), knob.Default(c.rule), nil)
		var got []string
		for _, pt := range points {
			got = append(got, pt.Settings.Get(knob.BatchDelay))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v, limit %v: delays %v, want %s", c.rule, c.limit, got, c.want)
		}
	}
}

// TestPointsOfRandomPlans checks that points are valid and different, that the plan order and the
// shuffled order have the same points, and that one seed always makes the same order.
func TestPointsOfRandomPlans(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 200 {
		p := randomPlan(r)
		p.Order = plan.InOrder
		limits := knob.Limits{Rule: p.Options.Rule, Cores: 1 + r.IntN(8), BatchAxis: r.IntN(2) == 0}
		base := knob.Default(p.Options.Rule)
		points, skips := p.Points(limits, base, nil)
		type key struct {
			s knob.Settings
			l load.Spec
		}
		seen := map[key]bool{}
		for _, pt := range points {
			k := key{pt.Settings, pt.Load}
			if err := pt.Settings.Validate(limits); err != nil || seen[k] {
				t.Fatalf("%v: %v, duplicate %v", pt, err, seen[k])
			}
			seen[k] = true
			if pt.Role != trial.RoleLoad || pt.Load.Matched && pt.Load.Concurrency != pt.Settings.Workers*pt.Settings.BatchSize {
				t.Fatalf("%+v", pt)
			}
		}
		for _, s := range skips {
			if s.Reason == "" {
				t.Fatalf("%v skipped without a reason", s.Settings)
			}
		}
		p.Order = plan.Shuffled
		shuffled, _ := p.Points(limits, base, nil)
		again, _ := p.Points(limits, base, nil)
		if diff := cmp.Diff(shuffled, again); diff != "" {
			t.Fatalf("two orders with the same seed:\n%s", diff)
		}
		for _, pt := range shuffled {
			delete(seen, key{pt.Settings, pt.Load})
		}
		if len(shuffled) != len(points) || len(seen) > 0 {
			t.Fatalf("%d shuffled points of %d, %d missing", len(shuffled), len(points), len(seen))
		}
	}
}

func TestEstimate(t *testing.T) {
	point := func(workers, threads int, l load.Spec) plan.Point {
		s := knob.Default(knob.TorchServe)
		s.Workers, s.Threads = workers, threads
		return plan.Point{Settings: s, Load: l}
	}
	ten := load.Spec{Concurrency: 10}
	minute := load.Spec{Mode: load.Trace, File: "a", Over: time.Minute}
	for _, c := range []struct {
		name   string
		change func(*plan.Plan)
		points []plan.Point
		want   plan.Estimate
	}{
		{"no points", nil, nil, plan.Estimate{}},
		{
			"until certain", func(p *plan.Plan) { p.SLA.Limit = 20 * time.Millisecond },
			[]plan.Point{point(1, 1, ten)},
			plan.Estimate{Trial: 6 * time.Second, Total: 12 * time.Second, Fits: 1},
		},
		{
			"a warm and a reload change", func(p *plan.Plan) { p.Trial.Duration = 5 * time.Second },
			[]plan.Point{point(1, 1, ten), point(2, 1, ten), point(2, 2, ten)},
			plan.Estimate{Trial: 5 * time.Second, Total: 22500 * time.Millisecond, Fits: 3},
		},
		{
			"a number of requests", func(p *plan.Plan) { p.Trial.Requests = 1000 },
			[]plan.Point{point(1, 1, load.Spec{Mode: load.Open, Rate: 100})},
			plan.Estimate{Trial: 10 * time.Second, Total: 20 * time.Second, Fits: 1},
		},
		{
			"a largest number of requests", func(p *plan.Plan) { p.Trial.MaxRequests = 100 },
			[]plan.Point{point(1, 1, ten)},
			plan.Estimate{Trial: time.Second, Total: 2 * time.Second, Fits: 1},
		},
		{
			"the budget shortens trials", func(p *plan.Plan) { p.Budget.Time = 20 * time.Second },
			[]plan.Point{point(1, 1, ten), point(1, 1, ten)},
			plan.Estimate{Trial: 8500 * time.Millisecond, Total: 20 * time.Second, Fits: 2},
		},
		{
			"the budget ends the sweep", func(p *plan.Plan) { p.Budget.Time = 2 * time.Second },
			[]plan.Point{point(1, 1, ten), point(1, 1, ten)},
			plan.Estimate{Trial: 1500 * time.Millisecond, Total: 2 * time.Second, Fits: 1},
		},
		{
			"load tests end the sweep", func(p *plan.Plan) { p.Budget.LoadTests = 1 },
			[]plan.Point{point(1, 1, ten), point(1, 1, ten)},
			plan.Estimate{Trial: 20 * time.Second, Total: 40 * time.Second, Fits: 1},
		},
		{
			"a trace of unknown length", nil,
			[]plan.Point{point(1, 1, load.Spec{Mode: load.Trace, File: "a"})},
			plan.Estimate{Trial: 20 * time.Second, Total: 40 * time.Second, Fits: 1},
		},
		{
			"a fresh server for each setting because of a memory constraint", func(p *plan.Plan) { p.Trial.Duration, p.Constraints.MemoryMB = 5*time.Second, 800 },
			[]plan.Point{point(1, 1, ten), point(2, 1, ten)},
			plan.Estimate{Trial: 5 * time.Second, Total: 17500 * time.Millisecond, Fits: 2},
		},
		{
			"a trace of known length is measured to its end", func(p *plan.Plan) { p.Trial.Duration, p.Budget.Time = time.Second, 5*time.Minute },
			[]plan.Point{point(1, 1, minute), point(1, 1, minute), point(1, 1, minute), point(1, 1, minute), point(1, 1, minute), point(1, 1, minute)},
			plan.Estimate{Trial: time.Minute, Total: 5 * time.Minute, Fits: 4},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := plan.Default()
			if c.change != nil {
				c.change(&p)
			}
			got := p.Estimate(c.points)
			got.Trial, got.Total = got.Trial.Round(time.Millisecond), got.Total.Round(time.Millisecond)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestAutoUsesThePlaces checks that the range auto has the devices and precisions of the target, and
// that combinations without a place are skipped with the reason.
func TestAutoUsesThePlaces(t *testing.T) {
	limits := twoCores()
	limits.Places = []knob.Place{{Device: "cpu", Precision: knob.FullPrecision}, {Device: "gpu", Precision: knob.FullPrecision}, {Device: "gpu", Precision: knob.HalfPrecision, Workers: 1}}
	p := plan.Default()
	p.Knobs = map[knob.Name]string{knob.Device: knob.Auto, knob.FP16: knob.Auto, knob.Workers: "1-2"}
	points, skipped := p.Points(limits, knob.Default(knob.TorchServe), nil)
	var got, out []string
	for _, x := range points {
		got = append(got, fmt.Sprint(x.Settings.Workers, " ", x.Settings.Device, " ", x.Settings.Precision))
	}
	for _, x := range skipped {
		out = append(out, x.Reason)
	}
	want := []string{"1 cpu fp32", "1 gpu fp32", "1 gpu fp16", "2 cpu fp32", "2 gpu fp32"}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
	if text := strings.Join(out, "\n"); !strings.Contains(text, "the model cannot run on cpu in fp16") || !strings.Contains(text, "workers: 2 on gpu in fp16 is outside 1-1") {
		t.Errorf("skipped: %s", text)
	}

	// Fixed knobs, and devices that do not exist.
	points, _ = p.Points(limits, knob.Default(knob.TorchServe), map[knob.Name]string{knob.Device: "remote", knob.FP16: "remote"})
	if len(points) != 2 {
		t.Errorf("%d points with both knobs fixed, want 2", len(points))
	}
	p.Knobs[knob.Device] = "gpu:7,tpu,cpu"
	limits.Places = limits.Places[:1]
	points, skipped = p.Points(limits, knob.Default(knob.TorchServe), nil)
	if len(points) != 2 || !strings.Contains(skipped[0].Reason, "device: the model cannot run on gpu:7; it can run on cpu") {
		t.Errorf("%d points, skipped %v", len(points), skipped)
	}
}
