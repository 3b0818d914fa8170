package profiles_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"

	"sweetspot/profiles"
)

var styles = []profiles.Style{{}, {Width: 120, Bold: true}, {Width: 80}, {Width: 40}}

func TestWriteShow(t *testing.T) {
	p := read(t, write(t, in(t), "20261122T091500Z-7f3a"))
	p.Header.Machine.Class = "sha256:0123456789abcdef"
	p.End.At, p.Warnings = at, []string{"line 9: torn; dropped (12 bytes)"}
	for _, s := range styles {
		t.Run(fmt.Sprint(s.Width), func(t *testing.T) {
			var b bytes.Buffer
			if err := profiles.WriteShow(&b, p, s); err != nil {
				t.Fatal(err)
			}
			fits(t, b.String(), s)
			golden.RequireEqual(t, b.Bytes())
		})
	}
}

func TestWriteList(t *testing.T) {
	list, err := profiles.List(folder(t))
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if list[i].Error != "" {
			list[i].Error = "profiles: line 2: no JSON object" // without the path
		}
	}
	for _, s := range styles {
		t.Run(fmt.Sprint(s.Width), func(t *testing.T) {
			var b bytes.Buffer
			if err := profiles.WriteList(&b, list, s); err != nil {
				t.Fatal(err)
			}
			fits(t, b.String(), s)
			golden.RequireEqual(t, b.Bytes())
		})
	}
}

// fits checks that no line is wider than the terminal.
func fits(t *testing.T, text string, s profiles.Style) {
	t.Helper()
	for line := range strings.Lines(text) {
		if w := ansi.StringWidth(strings.TrimSuffix(line, "\n")); s.Width > 0 && w > s.Width {
			t.Errorf("%d cells in %d: %q", w, s.Width, line)
		}
		if !s.Bold && strings.Contains(line, "\x1b") {
			t.Errorf("escapes in plain text: %q", line)
		}
	}
}

func TestEmptyList(t *testing.T) {
	var b bytes.Buffer
	if err := profiles.WriteList(&b, nil, profiles.Style{}); err != nil {
		t.Fatal(err)
	}
	if err := profiles.WriteListJSON(&b, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "no profiles yet; sweetspot MODEL --sweep makes one\n[]\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestListJSON(t *testing.T) {
	list, err := profiles.List(folder(t))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := profiles.WriteListJSON(&b, list); err != nil {
		t.Fatal(err)
	}
	var got []struct {
		ID   string
		Best *struct{ N int }
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 || got[1].ID != "20261122T091500Z-7f3a" || got[1].Best.N != 2 || got[0].Best != nil {
		t.Errorf("list as JSON: %s", b.Bytes())
	}
}
