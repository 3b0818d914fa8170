package monitor

import (
	"encoding/json"
	"fmt"
)

// Reading is a figure that may be n/a. Its zero value is n/a. In JSON n/a is null.
type Reading struct {
	v  float64
	ok bool
}

// Of returns a Reading with the value v. NaN and infinities are n/a.
func Of(v float64) Reading {
	if v-v != 0 {
		return Reading{}
	}
	return Reading{v, true}
}

// Get returns the value and whether there is one.
func (r Reading) Get() (float64, bool) { return r.v, r.ok }

// String returns the value without decimals, or "n/a".
func (r Reading) String() string {
	if !r.ok {
		return "n/a"
	}
	return fmt.Sprintf("%.0f", r.v)
}

// MarshalJSON writes a number or null.
func (r Reading) MarshalJSON() ([]byte, error) {
	if !r.ok {
		return []byte("null"), nil
	}
	return json.Marshal(r.v)
}

// UnmarshalJSON reads a number or null.
func (r *Reading) UnmarshalJSON(b []byte) error {
	var p *float64
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	*r = Reading{}
	if p != nil {
		*r = Of(*p)
	}
	return nil
}
