package main

import (
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
)

// allBaselines returns all baselines and builds the program that they need.
func allBaselines(t *testing.T) []baseline {
	t.Helper()
	all, err := (&env{stderr: t.Output()}).openBaselines(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"random", "tpe", "hill"}, baselineNames(all)); diff != "" {
		t.Fatalf("baselines (-want +got):\n%s", diff)
	}
	return all
}

func baselineNames(all []baseline) []string {
	var names []string
	for _, r := range all {
		names = append(names, r.name)
	}
	return names
}

// TestMissingBaselines: if the nested module cannot be built, a line on stderr says why, and the
// other baselines are returned.
func TestMissingBaselines(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(t *testing.T)
		want string // the rest of the line
	}{
		{
			"no source", func(t *testing.T) { t.Chdir(t.TempDir()) },
			"cmd/bench/baseline does not exist here; run bench inside the repository",
		},
		{"no go tool", func(t *testing.T) { t.Setenv("PATH", "") }, "the go tool was not found; install Go, or add it to PATH"},
		{"no build", func(t *testing.T) { t.Setenv("GOFLAGS", "-nonsense") }, "go build: exit status 1: go: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.set(t)
			var stderr strings.Builder
			got, err := (&env{stderr: &stderr}).openBaselines(t.Context(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"random", "hill"}, baselineNames(got)); diff != "" {
				t.Errorf("baselines (-want +got):\n%s", diff)
			}
			line, want := stderr.String(), "bench: search continues without the baseline tpe: "+tt.want
			if !strings.HasPrefix(line, want) || strings.Index(line, "\n") != len(line)-1 {
				t.Errorf("stderr %q, want a line %q...", line, want)
			}
		})
	}
}

// TestSamplerErrors: an error of the program is the error of the search.
func TestSamplerErrors(t *testing.T) {
	program, err := buildBaseline(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := &problem{space: smallSpace()}
	err = sampler{program, "cma"}.search(t.Context(), p, nil)
	if want := `cmd/bench/baseline: exit status 1: baseline: line 1: sampler: "cma" is unknown; known: tpe`; err == nil || err.Error() != want {
		t.Errorf("unknown sampler: %v, want %s", err, want)
	}
	if err := (sampler{"/dev/null", "tpe"}).search(t.Context(), p, nil); err == nil {
		t.Error("a program that cannot be started is no error")
	}
}

// TestExchange: suggestions are read until they end or one is wrong.
func TestExchange(t *testing.T) {
	p := &problem{space: fullSpace()}
	for _, tt := range []struct {
		name, lines, err string
		asked            []knob.Settings
	}{
		{"nothing", "", "", nil},
		{
			"two", `{"places":[0,0,0,0]}` + "\n" + `{"places":[3,5,5,1]}` + "\n", "",
			[]knob.Settings{spaceSettings(1, 1, 0, knob.FullPrecision), spaceSettings(4, 32, 20, knob.HalfPrecision)},
		},
		{"outside", `{"places":[0,0,0,0]}` + "\n" + `{"places":[0,6,0,0]}`, "line 2: batch: place 6; want 0-5", []knob.Settings{spaceSettings(1, 1, 0, knob.FullPrecision)}},
		{"below", `{"places":[0,0,-1,0]}`, "line 1: delay: place -1; want 0-5", nil},
		{"too few", `{"places":[0,0,0]}`, "line 1: 3 places; want 4", nil},
		{"unknown key", `{"place":[0]}`, `line 1: json: unknown field "place"; want {"places":[0,0,0,0]}`, nil},
		{"two objects", `{"places":[0,0,0,0]} {}`, `line 1: there is something after the object; want {"places":[0,0,0,0]}`, nil},
		{"empty line", "\n", `line 1: EOF; want {"places":[0,0,0,0]}`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked []knob.Settings
			err := sampler{name: "tpe"}.exchange(io.Discard, strings.NewReader(tt.lines), p, func(s knob.Settings) (float64, bool) {
				asked = append(asked, s)
				return 1, true
			})
			if err == nil && tt.err != "" || err != nil && err.Error() != tt.err {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if diff := cmp.Diff(tt.asked, asked); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzParseSuggestion: an accepted line has settings of the space, and is equal after encoding and
// parsing them again.
func FuzzParseSuggestion(f *testing.F) {
	f.Add([]byte(`{"places":[0,0,0,0]}`))
	f.Add([]byte(`{"places":[3,5,5,1]}`))
	f.Add([]byte(`{"places":[3,5,5,2]}`))
	f.Add([]byte(`{"places":null}`))
	f.Add([]byte(`null`))
	s := fullSpace()
	all := s.settings()
	f.Fuzz(func(t *testing.T, line []byte) {
		got, err := s.parseSuggestion(line)
		if err != nil {
			return
		}
		if !slices.Contains(all, got) {
			t.Fatalf("%v is not in the space", got)
		}
		text, err := json.Marshal(samplerSuggestion{Places: []int{
			slices.Index(s.workers, got.Workers), slices.Index(s.batches, got.BatchSize),
			slices.Index(s.delays, int(got.BatchDelay.Milliseconds())), slices.Index(s.formats, got.Precision),
		}})
		if err != nil {
			t.Fatal(err)
		}
		if again, err := s.parseSuggestion(text); err != nil || again != got {
			t.Errorf("%s reads back as %v, %v; want %v", text, again, err, got)
		}
	})
}
