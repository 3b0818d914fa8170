package export_test

import (
	"strings"
	"testing"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/profiles/export"
)

// pythonSource is a choice whose handler in Python was measured itself.
func pythonSource(t *testing.T, from string, p knob.Precision) export.Source {
	t.Helper()
	s := source(t, 0)
	s.Model.Source, s.Model.Backend, s.Model.Handler = from, profiles.Python, "handler.py"
	s.Machine.Runtime = "Python 3.11.2, torch 1.13.1, TorchServe 0.12.0"
	s.Settings.Precision = p
	return s
}

// The notes about an archive with a handler in Python are about its handler, and not about ONNX.
func TestPythonArchive(t *testing.T) {
	const (
		half   = "pack the archive with handler: precision: fp16 in its model-config.yaml"
		full   = "FP32: if the model-config.yaml of the archive has handler: precision, pack it with fp32."
		packed = "Pack the content of nets with zip as mlp-wide.mar, version \"1.0\": its handler handler.py is in it."
		engine = "server sweetspot's own engine with TorchServe's worker, Python 3.11.2, torch 1.13.1, TorchServe 0.12.0 "
		same   = "Its worker with the handler is the same there"
	)
	for _, f := range []string{"config.properties", "model-config.yaml", "kserve", "shell", "docker"} {
		for _, tt := range []struct {
			name string
			s    export.Source
			want []string
			not  []string
		}{
			{"FP16 of a folder", pythonSource(t, "/home/alice/nets", knob.HalfPrecision), []string{half, packed, engine, same}, []string{full}},
			{"FP32 of a file", pythonSource(t, "/home/alice/nets.mar", knob.FullPrecision), []string{full, engine, same}, []string{half, "with zip"}},
		} {
			d, err := export.Write(f, tt.s, false)
			if err == nil {
				err = export.Verify(d, tt.s)
			}
			if err != nil {
				t.Fatalf("%s, %s: %v", f, tt.name, err)
			}
			text := written(t, f, tt.s)
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("%s, %s: no %q in\n%s", f, tt.name, want, d.Data)
				}
			}
			for _, not := range append(tt.not, "ONNX", "self.model.half()", "your own handler", "0.7 ms") {
				if strings.Contains(text, not) {
					t.Errorf("%s, %s: %q in\n%s", f, tt.name, not, d.Data)
				}
			}
			if has := strings.Contains(string(d.Data), "\nhandler:\n  precision: fp16\n"); f == "model-config.yaml" && has != (tt.s.Settings.Precision == knob.HalfPrecision) {
				t.Errorf("%s: the key of the handler is written: %v", tt.name, has)
			}
		}
	}
	if text := written(t, "triton", pythonSource(t, "nets.mar", knob.HalfPrecision)); strings.Contains(text, "for ONNX Runtime: copy") {
		t.Errorf("triton: %s", text)
	}
}

// An archive with an ONNX model and a handler has one already.
func TestHandlerOfONNXArchive(t *testing.T) {
	s := source(t, 0)
	s.Model.Source, s.Model.Handler = "nets", "service.py"
	text := written(t, "config.properties", s)
	if !strings.Contains(text, "its handler service.py is in it") || strings.Contains(text, "your own handler") {
		t.Error(text)
	}
}
