package onnx

import (
	"os"
	"path/filepath"
	"testing"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/tensor"
)

func TestEstimate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := os.WriteFile(path, make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	in := []tensor.Spec{spec("x", tensor.Float32, 10)} // 40 bytes
	out := []tensor.Spec{spec("y", tensor.Float32, 5), spec("z", tensor.Int64, -1)}
	inMemory := &engine.Model{Bytes: make([]byte, 1000), Inputs: in, Outputs: out, BatchAxis: true}
	onDisk := &engine.Model{Path: path, Inputs: in, Outputs: out, BatchAxis: true}
	for _, tc := range []struct {
		name   string
		change func(*knob.Config)
		want   int64
	}{
		{"one worker", func(*knob.Config) {}, 1000 + 60},
		{"shared", func(c *knob.Config) { c.Workers, c.BatchSize = 3, 4 }, 1000 + 3*4*60},
		{"own", func(c *knob.Config) { c.Workers, c.Session = 3, "own" }, 3*1000 + 3*60},
		{"half", func(c *knob.Config) { c.Workers, c.Session, c.Precision = 3, "own", knob.HalfPrecision }, 3*500 + 500 + 3*60},
	} {
		c := config(1)
		tc.change(&c)
		for where, m := range map[string]*engine.Model{"memory": inMemory, "disk": onDisk} {
			if got := (&Backend{}).Estimate(m, c); got != tc.want {
				t.Errorf("%s, in %s: Estimate = %d, want %d", tc.name, where, got, tc.want)
			}
		}
	}
	if got := (&Backend{}).Estimate(&engine.Model{Path: path + ".gone"}, config(1)); got != 0 {
		t.Errorf("Estimate of no file = %d", got)
	}
}
