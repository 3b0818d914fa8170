package oip

import (
	"encoding/json"
	"testing"
	"time"

	"sweetspot/engine/knob"
)

// TestModelConfig: what is read of configurations, and what is not claimed.
func TestModelConfig(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       knob.Settings
		fixed      []knob.Name // of the three that can change
	}{
		{
			"texts for numbers",
			`{"name":"m","max_batch_size":8,"instance_group":[{"count":2,"kind":"KIND_GPU","gpus":[1]}],"dynamic_batching":{"max_queue_delay_microseconds":"1500"}}`,
			knob.Settings{Workers: 2, BatchSize: 8, BatchDelay: 1500 * time.Microsecond, Device: "gpu:1"}, nil,
		},
		{
			"the default delay", `{"name":"m","max_batch_size":8,"instance_group":[{"count":2,"kind":"KIND_MODEL"}],"dynamic_batching":{}}`,
			knob.Settings{Workers: 2, BatchSize: 8}, nil,
		},
		{
			"no dynamic batching", `{"name":"m","max_batch_size":8,"instance_group":[{"count":2}]}`,
			knob.Settings{Workers: 2, BatchSize: 8, BatchDelay: knob.DelayUnreported}, []knob.Name{knob.BatchSize, knob.BatchDelay},
		},
		{
			"no batches, two groups", `{"name":"m","max_batch_size":0,"instance_group":[{"count":2},{"count":1}]}`,
			knob.Settings{BatchSize: 1, BatchDelay: knob.DelayUnreported}, []knob.Name{knob.Workers, knob.BatchSize, knob.BatchDelay},
		},
		{
			"a delay that has no knob value", `{"name":"m","max_batch_size":8,"instance_group":[{"count":1}],"dynamic_batching":{"max_queue_delay_microseconds":250}}`,
			knob.Settings{Workers: 1, BatchSize: 8, BatchDelay: knob.DelayUnreported}, []knob.Name{knob.BatchDelay},
		},
		{"nothing", `{"name":"m"}`, knob.Settings{}, []knob.Name{knob.Workers, knob.BatchSize, knob.BatchDelay}},
	} {
		m, err := parseModelConfig([]byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.settings(); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		var fixed []knob.Name
		for _, n := range []knob.Name{knob.Workers, knob.BatchSize, knob.BatchDelay} {
			if m.fixed()[n] != "" {
				fixed = append(fixed, n)
			}
		}
		if len(fixed) != len(c.fixed) {
			t.Errorf("%s: fixed %v, want %v", c.name, fixed, c.fixed)
		}
	}
	if _, err := parseModelConfig([]byte(`{}`)); err == nil {
		t.Error("a configuration without a name is accepted")
	}
}

// FuzzModelConfig: any configuration that can be read gives settings that the target can report, and changing one of them
// changes nothing else.
func FuzzModelConfig(f *testing.F) {
	f.Add(`{"name":"m","max_batch_size":8,"instance_group":[{"count":2,"kind":"KIND_CPU"}],"dynamic_batching":{"max_queue_delay_microseconds":"1500"}}`, 3)
	f.Add(`{"name":"m","max_batch_size":1e3,"instance_group":[7],"dynamic_batching":[]}`, 1)
	f.Add(`{"name":"m","instance_group":[{"count":"9"}],"max_batch_size":0}`, 200)
	f.Fuzz(func(t *testing.T, text string, workers int) {
		m, err := parseModelConfig([]byte(text))
		if err != nil {
			return
		}
		s := m.settings()
		limits := knob.Limits{BatchAxis: m.batches()}
		for _, k := range knob.All() {
			if !s.Has(k.Name) {
				limits.Unreported = append(limits.Unreported, k.Name)
			}
		}
		if err := s.Validate(limits); err != nil {
			t.Fatalf("settings %+v: %v", s, err)
		}
		before := string(m.json())
		next := s
		next.Workers = workers
		changed, err := m.with(next)
		if string(m.json()) != before {
			t.Fatal("the configuration was changed")
		}
		if err == nil && changed.settings() != next {
			t.Fatalf("settings %+v, want %+v", changed.settings(), next)
		}
	})
}

// FuzzSaved: a restore file of any content is read or refused.
func FuzzSaved(f *testing.F) {
	f.Add([]byte(`{"address":"http://a:1","pid":1,"model":"m","config":{"name":"m"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseSaved(text)
		if err == nil && (s.Address == "" || s.Model == "" || !json.Valid(s.Config)) {
			t.Fatalf("%+v is accepted", s)
		}
	})
}
