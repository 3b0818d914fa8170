package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/catalog"
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

// TestHandlerFlags: a handler goes over a plan and to the engine's command line; of several models each has its own.
func TestHandlerFlags(t *testing.T) {
	p := plan.Plan{Handler: "base_handler", Vocabulary: "v.json"}
	f := modelFlags{handlers: handlerFlags{handlers: []string{"detection_list,threshold=0.3"}, labels: []string{"a=b/labels.json"}}}
	if err := f.overlay(&p); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"--handler=detection_list,threshold=0.3", "--labels=b/labels.json", "--vocab=v.json"}, modelArgs(p)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	several := handlerFlags{handlers: []string{"image_classifier", "pose=keypoint_list"}, labels: []string{"./x=y.json", "pose=p.json"}}
	got, err := several.choices()
	want := map[string]catalog.HandlerChoice{
		"": {Handler: "image_classifier", Labels: "./x=y.json"}, "pose": {Handler: "keypoint_list", Labels: "p.json"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, -want +got\n%s", err, diff)
	}
	for text, f := range map[string]handlerFlags{
		"there is no handler": {handlers: []string{"m=classifier"}},
		"given twice":         {labels: []string{"a", "b"}},
		"nothing is named":    {handlers: []string{"m="}},
	} {
		if _, err := f.choices(); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v, want %q", f, err, text)
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
