package profiles_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/x/exp/golden"

	"sweetspot/profiles"
)

// earlier are profiles that sweetspot wrote before targets could have own knobs: a sweep of
// a simulated device, a sweep of the engine, and a live recording. The files must never be
// changed.
var earlier = []string{"virtual", "engine", "live"}

func readEarlier(t *testing.T, name string) *profiles.Profile {
	t.Helper()
	p := read(t, filepath.Join("testdata", "earlier", name+".jsonl"))
	if len(p.Warnings) > 0 || p.State() != profiles.Done {
		t.Errorf("state %s, warnings %q", p.State(), p.Warnings)
	}
	return p
}

// TestEarlierSettings: the settings of earlier profiles have values for all common knobs, and
// no own ones.
func TestEarlierSettings(t *testing.T) {
	for name, want := range map[string][]string{
		"virtual": {
			"1 worker, batch 2, delay 1 ms, fp16, gpu, 1 thread", "1 worker, batch 4, delay 1 ms, fp16, gpu, 1 thread",
			"1 worker, batch 8, delay 1 ms, fp16, gpu, 1 thread", "2 workers, batch 2, delay 1 ms, fp16, gpu, 1 thread",
			"2 workers, batch 4, delay 1 ms, fp16, gpu, 1 thread", "2 workers, batch 8, delay 1 ms, fp16, gpu, 1 thread",
			"1 worker, batch 2, delay 1 ms, fp16, gpu, 1 thread",
		},
		"engine": {
			"1 worker, batch 1, delay 1 ms, fp32, cpu, 1 thread", "1 worker, batch 4, delay 1 ms, fp32, cpu, 1 thread",
			"1 worker, batch 4, delay 1 ms, fp32, cpu, 1 thread",
		},
		"live": {"1 worker, batch 4, delay 10 ms, fp32, cpu, 1 thread"},
	} {
		p := readEarlier(t, name)
		var got []string
		for _, r := range p.Trials {
			got = append(got, r.Settings.String())
			if r.Settings.Own != "" || r.Settings.QueueSize != 100 {
				t.Errorf("%s: trial %d has %+v", name, r.N, r.Settings)
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: settings\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestEarlierOutput: the outputs of earlier profiles do not change.
func TestEarlierOutput(t *testing.T) {
	for _, name := range earlier {
		p := readEarlier(t, name)
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := profiles.WriteShow(&b, p, profiles.Style{}); err != nil {
				t.Fatal(err)
			}
			if err := profiles.WriteTrials(&b, p, profiles.Style{Trials: true}); err != nil {
				t.Fatal(err)
			}
			c, err := profiles.Compare(p, p, profiles.CompareOptions{Tolerance: .05})
			if err != nil {
				t.Fatal(err)
			}
			if err := profiles.WriteComparison(&b, c, profiles.Style{}); err != nil {
				t.Fatal(err)
			}
			golden.RequireEqual(t, b.Bytes())
		})
	}
}

// TestManyUnknownKnobs: settings may have more unknown knobs than a target can have. Those
// beyond the limit are ignored with a warning, and the line is read.
func TestManyUnknownKnobs(t *testing.T) {
	const limit, more = 32, 3
	var keys strings.Builder
	for i := range limit + more {
		fmt.Fprintf(&keys, `,"k%02d":%d`, i, i)
	}
	p, err := profiles.Decode("a", []byte(head+`{"t":"trial","n":1,"settings":{"workers":3`+keys.String()+`}}`+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if s := p.Trials[0].Settings; s.Workers != 3 || s.Get("k31") != "31" || s.Get("k32") != "" {
		t.Errorf("settings %+v", s)
	}
	if want := `line 2: unknown knobs ["k32" "k33" "k34"]; kept, but ignored`; len(p.Warnings) != 1 || p.Warnings[0] != want {
		t.Errorf("warnings %q, want %q", p.Warnings, want)
	}
}
