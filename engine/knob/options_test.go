package knob_test

import (
	"encoding/json"
	"testing"

	"sweetspot/engine/knob"
)

// TestOptionsRoundTrip checks that every option can be written as text and read again.
func TestOptionsRoundTrip(t *testing.T) {
	values := map[string]string{
		"session": "own", "spin": "off", "pin": "true", "graph": "basic",
		"inter_op": "2", "arena": "off", "tf32": "on", "cuda_graphs": "true",
		"provider": "webgpu", "gpu_memory_mb": "8000",
	}
	all := knob.Options{Rule: knob.TorchServe}
	for _, name := range knob.OptionNames() {
		if got := all.Option(name); got != "" {
			t.Errorf("%s is %q by default, want nothing", name, got)
		}
		var single knob.Options
		if err := single.SetOption(name, values[name]); err != nil || single == (knob.Options{}) || single.Option(name) != values[name] {
			t.Errorf("SetOption(%s, %q) = %+v, %v", name, values[name], single, err)
		}
		if err := all.SetOption(name, values[name]); err != nil {
			t.Error(err)
		}
		delete(values, name)
	}
	if len(values) > 0 {
		t.Errorf("OptionNames() lacks %v", values)
	}
	const want = `{"rule":"torchserve","session":"own","spin":"off","pin":true,"graph":"basic","inter_op":2,"arena":"off","tf32":"on","cuda_graphs":true,"provider":"webgpu","gpu_memory_mb":8000}`
	if b, err := json.Marshal(all); err != nil || string(b) != want {
		t.Errorf("Marshal = %s, %v, want %s", b, err, want)
	}
	const description = "torchserve rule, session own, spin off, pin true, graph basic, inter_op 2, arena off, tf32 on, cuda_graphs true, provider webgpu, gpu_memory_mb 8000"
	if got := all.Describe(); got != description {
		t.Errorf("Describe() = %q, want %q", got, description)
	}
}

func TestInvalidOptions(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"session", "mine", `session: "mine": want shared or own`},
		{"graph", "some", `graph: "some": want off, basic, extended or all`},
		{"inter_op", "-1", `inter_op: "-1": want a whole number from 0 to 1024`},
		{"provider", "rocm", `provider: "rocm": want cuda, tensorrt or webgpu`},
		{"gpu_memory_mb", "1000001", `gpu_memory_mb: "1000001": want a whole number from 0 to 1000000`},
		{"pin", "yes", `pin: "yes": want true or false`},
		{"sesion", "own", `"sesion": unknown option; did you mean session?`},
	} {
		var o knob.Options
		if err := o.SetOption(c.name, c.value); err == nil || err.Error() != c.want || o != (knob.Options{}) {
			t.Errorf("SetOption(%s, %q) = %v and %+v, want %q", c.name, c.value, err, o, c.want)
		}
	}
	invalid := knob.Options{Spin: "x", InterOp: 5000}
	if got := invalid.Invalid(); len(got) != 2 || got["spin"] == nil || got["inter_op"] == nil {
		t.Errorf("Invalid() = %v, want errors of spin and inter_op", got)
	}
}

func TestCheckSupported(t *testing.T) {
	o := knob.Options{Rule: knob.Eager, Session: "own", Pin: true, TF32: "off"}
	if err := o.CheckSupported("session", "pin", "tf32"); err != nil {
		t.Errorf("all options supported: %v", err)
	}
	const want = "options: pin: not available in this engine\noptions: tf32: not available in this engine"
	if err := o.CheckSupported("session"); err == nil || err.Error() != want {
		t.Errorf("CheckSupported = %v, want %q", err, want)
	}
	if err := (knob.Options{Rule: knob.Eager}).CheckSupported(); err != nil {
		t.Errorf("every backend has the rule: %v", err)
	}
}
