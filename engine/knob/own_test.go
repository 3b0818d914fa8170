package knob_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
)

// own returns the values of "name=value" pairs.
func own(t testing.TB, pairs ...string) knob.OwnValues {
	t.Helper()
	var o knob.OwnValues
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		if err := o.Set(knob.Name(name), value); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// TestOwnIsCanonical checks that the order in which values are set does not matter.
func TestOwnIsCanonical(t *testing.T) {
	pairs := []string{"max_batch_size=8", "instances=2", "a.b=x=y", "a-b=1", "a=0"}
	want := knob.OwnValues("a=0 a-b=1 a.b=x=y instances=2 max_batch_size=8")
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		r.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
		if got := own(t, pairs...); got != want {
			t.Fatalf("%v = %q, want %q", pairs, got, want)
		}
	}
	o := want
	if err := o.Set("instances", "3"); err != nil || o == want || o.Get("instances") != "3" {
		t.Errorf("Set(instances, 3) = %q, %v", o, err)
	}
	if err := o.Set("instances", ""); err != nil || o.Get("instances") != "" || slices.Contains(o.Names(), "instances") {
		t.Errorf("Set(instances, nothing) = %q, %v", o, err)
	}
	if err := o.Set("none", ""); err != nil || o.Get("none") != "" {
		t.Errorf("removing a value that does not exist: %q, %v", o, err)
	}
	if got, want := want.Describe(), "a 0, a-b 1, a.b x=y, instances 2, max_batch_size 8"; got != want {
		t.Errorf("Describe() = %q, want %q", got, want)
	}
}

func TestInvalidOwnValues(t *testing.T) {
	long := strings.Repeat("x", 65)
	for _, c := range []struct {
		name  knob.Name
		value string
		want  string
	}{
		{"batchsize", "1", `"batchsize": unknown knob; did you mean batch_size?`},
		{"batch-size", "1", `"batch-size": unknown knob; did you mean batch_size?`},
		{"workers", "1", `"workers": unknown knob; did you mean workers?`},
		{"fp16", "1", `"fp16": unknown knob`},
		{"Streams", "1", `"Streams": a knob's name is 1 to 64 of a-z, digits, _ - and .`},
		{"a b", "1", `"a b": a knob's name`},
		{"", "1", `"": a knob's name`},
		{knob.Name(long), "1", "a knob's name"},
		{"streams", "a b", `streams: "a b" is not a value`},
		{"streams", "1,2", `streams: "1,2" is not a value`},
		{"streams", "/etc", `streams: "/etc" is not a value`},
		{"streams", "a\n", `streams: "a\n" is not a value`},
		{"streams", "é", `streams: "é" is not a value`},
		{"streams", long, "is not a value"},
	} {
		o := own(t, "kept=1")
		if err := o.Set(c.name, c.value); err == nil || !strings.Contains(err.Error(), c.want) || o != "kept=1" {
			t.Errorf("Set(%q, %q) = %q, %v; want %s", c.name, c.value, o, err, c.want)
		}
	}
	var o knob.OwnValues
	for i := range 33 {
		err := o.Set(knob.Name("k"+strings.Repeat("x", i)), "1")
		if (err != nil) != (i == 32) {
			t.Errorf("knob %d: %v", i+1, err)
		}
	}
}

func TestOwnOrder(t *testing.T) {
	for _, c := range []struct {
		a, b knob.OwnValues
		want int
	}{
		{"", "", 0},
		{"", "a=1", -1},
		{"a=2", "a=10", -1},
		{"a=10", "a=2", 1},
		{"a=1", "a=1.0", -1},
		{"a=x", "a=10", 1},
		{"a=1 b=2", "a=1 b=1", 1},
		{"b=1", "a=1", -1},
	} {
		if got := c.a.Compare(c.b); got != c.want {
			t.Errorf("%q.Compare(%q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

// TestOwnInSettings checks that in JSON the target's own values follow the seven, and that numbers
// are written as numbers.
func TestOwnInSettings(t *testing.T) {
	s := knob.Default(knob.TorchServe)
	s.Own = own(t, "max_batch_size=8", "scheduler=fifo", "version=1.0", "odd=01")
	const want = `{"workers":1,"batch_size":1,"batch_delay_ms":100,"precision":"fp32","device":"cpu","threads":1,"queue_size":100,` +
		`"max_batch_size":8,"odd":"01","scheduler":"fifo","version":1.0}`
	b, err := json.Marshal(s)
	if err != nil || string(b) != want {
		t.Fatalf("Marshal = %s, %v\nwant %s", b, err, want)
	}
	var back knob.Settings
	if err := json.Unmarshal(b, &back); err != nil || back != s {
		t.Errorf("Unmarshal = %+v, %v, want %+v", back, err, s)
	}
	if err := json.Unmarshal([]byte(`{"max_batch_size":"32","streams":null}`), &back); err != nil {
		t.Fatal(err)
	}
	if got := back.Get("max_batch_size"); got != "32" || back.Get("scheduler") != "fifo" || back.Has("streams") {
		t.Errorf("after a partial object: %+v", back)
	}
	if got, want := s.String(), "1 worker, batch 1, delay 100 ms, fp32, cpu, 1 thread, max_batch_size 8, odd 01, scheduler fifo, version 1.0"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	for _, c := range []struct{ in, want string }{
		{`{"streams":[1]}`, "settings: streams: want a number or a string"},
		{`{"streams":true}`, "settings: streams: want a number or a string"},
		{`{"streams":"a/b"}`, `settings: streams: "a/b" is not a value`},
		{`{"Streams":1}`, `settings: "Streams": a knob's name is`},
	} {
		got := s
		if err := json.Unmarshal([]byte(c.in), &got); err == nil || !strings.Contains(err.Error(), c.want) || got != s {
			t.Errorf("Unmarshal(%s) = %+v, %v; want %s", c.in, got, err, c.want)
		}
	}
}

// TestUnreported checks settings of a target that does not report the values of the seven.
func TestUnreported(t *testing.T) {
	s := knob.Settings{Own: own(t, "instances=2")}
	all := []knob.Name{}
	for _, k := range knob.All() {
		all = append(all, k.Name)
		if s.Has(k.Name) || s.Display(k.Name) != "n/a" {
			t.Errorf("%s: Has %t, Display %q", k.Name, s.Has(k.Name), s.Display(k.Name))
		}
		if d := knob.Default(knob.TorchServe); !d.Has(k.Name) || d.Display(k.Name) != d.Get(k.Name) {
			t.Errorf("%s of the default: Has %t, Display %q", k.Name, d.Has(k.Name), d.Display(k.Name))
		}
	}
	if got := s.String(); got != "instances 2" {
		t.Errorf("String() = %q", got)
	}
	if got := (knob.Settings{}).String(); got != "settings n/a" {
		t.Errorf("String() of empty settings = %q", got)
	}
	l := knob.Limits{Own: []knob.Knob{{Name: "instances", Min: 1, Max: 4}}, Unreported: all}
	if err := s.Validate(l); err != nil {
		t.Errorf("Validate: %v", err)
	}
	l.Unreported = nil
	if err := s.Validate(l); err == nil || strings.Count(err.Error(), "\n") != 5 {
		t.Errorf("Validate, although the target reports all knobs: %v", err)
	}
}

func TestValidateOwn(t *testing.T) {
	l := knob.Limits{Rule: knob.TorchServe, BatchAxis: true, Own: []knob.Knob{
		{Name: "max_batch_size", Min: 1, Max: 32}, {Name: "scheduler", Values: []string{"fifo", "lifo"}}, {Name: "share", Max: 1, Fractions: true},
	}}
	for _, c := range []struct{ own, want string }{
		{"", ""},
		{"max_batch_size=8 scheduler=lifo share=.5", ""},
		{"max_batch_size=64", "max_batch_size: 64 is outside 1-32"},
		{"max_batch_size=1.5", `max_batch_size: "1.5" is not a whole number`},
		{"max_batch_size=many", `max_batch_size: "many" is not a number`},
		{"scheduler=random", `scheduler: "random" is not one of its values: fifo, lifo`},
		{"max_batchsize=8", `"max_batchsize": unknown knob; did you mean max_batch_size?`},
	} {
		s := knob.Default(knob.TorchServe)
		s.Own = own(t, strings.Fields(c.own)...)
		got := ""
		if err := s.Validate(l); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("Validate(%q) = %q, want %q", c.own, got, c.want)
		}
	}
	s := knob.Default(knob.TorchServe)
	s.Own = "max_batch_size=8"
	if err := s.Validate(knob.Limits{BatchAxis: true}); err == nil || !strings.Contains(err.Error(), `"max_batch_size": unknown knob`) {
		t.Errorf("a target without such a knob: %v", err)
	}
}

func TestTable(t *testing.T) {
	table, err := knob.NewTable(
		knob.Knob{Name: "max_batch_size", Label: "max batch size", Min: 1, Max: 32},
		knob.Knob{Name: "scheduler", Label: "scheduler", Values: []string{"fifo", "a-z"}},
		knob.Knob{Name: "share", Label: "share", Max: 1, Fractions: true},
	)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(table.Own()); got != 3 || len(table) != 10 || table[0].Name != knob.Workers {
		t.Errorf("%d knobs, %d of them the target's own; want 10 and 3", len(table), got)
	}
	for _, c := range []struct {
		name knob.Name
		in   string
		want string // the values or the error
	}{
		{"max_batch_size", "1-32*2", "1 2 4 8 16 32"},
		{"max_batch_size", "8,1,8", "8 1"},
		{"max_batch_size", "08", "8"},
		{"max_batch_size", "0-4", `max_batch_size: "0-4" is outside 1-32`},
		{"scheduler", "a-z,fifo", "a-z fifo"},
		{"scheduler", "random", `scheduler: "random" is not one of its values: fifo, a-z`},
		{"share", "0-1+0.5", "0 0.5 1"},
		{"workers", "1-2", "1 2"},
		{"max_batchsize", "1", `"max_batchsize": unknown knob; did you mean max_batch_size?`},
	} {
		got, err := table.Expand(c.name, c.in)
		if text := strings.Join(got, " "); err == nil && text != c.want || err != nil && err.Error() != c.want {
			t.Errorf("Expand(%s, %q) = %q, %v; want %s", c.name, c.in, text, err, c.want)
		}
	}
	if k, err := table.Lookup("max batch size"); err != nil || k.Name != "max_batch_size" {
		t.Errorf("Lookup by label = %v, %v", k.Name, err)
	}
	if _, err := table.Lookup(""); err == nil {
		t.Error("Lookup(\"\") found a knob that has no flag")
	}
	_, err = knob.NewTable(
		knob.Knob{Name: "workers", Min: 1, Max: 2}, knob.Knob{Name: "x", Min: 1, Max: 2}, knob.Knob{Name: "x", Min: 1, Max: 2},
		knob.Knob{Name: "y"}, knob.Knob{Name: "z", Values: []string{"a b"}},
	)
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("NewTable = %v, want 4 errors", err)
	}
}

func TestAutoValues(t *testing.T) {
	for _, c := range []struct {
		k    knob.Knob
		want string
	}{
		{knob.Knob{Min: 1, Max: 32}, "1 2 4 8 16 32"},
		{knob.Knob{Min: 0, Max: 6}, "0 1 2 4 6"},
		{knob.Knob{Min: 1, Max: 100000}, "1 4 16 128 512 4096 16384 100000"},
		{knob.Knob{Min: .1, Max: .9, Fractions: true}, "0.1 0.9"},
		{knob.Knob{Values: []string{"b", "a"}}, "b a"},
		{knob.Knob{}, ""},
	} {
		if got := strings.Join(c.k.AutoValues(), " "); got != c.want {
			t.Errorf("AutoValues of %+v = %s, want %s", c.k, got, c.want)
		}
		if len(c.k.AutoValues()) > knob.MaxAutoValues {
			t.Errorf("AutoValues of %+v: more than %d", c.k, knob.MaxAutoValues)
		}
	}
}

// TestTableOf checks that settings without a target, as in a profile, give the names of its own
// knobs.
func TestTableOf(t *testing.T) {
	a, b := knob.Default(knob.TorchServe), knob.Default(knob.TorchServe)
	a.Own, b.Own = "instances=2", "instances=1 max_batch_size=8"
	var names []string
	for _, k := range knob.TableOf(a, b, a) {
		names = append(names, string(k.Name))
	}
	want := []string{"workers", "batch_size", "batch_delay_ms", "precision", "device", "threads", "queue_size", "instances", "max_batch_size"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("TableOf (-want +got):\n%s", diff)
	}
	if got := len(knob.TableOf()); got != 7 {
		t.Errorf("TableOf() has %d knobs, want 7", got)
	}
}

// FuzzOwn checks that Get and JSON return the values that were set, and that the order of setting
// them does not matter.
func FuzzOwn(f *testing.F) {
	f.Add("max_batch_size", "8", "scheduler", "fifo")
	f.Add("a", "1e3", "a-b", "-0.50")
	f.Add("a.b", "x=y", "a", "null")
	f.Add("batchsize", "1", "A", "é")
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2 string) {
		var a, b knob.OwnValues
		if a.Set(knob.Name(n1), v1) != nil || a.Set(knob.Name(n2), v2) != nil {
			return
		}
		if n1 != n2 {
			if b.Set(knob.Name(n2), v2) != nil || b.Set(knob.Name(n1), v1) != nil || a != b {
				t.Fatalf("%q in one order, %q in the other", a, b)
			}
			if a.Get(knob.Name(n1)) != v1 {
				t.Errorf("%q has %s %q, want %q", a, n1, a.Get(knob.Name(n1)), v1)
			}
		}
		if a.Get(knob.Name(n2)) != v2 || a.Compare(a) != 0 {
			t.Errorf("%q has %s %q, want %q", a, n2, a.Get(knob.Name(n2)), v2)
		}
		s := knob.Settings{Own: a}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back knob.Settings
		if err := json.Unmarshal(text, &back); err != nil || back != s {
			t.Errorf("%s: %+v, %v, want %+v", text, back, err, s)
		}
	})
}
