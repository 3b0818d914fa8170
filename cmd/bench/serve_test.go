package main

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine"
	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/sweep/stat"
)

// needLibrary skips the test if ONNX Runtime is not installed.
func needLibrary(t *testing.T) {
	t.Helper()
	cache, _ := os.UserCacheDir()
	if _, err := ortlib.Find(ortlib.FromEnv(os.Getenv, cache)); err != nil {
		t.Skip(err)
	}
}

// figureLines runs a set and returns the names of its figures, and the fields of
// each line by name.
func figureLines(t *testing.T, set string) (names []string, fields map[string][]string) {
	t.Helper()
	fields = map[string][]string{}
	for line := range strings.Lines(measure(t, set)) {
		if f := strings.Fields(line); strings.HasPrefix(line, set+".") {
			names, fields[f[0]] = append(names, f[0]), f
		}
	}
	return names, fields
}

func TestServe(t *testing.T) {
	needLibrary(t)
	got, fields := figureLines(t, "serve")
	var want []string
	for _, m := range serveSpecs() {
		for _, f := range []string{"duty.%.process", "stretch.%", "waking.%", "share.%", "duty.%.http", "rate.%"} {
			onlyEncoder := f == "waking.%" || f == "share.%"
			if (m.pictures == "" || strings.Contains(f, "http")) && (!onlyEncoder || m.name() == "encoder") {
				want = append(want, "serve."+strings.ReplaceAll(f, "%", m.name()))
			}
		}
		if m.name() == "resnet18" {
			want = append(want, "serve.workers-2.resnet18")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
	for name, goal := range map[string]string{
		"serve.duty.encoder.process": "-", "serve.share.encoder": ">=0.99", "serve.duty.mlp-wide.process": ">=0.99",
		"serve.duty.encoder.http": ">=0.93", "serve.duty.resnet18.http": ">=0.98", "serve.duty.images.http": ">=0.98",
		"serve.stretch.encoder": "<=1.03", "serve.rate.encoder": ">=0.85", "serve.rate.resnet18": ">=0.93",
	} {
		if f := fields[name]; len(f) < 4 || f[3] != goal {
			t.Errorf("%s: %q, want goal %s", name, f, goal)
		}
	}
}

func TestTally(t *testing.T) {
	var c tally
	c.add(10*time.Millisecond, true)
	c.add(12*time.Millisecond, true)
	c.add(5*time.Millisecond, false)
	got := c.result(time.Second/2, engine.Stats{BusyNS: 100, WorkNS: 200}, engine.Stats{BusyNS: 190, WorkNS: 300})
	want := blockResult{RunNS: 11e6, Rate: 6, Full: 2, All: 3, BusyNS: 90, WorkNS: 100}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	var d duty
	d.add(got)
	d.add(blockResult{Full: 1, All: 1, BusyNS: 110, WorkNS: 300})
	f := d.figure("serve.duty.x", "batch 2")
	if f.Value != .5 || f.Detail != "2 blocks, batch 2, 75% of requests in full batches" {
		t.Errorf("duty %v: %s", f.Value, f.Detail)
	}
}

// A ratio that may be high by chance is judged by the lower end of its interval.
func TestLowerEnd(t *testing.T) {
	goal := judge.Goal{Compare: judge.AtMost, Number: 1.03}
	for _, tt := range []struct {
		low, high float64
		want      judge.Status
	}{{.98, 1.1, judge.OK}, {1.04, 1.1, judge.FallsShort}, {math.NaN(), math.NaN(), judge.Undecided}} {
		r := judge.Ratio{Interval: stat.Interval{Value: 1.05, Low: tt.low, High: tt.high}}
		if got := lowerEnd(r, "x", "").Status(goal); got != tt.want {
			t.Errorf("%v-%v is %v, want %v", tt.low, tt.high, got, tt.want)
		}
	}
}
