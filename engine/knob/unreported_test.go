package knob_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
)

// remove returns settings without values for some of the seven.
func remove(s knob.Settings, names ...knob.Name) knob.Settings {
	for _, n := range names {
		switch n {
		case knob.Workers:
			s.Workers = 0
		case knob.BatchSize:
			s.BatchSize = 0
		case knob.BatchDelay:
			s.BatchDelay = knob.DelayUnreported
		case knob.FP16:
			s.Precision = knob.PrecisionUnreported
		case knob.Device:
			s.Device = ""
		case knob.Threads:
			s.Threads = 0
		case knob.QueueSize:
			s.QueueSize = 0
		}
	}
	if s.BatchSize == 0 && (s.BatchDelay == knob.DelayUnreported || s.BatchDelay == 0) {
		s.BatchDelay = 0 // the only form of a missing delay without a batch size
	}
	return s
}

// TestUnreportedJSON: a value that is not reported is absent in JSON, n/a for people, and read as
// one that is not reported, whichever of the seven are missing.
func TestUnreportedJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for subset := range 1 << len(knob.All()) {
		var missing []knob.Name
		for i, k := range knob.All() {
			if subset>>i&1 == 1 {
				missing = append(missing, k.Name)
			}
		}
		want := randomSettings(r)
		want.BatchDelay = max(want.BatchDelay, time.Millisecond)
		want = remove(want, missing...)
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var keys map[string]any
		var got knob.Settings
		if err := json.Unmarshal(b, &keys); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &got); err != nil || got != want {
			t.Errorf("%s is read as %+v, %v; want %+v", b, got, err, want)
		}
		for _, k := range knob.All() {
			_, present := keys[string(k.Name)]
			lacks := slices.Contains(missing, k.Name)
			if got.Has(k.Name) == lacks || present == lacks || (got.Display(k.Name) == "n/a") != lacks {
				t.Errorf("%s: %s missing %t, but Has %t, Display %s", b, k.Name, lacks, got.Has(k.Name), got.Display(k.Name))
			}
		}
		l := knob.Limits{Rule: knob.Eager, BatchAxis: true, Unreported: missing}
		if err := want.Validate(l); err != nil {
			t.Errorf("%s: %v", b, err)
		}
		l.Unreported = nil
		if err := want.Validate(l); (err != nil) != (subset > 0) {
			t.Errorf("%s of a target that reports all: %v", b, err)
		}
	}
}

// TestUnreportedTexts reads settings and options that lack values in each of the two ways.
func TestUnreportedTexts(t *testing.T) {
	for _, c := range []struct{ in, want, text string }{
		{`{}`, `{}`, "settings n/a"},
		{`{"workers":"","precision":"","device":"","batch_delay_ms":""}`, `{}`, "settings n/a"},
		{`{"batch_size":8}`, `{"batch_size":8}`, "batch 8"},
		{`{"batch_size":8,"batch_delay_ms":0}`, `{"batch_size":8,"batch_delay_ms":0}`, "batch 8, delay 0 ms"},
		{`{"batch_delay_ms":5}`, `{"batch_delay_ms":5}`, "delay 5 ms"},
		{`{"precision":"fp16"}`, `{"precision":"fp16"}`, "fp16"},
		{`{"device":"gpu"}`, `{"device":"gpu"}`, "gpu"},
		{`{"device":"","precision":"fp16"}`, `{"precision":"fp16"}`, "fp16"},
		{`{"instances":2,"mode":""}`, `{"instances":2}`, "instances 2"},
		// as earlier versions wrote settings of a server that reports none of the seven
		{`{"workers":0,"batch_size":0,"batch_delay_ms":0,"precision":"fp32","device":"","threads":0,"queue_size":0,"instances":2}`, `{"instances":2}`, "instances 2"},
	} {
		var s knob.Settings
		if err := json.Unmarshal([]byte(c.in), &s); err != nil {
			t.Errorf("%s: %v", c.in, err)
		}
		if b, err := json.Marshal(s); err != nil || string(b) != c.want || s.String() != c.text {
			t.Errorf("%s is read as %q and written as %s, %v; want %q and %s", c.in, s, b, err, c.text, c.want)
		}
	}
	for in, want := range map[string]knob.Rule{
		`{}`: knob.RuleUnreported, `{"rule":""}`: knob.RuleUnreported, `{"rule":"torchserve"}`: knob.TorchServe, `{"rule":"eager"}`: knob.Eager,
	} {
		var o knob.Options
		if err := json.Unmarshal([]byte(in), &o); err != nil || o.Rule != want {
			t.Errorf("%s: rule %v, %v; want %v", in, o.Rule, err, want)
		}
		if b, err := json.Marshal(o); err != nil || string(b) != strings.ReplaceAll(in, `"rule":""`, "") {
			t.Errorf("%s is written as %s, %v", in, b, err)
		}
	}
	if got := (knob.Options{}).Describe(); got != "rule n/a" {
		t.Errorf("Describe() = %q", got)
	}
}

// TestPartialObjectKeepsTheDelay: a change without a delay keeps the delay in force, also one of 0.
func TestPartialObjectKeepsTheDelay(t *testing.T) {
	s := knob.Default(knob.Eager)
	if err := json.Unmarshal([]byte(`{"batch_size":8,"batch_delay_ms":null}`), &s); err != nil || !s.Has(knob.BatchDelay) || s.BatchDelay != 0 || s.BatchSize != 8 {
		t.Errorf("%+v, %v", s, err)
	}
	for _, size := range []string{"8", "0", "4"} {
		var s knob.Settings
		if err := s.Set(knob.BatchSize, "2"); err != nil || s.Has(knob.BatchDelay) {
			t.Errorf("Set of the batch size: %+v, %v", s, err)
		}
		if err := s.Set(knob.BatchSize, size); err != nil || s.Has(knob.BatchDelay) || size == "0" && s != (knob.Settings{}) {
			t.Errorf("Set of the batch size to %s: %+v, %v", size, s, err)
		}
		if err := s.Set(knob.BatchDelay, "0"); err != nil || s.Has(knob.BatchDelay) != (size != "0") {
			t.Errorf("Set of the delay at batch size %s: %+v, %v", size, s, err)
		}
	}
	s = knob.Settings{}
	if err := json.Unmarshal([]byte(`{"batch_size":8}`), &s); err != nil || s.Has(knob.BatchDelay) {
		t.Errorf("a delay that nobody reports: %+v, %v", s, err)
	}
}

// TestUnreportedIsRefused: what a person writes, and what an engine is given, needs a value.
func TestUnreportedIsRefused(t *testing.T) {
	if _, err := knob.ParseRule(""); err == nil || err.Error() != `rule "": want torchserve or eager` {
		t.Errorf("ParseRule: %v", err)
	}
	var s knob.Settings
	if err := s.Set(knob.FP16, ""); err == nil || err.Error() != `precision "": want fp32 or fp16` {
		t.Errorf("Set: %v", err)
	}
	for n, want := range map[knob.Name]string{
		knob.FP16: "precision: there is none; want fp32 or fp16", knob.BatchDelay: "batch_delay_ms: there is none; want a number of milliseconds",
	} {
		s := knob.Default(knob.TorchServe)
		if err := remove(s, n).Validate(knob.Limits{Rule: knob.TorchServe, BatchAxis: true}); err == nil || err.Error() != want {
			t.Errorf("Validate without %s: %v", n, err)
		}
	}
	places := knob.Limits{Places: []knob.Place{{Device: "cpu", Precision: knob.FullPrecision}}}
	if err := places.CheckPlace(knob.Settings{Device: "cpu"}); err != nil {
		t.Errorf("a place without a precision: %v", err)
	}
	if err := places.CheckPlace(knob.Settings{Device: "gpu"}); err == nil {
		t.Error("a device that the target does not have was accepted")
	}
}

// TestCostUnreported: a knob without a cost is not one that changes at once.
func TestCostUnreported(t *testing.T) {
	var k knob.Knob
	if b, err := k.Cost.MarshalText(); err != nil || len(b) > 0 || k.Cost.IsCheap() || k.Cost.String() != "n/a" {
		t.Errorf("cost %q, %v, cheap %t", b, err, k.Cost.IsCheap())
	}
	c := knob.Reload
	if err := c.UnmarshalText(nil); err != nil || c != knob.CostUnreported {
		t.Errorf("UnmarshalText of nothing: %v, %v", c, err)
	}
	if !knob.Hot.IsCheap() || !knob.Warm.IsCheap() || knob.Reload.IsCheap() {
		t.Error("only hot and warm are cheap")
	}
}
