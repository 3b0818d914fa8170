package engine_test

import (
	"strings"
	"testing"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/knob"
)

// TestRuleIsNeeded: an engine does not guess the batching rule and the precision.
func TestRuleIsNeeded(t *testing.T) {
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"fake": &doubler{}}, Cores: 8})
	for want, change := range map[string]func(*knob.Config){
		"load m: rule: there is none; want torchserve or eager": func(c *knob.Config) { c.Options = knob.Options{} },
		"load m: precision: there is none; want fp32 or fp16":   func(c *knob.Config) { c.Precision = knob.PrecisionUnreported },
	} {
		c := config(1, 1, time.Millisecond)
		change(&c)
		if err := e.Load(t.Context(), model(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load: %v, want %s", err, want)
		}
	}
}
