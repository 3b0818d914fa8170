package onnx

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
)

func TestOperators(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	m := layers(t, 3, 64, 64)
	b := backend(t)
	for name, c := range map[string]int{"fp32": 0, "fp16": 1} {
		cfg := config(4)
		if c == 1 {
			cfg = half(4)
		}
		p, err := b.Operators(t.Context(), m, cfg, 5)
		if err != nil {
			t.Fatal(err)
		}
		share := 0.0
		for i, o := range p.Operators {
			if share += o.Share; i > 0 && o.Share > p.Operators[i-1].Share || o.Calls < 1 || o.PerRun < 0 {
				t.Errorf("%s: operator %d is %+v", name, i, o)
			}
		}
		matmul := slices.ContainsFunc(p.Operators, func(o engine.OperatorTime) bool { return strings.HasSuffix(o.Name, "MatMul") && o.Calls == 3 })
		if p.Runs != 5 || p.Batch != 4 || p.PerRun <= 0 || !matmul || share < 0.999 || share > 1.001 {
			t.Errorf("%s: %+v, shares add up to %v", name, p, share)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Operators(ctx, m, config(1), 5); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// event is one line of a profile; times in microseconds.
func event(cat, name, op string, ts, dur float64) string {
	e := map[string]any{"cat": cat, "pid": 1, "dur": dur, "ts": ts, "ph": "X", "name": name, "args": map[string]any{"op_name": op, "thread_scheduling_stats": map[string]any{"x": []int{1}}}}
	b, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestReadTrace(t *testing.T) {
	text := "[\n" + strings.Join([]string{
		event("Session", "model_loading_uri", "", 0, 50),
		event("Node", "conv_kernel_time", "Conv", 100, 900), event("Session", "model_run", "", 100, 1000),
		event("Node", "conv_kernel_time", "Conv", 2000, 300), event("Node", "relu_kernel_time", "Relu", 2300, 100), event("Session", "model_run", "", 2000, 500),
		event("Node", "if_kernel_time", "If", 3000, 400), event("Node", "conv_kernel_time", "Conv", 3000, 310), event("Node", "relu_kernel_time", "Relu", 3310, 90), event("Session", "model_run", "", 3000, 500),
	}, ",\n") + "]\n"
	trace, err := readTrace(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := engine.OperatorProfile{Runs: 2, Batch: 8, PerRun: 400 * time.Microsecond, Operators: []engine.OperatorTime{
		{Name: "Conv", Calls: 1, PerRun: 305 * time.Microsecond, Share: 0.7625},
		{Name: "Relu", Calls: 1, PerRun: 95 * time.Microsecond, Share: 0.2375},
	}}
	if diff := cmp.Diff(want, trace.summary(8)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for in, want := range map[string]string{
		"":               "not a list of events: EOF",
		"{}":             "not a list of events: it begins with something else",
		"[{}":            "ends too early",
		"[{},":           "event 2 of the profile: ",
		`[{"ts":"x"}]`:   "event 1 of the profile: ",
		`[{"ts":-1}]`:    "is not a valid time",
		`[{"dur":1e99}]`: "is not a valid time",
	} {
		if _, err := readTrace(strings.NewReader(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("readTrace(%q) = %v, want an error with %q", in, err, want)
		}
	}
}

// FuzzReadTrace checks that no profile makes the reader or the summary panic, and that
// shares are from 0 to 1.
func FuzzReadTrace(f *testing.F) {
	f.Add("[" + event("Node", "n", "Conv", 1, 2) + "," + event("Session", "model_run", "", 0, 5) + "]")
	f.Add("[]")
	f.Add(`[{"cat":"Node","args":{"op_name":"X"},"ts":1e9,"dur":1e9}]`)
	f.Fuzz(func(t *testing.T, text string) {
		trace, err := readTrace(strings.NewReader(text))
		if err != nil {
			return
		}
		p := trace.summary(1)
		for _, o := range p.Operators {
			if !(o.Share >= 0 && o.Share <= 1.000001) || o.PerRun < 0 || o.Calls < 0 {
				t.Errorf("%q gives %+v", text, o)
			}
		}
	})
}
