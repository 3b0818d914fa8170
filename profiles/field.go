package profiles

import (
	"bytes"
	"encoding/json"
	"slices"
)

// setField returns the JSON object raw with another value for a key. All other bytes
// are unchanged. If raw does not have the key, it returns raw.
func setField(raw json.RawMessage, key string, value any) (json.RawMessage, error) {
	from, to, err := field(raw, key)
	if err != nil || to == 0 {
		return raw, err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return slices.Concat(raw[:from], text, raw[to:]), nil
}

// field finds the value of a key: raw[from:to]. If the key is missing, to is 0. If there
// are several, it is the last one, as in encoding/json.
func field(raw json.RawMessage, key string) (from, to int, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil { // {
		return 0, 0, err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return 0, 0, err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return 0, 0, err
		}
		if name == key {
			to = int(dec.InputOffset())
			from = to - len(value)
		}
	}
	return from, to, nil
}

// renumberChoice returns the line of a choice with the new numbers of its trials. A trial
// without a new number gets 0, which is no trial.
func renumberChoice(raw json.RawMessage, number map[int]int) (json.RawMessage, error) {
	var old struct {
		N   int `json:"n"`
		Why struct {
			RunnersUp []int `json:"runners_up"`
		} `json:"why"`
	}
	if err := json.Unmarshal(raw, &old); err != nil {
		return nil, err
	}
	out, err := setField(raw, "n", number[old.N])
	if err != nil {
		return nil, err
	}
	runners := make([]int, len(old.Why.RunnersUp))
	for i, n := range old.Why.RunnersUp {
		runners[i] = number[n]
	}
	from, to, err := field(out, "why")
	if err != nil || to == 0 {
		return out, err
	}
	why, err := setField(out[from:to], "runners_up", runners)
	if err != nil {
		return nil, err
	}
	return setField(out, "why", why)
}
