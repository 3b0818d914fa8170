package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/sweep/plan"
	"sweetspot/tui/chart"
)

// TestLengthFlags: flags go over a plan, and from the plan to the engine's command line.
func TestLengthFlags(t *testing.T) {
	p := plan.Plan{
		Shapes: map[string][]int64{"image": {3, 224, 224}, "ids": {64}}, Lengths: map[string]string{"mask": "8..128"},
		Pad: map[string]float64{"ids": 0},
	}
	f := modelFlags{shapes: []string{"ids=16..32", "mask=9"}, buckets: "8-32*2"}
	if err := f.overlay(&p); err != nil {
		t.Fatal(err)
	}
	want := []string{"--shape=image=3x224x224", "--shape=mask=9", "--shape=ids=16..32", "--pad=ids=0", "--buckets=8,16,32"}
	if diff := cmp.Diff(want, modelArgs(p)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	f = modelFlags{pads: []string{"ids=1,mask=0", "a=b=-.5"}}
	if err := f.overlay(&p); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]float64{"ids": 1, "mask": 0, "a=b": -.5}, p.Pad); diff != "" {
		t.Errorf("pad: -want +got\n%s", diff)
	}
	for want, f := range map[string]modelFlags{
		"is not NAME=VALUE with a number": {pads: []string{"ids"}},
		`"ids=x" is not NAME=VALUE`:       {pads: []string{"ids=x"}},
		`"ids=NaN" is not NAME=VALUE`:     {pads: []string{"ids=NaN"}},
		"nothing says with what":          {buckets: "8"},
		"--buckets: ":                     {buckets: "8,4", pads: []string{"ids=0"}},
		"--shape ids=9..8: ":              {shapes: []string{"ids=9..8"}},
		"no such file":                    {shapes: []string{"ids=@nowhere.txt"}},
	} {
		if _, err := f.options(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", f, err, want)
		}
	}
}

// Charts have characters that the font of the terminal has.
func TestSymbols(t *testing.T) {
	cases := []struct {
		flags runFlags
		term  string
		want  chart.Symbols
	}{
		{runFlags{}, "xterm-256color", chart.Braille},
		{runFlags{}, "linux", chart.Blocks},
		{runFlags{blocks: true}, "xterm-256color", chart.Blocks},
		{runFlags{ascii: true, blocks: true}, "linux", chart.ASCII},
	}
	for _, c := range cases {
		if got := c.flags.symbols(parseEnviron([]string{"TERM=" + c.term})); got != c.want {
			t.Errorf("symbols of %+v with TERM=%s: %d, want %d", c.flags, c.term, got, c.want)
		}
	}
}
