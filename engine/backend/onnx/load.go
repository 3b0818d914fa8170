package onnx

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	ort "github.com/yalue/onnxruntime_go"

	"sweetspot/engine"
	"sweetspot/engine/knob"
)

// load makes the runtime's session for the model or for its FP16 version, and returns what was
// changed.
func (b *Backend) load(m *engine.Model, c knob.Config, p *plan, o *ort.SessionOptions) (*ort.DynamicAdvancedSession, conversion, error) {
	data, changed, err := b.modelBytes(m, c, p)
	if err != nil {
		return nil, conversion{}, err
	}
	if m.Path != "" && data != nil { // external weights are in the model's folder
		if err := o.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", filepath.Dir(m.Path)); err != nil {
			return nil, conversion{}, fmt.Errorf("session options: %w", err)
		}
	}
	run, err := runtimeSession(m.Path, data, p, o)
	if err == nil || !faultyFusion.MatchString(err.Error()) {
		return run, changed, plain(err, b.log)
	}
	// Known faults of a fusion (microsoft/onnxruntime issue 26717): without it the graph is
	// the one in the file.
	b.log.Warn("this ONNX Runtime makes an invalid graph with one of its fusions; it is turned off for this model", "model", m.Name, "fusion", fusion)
	if err := o.AddSessionConfigEntry("optimization.disable_specified_optimizers", fusion); err != nil {
		return nil, conversion{}, fmt.Errorf("session options: %w", err)
	}
	changed.note = joinNotes(changed.note, "without the runtime's "+fusion+", which fails")
	run, err = runtimeSession(m.Path, data, p, o)
	return run, changed, plain(err, b.log)
}

// joinNotes joins two notes; the first one may be "".
func joinNotes(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// fusion is the optimization that fails for some models with FP16.
const fusion = "SimplifiedLayerNormFusion"

var faultyFusion = regexp.MustCompile(`InsertedPrecisionFreeCast|` + fusion)

// modelBytes returns the bytes of the model to load, or nil if the runtime reads its file,
// which is cheaper.
func (b *Backend) modelBytes(m *engine.Model, c knob.Config, p *plan) (data []byte, changed conversion, err error) {
	data = m.Bytes
	switch {
	case c.Precision == knob.HalfPrecision:
		half, err := b.fp16.get(m)
		if err != nil {
			return nil, conversion{}, err
		}
		data, changed = half.bytes, half.conversion
		if isCPU(c.Device) {
			changed.note = joinNotes(changed.note, cpuAdvice)
		}
	case m.Path != "":
		if st, err := os.Stat(m.Path); err == nil && st.IsDir() { // the runtime's error would mislead
			return nil, conversion{}, fmt.Errorf("%s is a folder", m.Path)
		}
		if len(p.added) == 0 && len(p.lifted) == 0 {
			return nil, conversion{}, nil
		}
		if data, err = os.ReadFile(m.Path); err != nil {
			return nil, conversion{}, err
		}
	}
	if len(p.lifted) > 0 {
		if data, err = liftInputs(data, p.lifted); err != nil {
			return nil, conversion{}, err
		}
	}
	if len(p.added) > 0 {
		data, err = appendTo(data, p.added)
	}
	return data, changed, err
}

// runtimeSession loads the model in data, or that at path if data is nil.
func runtimeSession(path string, data []byte, p *plan, o *ort.SessionOptions) (*ort.DynamicAdvancedSession, error) {
	if path != "" && data == nil {
		return ort.NewDynamicAdvancedSession(path, p.inNames, p.outNames, o)
	}
	return ort.NewDynamicAdvancedSessionWithONNXData(data, p.inNames, p.outNames, o)
}
