package trial_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// TestWarnings checks that a warning is only its text in JSON, and has its kind again after it is
// read.
func TestWarnings(t *testing.T) {
	want := []trial.Warning{
		{Kind: trial.GeneratorLimited, Text: load.GeneratorLimited + ": it used 1.9 of 2 cores"},
		{Text: "the server said: generator limited"},
		{Text: `dial "<none>"`},
		{},
	}
	text := `["generator limited: it used 1.9 of 2 cores","the server said: generator limited","dial \"\u003cnone\u003e\"",""]`
	if b, err := json.Marshal(want); err != nil || string(b) != text {
		t.Errorf("Marshal = %s, %v, want %s", b, err, text)
	}
	var got []trial.Warning
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after a round trip (-want +got):\n%s", diff)
	}
	if got := (trial.Result{Warnings: want}).WarningsOf(trial.GeneratorLimited); len(got) != 1 || got[0] != want[0] {
		t.Errorf("WarningsOf(GeneratorLimited) = %q, want the first", got)
	}
	if err := json.Unmarshal([]byte(`[null]`), &got); err != nil || got[0] != (trial.Warning{}) {
		t.Errorf("Unmarshal(null) = %q, %v", got, err)
	}
	if err := json.Unmarshal([]byte(`[3]`), &got); err == nil {
		t.Error("a number was read as a warning")
	}
}
