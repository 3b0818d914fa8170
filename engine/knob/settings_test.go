package knob_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
)

// randomSettings returns settings that are valid under the eager rule.
func randomSettings(r *rand.Rand) knob.Settings {
	return knob.Settings{
		Workers:    1 + r.IntN(256),
		BatchSize:  1 + r.IntN(1024),
		BatchDelay: time.Duration(r.IntN(600001)) * 100 * time.Microsecond,
		Precision:  knob.FullPrecision + knob.Precision(r.IntN(2)),
		Device:     []string{"cpu", "gpu", "gpu:0", "gpu:GPU-1a2b"}[r.IntN(4)],
		Threads:    1 + r.IntN(1024),
		QueueSize:  1 + r.IntN(1000000),
	}
}

func TestSettingsRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		want := randomSettings(r)
		if err := want.Validate(knob.Limits{Rule: knob.Eager, BatchAxis: true}); err != nil {
			t.Fatalf("%v: %v", want, err)
		}
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var fromJSON, fromText knob.Settings
		if err := json.Unmarshal(b, &fromJSON); err != nil || fromJSON != want {
			t.Errorf("JSON %s = %v, %v, want %v", b, fromJSON, err, want)
		}
		for _, k := range knob.All() {
			if err := fromText.Set(k.Name, want.Get(k.Name)); err != nil {
				t.Errorf("Set(%s, %q): %v", k.Name, want.Get(k.Name), err)
			}
		}
		if fromText != want {
			t.Errorf("Set with the texts of %v = %v", want, fromText)
		}
	}
}

func TestSettingsJSON(t *testing.T) {
	b, err := json.Marshal(knob.Default(knob.TorchServe))
	const want = `{"workers":1,"batch_size":1,"batch_delay_ms":100,"precision":"fp32","device":"cpu","threads":1,"queue_size":100}`
	if err != nil || string(b) != want {
		t.Errorf("Marshal = %s, %v, want %s", b, err, want)
	}
	s := knob.Default(knob.TorchServe)
	if err := json.Unmarshal([]byte(`{"batch_size":8,"batch_delay_ms":.5e1}`), &s); err == nil {
		t.Error("a number that is not valid JSON was read")
	}
	if err := json.Unmarshal([]byte(`{"batch_size":8,"batch_delay_ms":5}`), &s); err != nil {
		t.Fatal(err)
	}
	changed := knob.Default(knob.TorchServe)
	changed.BatchSize, changed.BatchDelay = 8, 5*time.Millisecond
	if diff := cmp.Diff(changed, s); diff != "" {
		t.Errorf("after a partial object (-want +got):\n%s", diff)
	}
}

func TestSettingsJSONErrors(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`[]`, "settings: want an object of knobs"},
		{`{"batchsize":1}`, `settings: "batchsize": unknown knob; did you mean batch_size?`},
		{`{"batch-size":1}`, `settings: "batch-size": unknown knob; did you mean batch_size?`},
		{`{"Workers":1}`, `settings: "Workers": unknown knob; did you mean workers?`},
		{`{"workers":"two"}`, "settings: json"},
		{`{"workers":1.5}`, "settings: json"},
		{`{"precision":"fp8"}`, `settings: precision "fp8": want fp32 or fp16`},
		{`{"batch_delay_ms":1e300}`, "settings: batch_delay_ms: 1e+300 is outside 0-60000"},
		{`{"batch_delay_ms":0.00001}`, "settings: batch_delay_ms: 1e-05 is not a multiple of 0.1 ms"},
	} {
		s := knob.Default(knob.Eager)
		err := json.Unmarshal([]byte(c.in), &s)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("Unmarshal(%s) = %v, want %s", c.in, err, c.want)
		}
		if s != knob.Default(knob.Eager) {
			t.Errorf("Unmarshal(%s) changed the settings to %v", c.in, s)
		}
	}
}

func TestSetErrorsKeepTheValue(t *testing.T) {
	for _, k := range knob.All() {
		s := knob.Default(knob.TorchServe)
		err := s.Set(k.Name, "not a value")
		if k.Name == knob.Device { // Set accepts any text for a device; Validate checks it
			continue
		}
		if err == nil || s != knob.Default(knob.TorchServe) {
			t.Errorf("Set(%s, not a value) = %v, settings %v", k.Name, err, s)
		}
	}
	s := knob.Settings{}
	if err := s.Set("batchsize", "1"); err == nil || !strings.Contains(err.Error(), "did you mean batch_size?") {
		t.Errorf("Set(batchsize) = %v", err)
	}
	if got := s.Get("batchsize"); got != "" {
		t.Errorf("Get(batchsize) = %q", got)
	}
}

func TestValidate(t *testing.T) {
	ts := knob.Limits{Rule: knob.TorchServe, Cores: 4, BatchAxis: true}
	eager := knob.Limits{Rule: knob.Eager, Cores: 4, BatchAxis: true}
	for _, c := range []struct {
		name   string
		limits knob.Limits
		set    [][2]string
		want   string // "" for valid
	}{
		{"default", ts, nil, ""},
		{"edges", ts, [][2]string{{"workers", "256"}, {"batch_size", "1024"}, {"batch_delay_ms", "60000"}, {"threads", "4"}, {"queue_size", "1000000"}}, ""},
		{"workers", ts, [][2]string{{"workers", "257"}}, "workers: 257 is outside 1-256"},
		{"batch size", ts, [][2]string{{"batch_size", "0"}}, "batch_size: 0 is outside 1-1024"},
		{"threads above cores", ts, [][2]string{{"threads", "5"}}, "threads: 5 is outside 1-4"},
		{"threads, cores unknown", knob.Limits{}, [][2]string{{"threads", "5"}}, ""},
		{"queue", ts, [][2]string{{"queue_size", "1000001"}}, "queue_size: 1000001 is outside 1-1000000"},
		{"delay 0, torchserve", ts, [][2]string{{"batch_delay_ms", "0"}}, "batch_delay_ms: 0 is outside 1-60000 (TorchServe reads 0 as unset, which is 100)"},
		{"delay 0, eager", eager, [][2]string{{"batch_delay_ms", "0"}}, ""},
		{"delay of 1.5 ms, torchserve", ts, [][2]string{{"batch_delay_ms", "1.5"}}, "batch_delay_ms: 1.5 is not a whole number of milliseconds, and TorchServe accepts no other"},
		{"delay of 1.5 ms, eager", eager, [][2]string{{"batch_delay_ms", "1.5"}}, ""},
		{"delay between two steps", eager, [][2]string{{"batch_delay_ms", "0.05"}}, "batch_delay_ms: 0.05 is not a multiple of 0.1 ms"},
		{"delay too long", eager, [][2]string{{"batch_delay_ms", "60001"}}, "batch_delay_ms: 60001 is outside 0-60000"},
		{"negative delay", eager, [][2]string{{"batch_delay_ms", "-1"}}, "batch_delay_ms: -1 is outside 0-60000"},
		{"no batch axis", knob.Limits{BatchWhy: "dimension 0 is fixed"}, [][2]string{{"batch_size", "2"}}, "batch_size: 2 needs a batch axis, and the model has none: dimension 0 is fixed"},
		{"device", ts, [][2]string{{"device", "tpu"}}, "device: tpu is not a device; want cpu, gpu, gpu:N or gpu:UUID"},
		{"two errors", ts, [][2]string{{"workers", "0"}, {"threads", "9"}}, "workers: 0 is outside 1-256\nthreads: 9 is outside 1-4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := knob.Default(c.limits.Rule)
			for _, kv := range c.set {
				if err := s.Set(knob.Name(kv[0]), kv[1]); err != nil {
					t.Fatal(err)
				}
			}
			got := ""
			if err := s.Validate(c.limits); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("Validate (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSettingsString(t *testing.T) {
	s := knob.Default(knob.Eager)
	s.Workers, s.BatchSize, s.BatchDelay = 2, 8, 1500*time.Microsecond
	if got, want := s.String(), "2 workers, batch 8, delay 1.5 ms, fp32, cpu, 1 thread"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}

// FuzzSet checks that Get returns a text with which Set makes the same settings again.
func FuzzSet(f *testing.F) {
	for i, s := range []string{"1", "8", "10ms", "fp16", "gpu:0", "-1", "1e3"} {
		f.Add(i, s)
	}
	f.Fuzz(func(t *testing.T, index int, text string) {
		all := knob.All()
		k := all[uint(index)%uint(len(all))]
		var s, again knob.Settings
		if err := s.Set(k.Name, text); err != nil {
			return
		}
		if err := again.Set(k.Name, s.Get(k.Name)); err != nil || again != s {
			t.Errorf("Set(%s, %q) = %+v; Set with the text of Get = %+v, %v", k.Name, text, s, again, err)
		}
	})
}

// FuzzSettingsJSON checks that settings are equal after they are written and read.
func FuzzSettingsJSON(f *testing.F) {
	for _, s := range []string{
		`{}`, `null`, `{"workers":4,"device":"gpu:0"}`, `{"batch_delay_ms":0.3}`, `{"batchsize":1}`, `{"workers":null}`, `[1]`,
		`{"batch_size":8,"precision":"","device":"gpu"}`, `{"batch_size":8,"batch_delay_ms":""}`, `{"batch_delay_ms":0}`,
		`{"workers":0,"batch_size":0,"batch_delay_ms":0,"precision":"fp32","device":"","threads":0,"queue_size":0,"instances":2,"mode":""}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s, again knob.Settings
		if err := s.UnmarshalJSON(b); err != nil {
			return
		}
		out, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &again); err != nil || again != s {
			t.Errorf("%s: %+v, written %s, read %+v, %v", b, s, out, again, err)
		}
		for _, k := range knob.All() {
			if strings.Contains(string(out), `"`+string(k.Name)+`"`) != (s.Has(k.Name) || s.Get(k.Name) != "" && s.Get(k.Name) != "0") {
				t.Errorf("%s: %s is written as %s", b, k.Name, out)
			}
		}
	})
}
