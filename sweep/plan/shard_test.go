package plan_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
)

// gridOfSize returns n different points.
func gridOfSize(n int) []plan.Point {
	out := make([]plan.Point, n)
	for i := range out {
		out[i] = plan.Point{Settings: knob.Settings{Workers: i + 1}, Load: load.Spec{Concurrency: 10}}
	}
	return out
}

// TestDivide: for random grids, numbers of shards and seeds, every point is in exactly one shard, in
// the order of the plan, no shard has two points more than another, and all have the same control.
func TestDivide(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		p := plan.Plan{Seed: r.Uint64()}
		all := gridOfSize(1 + r.IntN(60))
		n := 1 + r.IntN(len(all))
		seen := map[int]int{}
		least, most := len(all), 0
		for i := 1; i <= n; i++ {
			part, err := p.Divide(all, plan.Shard{Index: i, Count: n})
			if err != nil {
				t.Fatal(err)
			}
			if part.Control.Settings != all[0].Settings || part.Control.Load != all[0].Load || part.Grid.Points != len(all) {
				t.Fatalf("%d of %d: control %v, grid %v", i, n, part.Control, part.Grid)
			}
			last := 0
			for _, pt := range part.Points {
				if pt.Settings.Workers <= last {
					t.Fatalf("%d of %d: the points are not in the order of the plan", i, n)
				}
				last = pt.Settings.Workers
				seen[last]++
			}
			least, most = min(least, len(part.Points)), max(most, len(part.Points))
		}
		for i := range all {
			if seen[i+1] != 1 {
				t.Fatalf("%d points, %d shards, seed %d: point %d is in %d shards", len(all), n, p.Seed, i+1, seen[i+1])
			}
		}
		if most-least > 1 || least == 0 {
			t.Fatalf("%d points, %d shards: %d-%d points each", len(all), n, least, most)
		}
	}
}

// TestDivideSpreadsKnobs: with as many shards as the innermost knob has values, every n-th point
// would be one value for each shard. No shard has only one.
func TestDivideSpreadsKnobs(t *testing.T) {
	p := plan.Default()
	p.Strategy, p.Knobs = "grid", map[knob.Name]string{knob.Workers: "1-16", knob.BatchSize: "8", knob.BatchDelay: "1,2,5,10"}
	limits := knob.Limits{Rule: knob.TorchServe, BatchAxis: true}
	all, _ := p.Points(limits, knob.Default(knob.TorchServe), nil)
	if len(all) != 64 {
		t.Fatalf("%d points", len(all))
	}
	for i := 1; i <= 4; i++ {
		part, err := p.Divide(all, plan.Shard{Index: i, Count: 4})
		if err != nil {
			t.Fatal(err)
		}
		delays := map[time.Duration]int{}
		for _, pt := range part.Points {
			delays[pt.Settings.BatchDelay]++
		}
		for _, ms := range []time.Duration{1, 2, 5, 10} {
			if delays[ms*time.Millisecond] != 4 {
				t.Errorf("shard %d has the delays %v, want each 4 times", i, delays)
			}
		}
	}
}

// TestDivideIsFixed: the rule must not change, because shards of one grid may be measured by
// different versions of the program.
func TestDivideIsFixed(t *testing.T) {
	p := plan.Plan{Seed: 1}
	var got []string
	for i := 1; i <= 3; i++ {
		part, err := p.Divide(gridOfSize(8), plan.Shard{Index: i, Count: 3})
		if err != nil {
			t.Fatal(err)
		}
		var numbers []int
		for _, pt := range part.Points {
			numbers = append(numbers, pt.Settings.Workers)
		}
		got = append(got, fmt.Sprint(numbers))
	}
	if want := []string{"[2 4]", "[1 6 8]", "[3 5 7]"}; !slices.Equal(got, want) {
		t.Errorf("shards = %q, want %q", got, want)
	}
}

func TestDivideRefusals(t *testing.T) {
	_, err := plan.Plan{}.Divide(gridOfSize(3), plan.Shard{Index: 1, Count: 4})
	if err == nil || !strings.Contains(err.Error(), "the grid has only 3 points, so that there can be at most 3 shards") {
		t.Errorf("more shards than points: %v", err)
	}
	a, _ := plan.Plan{}.Divide(gridOfSize(3), plan.Shard{Index: 1, Count: 2})
	b, _ := plan.Plan{}.Divide(gridOfSize(4)[1:], plan.Shard{Index: 2, Count: 2})
	if a.Grid == b.Grid {
		t.Error("two grids are the same")
	}
	for want, change := range map[string]func(*plan.Plan){
		"only strategy grid":       func(p *plan.Plan) { p.Strategy = "auto" },
		"only question throughput": func(p *plan.Plan) { p.Question = plan.Capacity },
		"a hold of 1h0m0s":         func(p *plan.Plan) { p.Hold = time.Hour },
	} {
		p := plan.Default()
		p.Strategy = "grid"
		if err := p.CheckShards(); err != nil {
			t.Fatal(err)
		}
		change(&p)
		if err := p.CheckShards(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("CheckShards = %v, want %q", err, want)
		}
	}
}

func TestParseShard(t *testing.T) {
	for text, want := range map[string]string{
		"1/1": "", "2/4": "", "10000/10000": "",
		"": "want i/n", "3": "want i/n", "a/b": "want i/n", "1/2/3": "want i/n", "1.5/2": "want i/n",
		"0/4": "the first number must be 1-4", "5/4": "the first number must be 1-4", "-1/4": "the first number must be 1-4",
		"1/0": "must be 1-10000", "1/10001": "must be 1-10000",
	} {
		s, err := plan.ParseShard(text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("ParseShard(%q) = %v, want %q", text, err, want)
		}
		if err == nil && s.String() != text {
			t.Errorf("%q is written as %q", text, s)
		}
	}
}

func FuzzParseShard(f *testing.F) {
	for _, text := range []string{"1/1", "2/4", "0/4", "1/0", "x/y", "+1/+2", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := plan.ParseShard(text)
		if err != nil {
			return
		}
		b, err := json.Marshal(s)
		var again plan.Shard
		if err != nil || json.Unmarshal(b, &again) != nil || again != s || s.Index < 1 || s.Index > s.Count {
			t.Fatalf("%q: %v, %s, %v", text, s, b, err)
		}
	})
}
