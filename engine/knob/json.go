package knob

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// settingsJSON is the JSON of the seven knobs. The target's own knobs follow as more keys. A knob
// without a value is absent.
type settingsJSON struct {
	Workers   int       `json:"workers,omitempty"`
	BatchSize int       `json:"batch_size,omitempty"`
	DelayMS   *float64  `json:"batch_delay_ms,omitempty"`
	Precision Precision `json:"precision,omitzero"`
	Device    string    `json:"device,omitempty"`
	Threads   int       `json:"threads,omitempty"`
	QueueSize int       `json:"queue_size,omitempty"`
}

// toJSON returns the seven knobs. The delay is nil if it is not reported.
func (s Settings) toJSON() settingsJSON {
	w := settingsJSON{s.Workers, s.BatchSize, nil, s.Precision, s.Device, s.Threads, s.QueueSize}
	if s.Has(BatchDelay) {
		ms := s.DelayMS()
		w.DelayMS = &ms
	}
	return w
}

// MarshalJSON writes the seven knobs, then the target's own. Knobs without a value are absent.
func (s Settings) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal(s.toJSON())
	if err != nil || s.Own == "" {
		return b, err
	}
	return append(s.Own.appendJSON(b[:len(b)-1]), '}'), nil
}

// UnmarshalJSON sets the knobs that are present and leaves the others as they are, so
// that a partial object is a change, and knobs that are absent in an object that is read
// into empty settings are not reported. "" removes a value. A key that is none of the seven is a
// target's own knob; Validate checks whether the target has it. A name that no target's own
// knob may have ([CheckName]) is an error that suggests one of the seven.
func (s *Settings) UnmarshalJSON(b []byte) error {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(b, &keys); err != nil {
		return fmt.Errorf("settings: want an object of knobs: %v", err)
	}
	removeClaims(keys)
	out := *s
	w := s.toJSON()
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if _, isSeven := Get(Name(k)); !isSeven {
			if err := out.Own.setJSON(Name(k), keys[k]); err != nil {
				return fmt.Errorf("settings: %w", err)
			}
		}
	}
	if err := w.read(keys); err != nil {
		return fmt.Errorf("settings: %v", err)
	}
	out = Settings{w.Workers, w.BatchSize, 0, w.Precision, w.Device, w.Threads, w.QueueSize, out.Own}
	delay, err := w.delay()
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	out.BatchDelay = delay
	*s = out
	return nil
}

// removeClaims removes the values that earlier versions wrote for a server that reports neither
// device nor precision: an empty device, and FP32, which was not reported.
func removeClaims(keys map[string]json.RawMessage) {
	if string(keys[string(Device)]) == `""` && string(keys[string(FP16)]) == `"fp32"` {
		keys[string(FP16)] = json.RawMessage(`""`)
	}
}

// read sets the values of the seven that are present. "" removes a value.
func (w *settingsJSON) read(keys map[string]json.RawMessage) error {
	present := map[string]json.RawMessage{}
	for _, k := range table {
		raw, ok := keys[string(k.Name)]
		switch {
		case !ok:
		case string(raw) == "null" && k.Name == BatchDelay: // null changes nothing, but would remove the pointer
		case string(raw) == `""`:
			w.remove(k.Name)
		default:
			present[string(k.Name)] = raw
		}
	}
	b, err := json.Marshal(present)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, w)
}

// remove removes the value of one of the seven.
func (w *settingsJSON) remove(n Name) {
	switch n {
	case Workers:
		w.Workers = 0
	case BatchSize:
		w.BatchSize = 0
	case BatchDelay:
		w.DelayMS = nil
	case FP16:
		w.Precision = PrecisionUnreported
	case Device:
		w.Device = ""
	case Threads:
		w.Threads = 0
	case QueueSize:
		w.QueueSize = 0
	}
}

// delay returns the batch delay.
func (w *settingsJSON) delay() (time.Duration, error) {
	if w.DelayMS == nil {
		return unreportedDelay(w.BatchSize), nil
	}
	return delayFromMS(*w.DelayMS)
}
