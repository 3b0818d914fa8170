package profiles_test

import (
	"encoding/json"
	"testing"

	"sweetspot/profiles"
)

// The plan of a server that has its model itself names none. What is no plan is the default.
func TestPlanOfAProfile(t *testing.T) {
	for text, want := range map[string]uint64{
		`{"model":"builtin:mlp","seed":7}`:             7,
		`{"target":"http://127.0.0.1:8081","seed":7}`:  7,
		`{"target":"command","seed":7}`:                7,
		`{"target":"local","seed":7}`:                  1,
		`{"model":"m","target":"http://a:1","seed":7}`: 7,
		`{"model":`: 1,
	} {
		h := header("a")
		h.Plan = json.RawMessage(text)
		if got := (&profiles.Profile{Header: h}).Plan(); got.Seed != want || got.SLA.Limit != h.SLA.Limit {
			t.Errorf("%s: seed %d, promise %v; want %d", text, got.Seed, got.SLA, want)
		}
	}
}
