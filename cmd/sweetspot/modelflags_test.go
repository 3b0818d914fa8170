package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/sweep/plan"
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
