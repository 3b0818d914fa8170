package profiles

import (
	"bytes"
	"encoding/json"
	"slices"
)

// setField returns the JSON object raw with another value for one of its keys,
// and every other byte as it was. Without the key it returns raw.
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

// field finds the value of a key: raw[from:to]; to is 0 without it. Of equal
// keys it is the last, as encoding/json has it.
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

// renumbered is a choice's line with the numbers of its trials changed; one that
// number does not know becomes 0, which is no trial.
func renumbered(raw json.RawMessage, number map[int]int) (json.RawMessage, error) {
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
