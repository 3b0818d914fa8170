package plan_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/sweep/plan"
)

// remote returns the limits of a target with two knobs of its own.
func remote() knob.Limits {
	return knob.Limits{Cores: 2, BatchAxis: true, Own: []knob.Knob{
		{Name: "max_batch_size", Min: 1, Max: 32}, {Name: "scheduler", Values: []string{"fifo", "lifo", "1-2"}},
	}}
}

// TestOwnKnobs checks that Parse keeps the texts of own knobs, and that Resolve expands them.
func TestOwnKnobs(t *testing.T) {
	text := "version: 1\nknobs:\n  max_batch_size: [1, 4-16*2, 8]\n  scheduler: [lifo, fifo]\n  workers: 1-2\n  \"a-b.c\": auto\ntarget: http://box:8000\n"
	p, err := plan.Parse("plan.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := map[knob.Name]string{"max_batch_size": "1,4-16*2,8", "scheduler": "lifo,fifo", knob.Workers: "1,2", "a-b.c": "auto"}
	if diff := cmp.Diff(want, p.Knobs); diff != "" {
		t.Errorf("knobs (-want +got):\n%s", diff)
	}
	canonical, err := p.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	if want := "knobs:\n  workers: [1, 2]\n  \"a-b.c\": auto\n  max_batch_size: [1, \"4-16*2\", 8]\n  scheduler: [lifo, fifo]\n"; !strings.Contains(string(canonical), want) {
		t.Errorf("canonical:\n%s\nwant %s", canonical, want)
	}
	again, err := plan.Parse("plan.yaml", canonical)
	if err != nil || !cmp.Equal(p, again, samePlan) {
		t.Errorf("Parse of the canonical text: %+v, %v", again.Knobs, err)
	}
	written, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var read plan.Plan
	if err := json.Unmarshal(written, &read); err != nil || !cmp.Equal(p, read, samePlan) {
		t.Errorf("Unmarshal(%s) = %+v, %v", written, read.Knobs, err)
	}
	delete(p.Knobs, "a-b.c")
	resolved, err := p.Resolve(remote())
	if err != nil {
		t.Fatal(err)
	}
	if got := resolved.Knobs["max_batch_size"]; got != "1,4,8,16" || p.Knobs["max_batch_size"] == got {
		t.Errorf("resolved %s, original plan %s; want 1,4,8,16 and no change of the original", got, p.Knobs["max_batch_size"])
	}
	if twice, err := resolved.Resolve(remote()); err != nil || twice.Hash() != resolved.Hash() || resolved.Hash() == p.Hash() {
		t.Errorf("resolved twice: %v, %v", twice.Knobs, err)
	}
}

func TestInvalidOwnKnobs(t *testing.T) {
	parse := func(knobs, target string) (plan.Plan, error) {
		return plan.Parse("plan.yaml", []byte("version: 1\nknobs:\n  "+knobs+"\ntarget: "+target+"\n"))
	}
	for _, c := range []struct{ knobs, target, want string }{
		{"max_batch_size: 8", "local", `plan.yaml:3:3: knobs: "max_batch_size": unknown knob`},
		{"spinn: on", "local", `plan.yaml:3:3: knobs: "spinn": unknown knob; did you mean spin?`},
		{"frobnicate: 1", "local", `knobs: "frobnicate": unknown knob; known: workers, batch_size, batch_delay_ms, precision, device, threads, queue_size, session, spin, pin, graph, inter_op, arena`},
		{"colour:", "virtual", `plan.yaml:3:3: knobs: "colour": unknown knob; known: workers`},
		{"batchsize: 8", "http://box:1", `plan.yaml:3:3: knobs: "batchsize": unknown knob; did you mean batch_size?`},
		{"Streams: 8", "http://box:1", `plan.yaml:3:3: knobs: "Streams": unknown knob`},
		{"streams: [1, a b]", "http://box:1", `plan.yaml:3:12: knobs: streams: "a b" is not a value`},
		{"streams: []", "http://box:1", "plan.yaml:3:12: knobs: streams: the list is empty"},
		{"streams: '1,,2'", "http://box:1", "knobs: streams: a value in the list is missing"},
		{"streams: {a: 1}", "http://box:1", "knobs: streams: want a value, a range, a list or auto, not a map"},
	} {
		if _, err := parse(c.knobs, c.target); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s on %s: %v, want %s", c.knobs, c.target, err, c.want)
		}
	}
	for _, c := range []struct{ knobs, want string }{
		{"max_batchsize: 8", `knobs: "max_batchsize": unknown knob; did you mean max_batch_size? The target has workers, batch_size, batch_delay_ms, precision, device, threads, queue_size, max_batch_size, scheduler`},
		{"max_batch_size: 64", "knobs: max_batch_size: 64 is outside 1-32"},
		{"max_batch_size: [auto, 8]", `knobs: max_batch_size: "auto" is not a number`},
		{"scheduler: random", `knobs: scheduler: "random" is not one of its values: fifo, lifo, 1-2`},
	} {
		p, err := parse(c.knobs, "http://box:1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Resolve(remote()); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.knobs, err, c.want)
		}
	}
}

// TestOwnPoints checks that the target's own knobs are the innermost loops, and that a knob that is
// not named keeps its value.
func TestOwnPoints(t *testing.T) {
	p := plan.Default()
	p.Target = "http://box:1"
	p.Knobs = map[knob.Name]string{"scheduler": "1-2,fifo", "max_batch_size": "auto", knob.Workers: "1,2"}
	p, err := p.Resolve(remote())
	if err != nil {
		t.Fatal(err)
	}
	base := knob.Default(knob.TorchServe)
	base.Own = "max_batch_size=4 scheduler=lifo"
	points, skipped := p.Points(remote(), base, nil)
	if len(points) != 2*6*2 || len(skipped) != 0 {
		t.Fatalf("%d points, skipped %v", len(points), skipped)
	}
	var first []knob.OwnValues
	for _, x := range points[:4] {
		first = append(first, x.Settings.Own)
	}
	if diff := cmp.Diff([]knob.OwnValues{"max_batch_size=1 scheduler=1-2", "max_batch_size=1 scheduler=fifo", "max_batch_size=2 scheduler=1-2", "max_batch_size=2 scheduler=fifo"}, first); diff != "" {
		t.Errorf("first points (-want +got):\n%s", diff)
	}
	p.Knobs = map[knob.Name]string{"max_batch_size": "8"}
	points, _ = p.Points(remote(), base, nil)
	if len(points) != 1 || points[0].Settings.Own != "max_batch_size=8 scheduler=lifo" {
		t.Errorf("points %v", points)
	}
	p.Knobs["max_batch_size"] = "1,8"
	points, skipped = p.Points(remote(), base, map[knob.Name]string{"max_batch_size": "read-only"})
	if len(points) != 0 || len(skipped) != 2 || skipped[0].Reason != "max_batch_size stays at 4: read-only" {
		t.Errorf("a fixed knob: %v, %v", points, skipped)
	}
}

// TestVaryOwn: if the plan names no own knob, those that are known to change without a reload are
// varied, with the value in force, up to a number of combinations.
func TestVaryOwn(t *testing.T) {
	batch := knob.Knob{Name: "batch", Values: []string{"1", "8", "32"}, Cost: knob.Hot}
	for _, c := range []struct {
		name  string
		own   []knob.Knob
		now   knob.OwnValues
		fixed map[knob.Name]string
		named string
		want  string
	}{
		{"values and a range", []knob.Knob{batch, {Name: "instances", Min: 1, Max: 4, Cost: knob.Warm}}, "batch=8 instances=3", nil, "", "batch=1,8,32 instances=3,1,2,4"},
		{"a reload", []knob.Knob{batch, {Name: "engine", Values: []string{"a", "b"}, Cost: knob.Reload}}, "batch=8 engine=a", nil, "", "batch=1,8,32"},
		{"no cost", []knob.Knob{{Name: "batch", Min: 1, Max: 8}}, "batch=1", nil, "", ""},
		{"only a name", []knob.Knob{{Name: "batch", Cost: knob.Hot}}, "batch=1", nil, "", ""},
		{"fixed", []knob.Knob{batch}, "batch=1", map[knob.Name]string{"batch": "why"}, "", ""},
		{"no value", []knob.Knob{batch}, "", nil, "", "batch=1,8,32"},
		{"a value outside", []knob.Knob{batch}, "batch=5", nil, "", "batch=1,8,32"},
		{"another one is named", []knob.Knob{batch, {Name: "engine", Values: []string{"a", "b"}, Cost: knob.Reload}}, "batch=1 engine=a", nil, "engine", "engine=b"},
		{"too many combinations", []knob.Knob{
			{Name: "a", Min: 1, Max: 128, Cost: knob.Hot}, {Name: "b", Min: 1, Max: 128, Cost: knob.Hot}, {Name: "c", Min: 1, Max: 2, Cost: knob.Hot},
		}, "a=1 b=1 c=1", nil, "", "a=1,2,4,8,16,32,64,128 b=1,2,4,8,16,32,64,128"},
	} {
		p := plan.Default()
		p.Target, p.Knobs = "http://box:1", map[knob.Name]string{knob.Workers: "2"}
		if c.named != "" {
			p.Knobs[knob.Name(c.named)] = "b"
		}
		limits, base := knob.Limits{Own: c.own, BatchAxis: true}, knob.Default(knob.TorchServe)
		base.Own = c.now
		got := p.VaryOwn(limits, base, c.fixed)
		var parts []string
		for _, n := range got.OwnNotIn(plan.Plan{}) {
			parts = append(parts, string(n)+"="+got.Knobs[n])
		}
		if text := strings.Join(parts, " "); text != c.want || got.Knobs[knob.Workers] != "2" {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
		if len(p.Knobs) > 2 {
			t.Errorf("%s: the original plan has %v", c.name, p.Knobs)
		}
		if twice := got.VaryOwn(limits, base, c.fixed); !cmp.Equal(got.Knobs, twice.Knobs) || len(twice.OwnNotIn(got)) > 0 {
			t.Errorf("%s: varied twice: %v", c.name, twice.Knobs)
		}
		if _, err := got.Resolve(limits); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestRuleOfPlans: a plan file has a rule, the default or another one; the plan in the profile of a
// target that does not report its rule has none.
func TestRuleOfPlans(t *testing.T) {
	if _, err := plan.Parse("plan.yaml", []byte("version: 1\nrule: \"\"\n")); err == nil || !strings.Contains(err.Error(), `plan.yaml:2:7: rule "": want torchserve or eager`) {
		t.Errorf("an empty rule: %v", err)
	}
	p, err := plan.Parse("plan.yaml", []byte("version: 1\n"))
	if err != nil || p.Options.Rule != knob.TorchServe {
		t.Errorf("the default rule is %v, %v", p.Options.Rule, err)
	}
	p.Target, p.Options.Rule = "http://box:1", knob.RuleUnreported
	text, err := json.Marshal(p)
	if err != nil || strings.Contains(string(text), "rule") {
		t.Errorf("a plan without a rule: %s, %v", text, err)
	}
	var back plan.Plan
	if err := json.Unmarshal(text, &back); err != nil || !cmp.Equal(p, back, samePlan) {
		t.Errorf("read back: %+v, %v", back, err)
	}
	var local plan.Plan
	if err := json.Unmarshal([]byte(`{"version":1,"target":"local"}`), &local); err != nil || local.Options.Rule != knob.TorchServe {
		t.Errorf("a plan for the local engine without a rule: %v, %v", local.Options.Rule, err)
	}
}
