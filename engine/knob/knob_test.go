package knob_test

import (
	"encoding"
	"fmt"
	"strings"
	"testing"

	"sweetspot/engine/knob"
)

func TestAllIsComplete(t *testing.T) {
	want := []knob.Name{
		knob.Workers, knob.BatchSize, knob.BatchDelay, knob.FP16, knob.Device, knob.Threads, knob.QueueSize,
	}
	all := knob.All()
	if len(all) != len(want) {
		t.Fatalf("All() has %d knobs, want %d", len(all), len(want))
	}
	seen := map[string]bool{}
	for i, k := range all {
		if k.Name != want[i] {
			t.Errorf("All()[%d] = %s, want %s", i, k.Name, want[i])
		}
		for _, s := range []string{string(k.Name), k.Flag, k.Label, k.Help} {
			if s == "" {
				t.Errorf("%s: an empty name, flag, label or help: %+v", k.Name, k)
			}
		}
		if seen[k.Flag] {
			t.Errorf("%s: another knob has the flag %s", k.Name, k.Flag)
		}
		seen[k.Flag] = true
		if k.Min > k.Max {
			t.Errorf("%s: range %g-%g", k.Name, k.Min, k.Max)
		}
	}
	all[0].Name = "changed"
	if knob.All()[0].Name != knob.Workers {
		t.Error("All() returns the table itself, not a copy")
	}
}

func TestDefaultsAreInRange(t *testing.T) {
	for _, rule := range []knob.Rule{knob.TorchServe, knob.Eager} {
		if err := knob.Default(rule).Validate(knob.Limits{Rule: rule, Cores: 1}); err != nil {
			t.Errorf("Default(%v): %v", rule, err)
		}
	}
}

func TestLookup(t *testing.T) {
	for _, k := range knob.All() {
		for _, s := range []string{string(k.Name), k.Flag, k.Label} {
			if got, err := knob.Lookup(s); err != nil || got.Name != k.Name {
				t.Errorf("Lookup(%q) = %v, %v, want %s", s, got.Name, err, k.Name)
			}
		}
	}
	_, err := knob.Lookup("batchsize")
	if want := `"batchsize": unknown knob; did you mean batch_size?`; err == nil || err.Error() != want {
		t.Errorf("Lookup(batchsize) = %v, want %s", err, want)
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"workers", "batch_size", "batch_delay_ms"}
	for _, c := range []struct{ in, want string }{
		{"worker", "; did you mean workers?"},
		{"BatchSize", "; did you mean batch_size?"},
		{"batch-size", "; did you mean batch_size?"},
		{"batch_delay", "; did you mean batch_delay_ms?"},
		{"colour", "; known: workers, batch_size, batch_delay_ms"},
		{"", "; known: workers, batch_size, batch_delay_ms"},
	} {
		if got := knob.Suggest(c.in, known); got != c.want {
			t.Errorf("Suggest(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

// TestEnumTexts checks that every enumeration reads what it writes, and that its error lists the
// valid texts.
func TestEnumTexts(t *testing.T) {
	type enum interface {
		encoding.TextMarshaler
		fmt.Stringer
	}
	for _, c := range []struct {
		value enum
		into  interface {
			encoding.TextUnmarshaler
			fmt.Stringer
		}
		want, refusal string
	}{
		{knob.Hot, new(knob.Cost), "hot", "want hot, warm or reload"},
		{knob.Warm, new(knob.Cost), "warm", "want hot, warm or reload"},
		{knob.Reload, new(knob.Cost), "reload", "want hot, warm or reload"},
		{knob.TorchServe, new(knob.Rule), "torchserve", "want torchserve or eager"},
		{knob.Eager, new(knob.Rule), "eager", "want torchserve or eager"},
		{knob.FullPrecision, new(knob.Precision), "fp32", "want fp32 or fp16"},
		{knob.HalfPrecision, new(knob.Precision), "fp16", "want fp32 or fp16"},
	} {
		text, err := c.value.MarshalText()
		if err != nil || string(text) != c.want {
			t.Errorf("%v: MarshalText = %q, %v, want %q", c.value, text, err, c.want)
		}
		if err := c.into.UnmarshalText(text); err != nil || c.into.String() != c.want {
			t.Errorf("UnmarshalText(%q) = %v, %v", text, c.into, err)
		}
		if err := c.into.UnmarshalText([]byte("nonsense")); err == nil || !strings.Contains(err.Error(), c.refusal) {
			t.Errorf("UnmarshalText(nonsense) = %v, want %q in it", err, c.refusal)
		}
		if c.into.String() != c.want {
			t.Errorf("a refused text changed the value to %v", c.into)
		}
	}
}
