package trial_test

import (
	"encoding/json"
	"errors"
	"testing"

	"sweetspot/sweep/trial"
)

func TestLine(t *testing.T) {
	for _, c := range []struct {
		text string
		want trial.Line
	}{
		{"limits    execution takes 9 ms", trial.Line{Label: "limits", Text: "execution takes 9 ms"}},
		{"validated over 27 s", trial.Line{Label: "validated", Text: "over 27 s"}},
		{"left out  2 x often; 1 x rare", trial.Line{Label: "left out", Text: "2 x often; 1 x rare"}},
		{"limits    ", trial.Line{Label: "limits"}},
		{"limits", trial.Line{Text: "limits"}},
		{"no setting keeps the promise", trial.Line{Text: "no setting keeps the promise"}},
		{"          set in", trial.Line{Text: "          set in"}},
		{"", trial.Line{}},
	} {
		text, err := json.Marshal(c.text)
		if err != nil {
			t.Fatal(err)
		}
		var got trial.Line
		if err := json.Unmarshal(text, &got); err != nil || got != c.want {
			t.Errorf("Unmarshal(%q) = %+v, %v; want %+v", c.text, got, err, c.want)
		}
		if back, err := json.Marshal(got); err != nil || string(back) != string(text) {
			t.Errorf("Marshal of %q = %s, %v", c.text, back, err)
		}
	}
}

// FuzzLine checks that any text that is read as a line is written again unchanged.
func FuzzLine(f *testing.F) {
	f.Add("left out  2 x often")
	f.Add("Überlast  ü")
	f.Add("         \x00")
	f.Add("\xe8")
	f.Fuzz(func(t *testing.T, s string) {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var l trial.Line
		var want, got string // Marshal replaces invalid UTF-8
		if err := errors.Join(json.Unmarshal(text, &l), json.Unmarshal(text, &want)); err != nil {
			t.Fatal(err)
		}
		back, err := json.Marshal(l)
		if err != nil || json.Unmarshal(back, &got) != nil || got != want {
			t.Errorf("Marshal of %s = %s, %v", text, back, err)
		}
	})
}
