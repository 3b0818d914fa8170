package onnx

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"weak"

	"sweetspot/engine"
	"sweetspot/engine/onnxgraph/fp16"
)

// cpuAdvice is, on the CPU, the advice in the note of a change to FP16.
const cpuAdvice = "on a CPU fp16 is usually slower, and a CPU does not show GPU overflow"

// fp16Model is a model converted to FP16.
type fp16Model struct {
	bytes []byte
	conversion
}

// conversion is what a conversion changed; zero for a model that was not converted.
type conversion struct {
	clipped int64
	note    string
}

// fp16Cache converts each model once and keeps the result until the model is collected.
type fp16Cache struct {
	mu     sync.Mutex
	models map[weak.Pointer[engine.Model]]func() (fp16Model, error)
}

// get returns the converted m. Concurrent calls wait for one conversion.
func (t *fp16Cache) get(m *engine.Model) (fp16Model, error) {
	key := weak.Make(m)
	t.mu.Lock()
	convert, ok := t.models[key]
	if !ok {
		// The function must not refer to m, which would then never be collected.
		path, data := m.Path, m.Bytes
		convert = sync.OnceValues(func() (fp16Model, error) { return convertModel(path, data) })
		if t.models == nil {
			t.models = map[weak.Pointer[engine.Model]]func() (fp16Model, error){}
		}
		t.models[key] = convert
		runtime.AddCleanup(m, t.remove, key)
	}
	t.mu.Unlock()
	return convert()
}

func (t *fp16Cache) remove(key weak.Pointer[engine.Model]) {
	t.mu.Lock()
	delete(t.models, key)
	t.mu.Unlock()
}

// convertModel converts the model at path or, without one, in data.
func convertModel(path string, data []byte) (fp16Model, error) {
	if path != "" {
		var err error
		if data, err = os.ReadFile(path); err != nil {
			return fp16Model{}, err
		}
	}
	half, report, err := fp16.Convert(data, fp16.Options{})
	if err != nil {
		return fp16Model{}, fmt.Errorf("fp16: %w", err)
	}
	note := ""
	if report.Flushed > 0 {
		note += count(int(report.Flushed), "value") + " too small for fp16, "
	}
	if report.Kept > 0 {
		note += count(report.Kept, "node") + " kept in fp32; "
	}
	return fp16Model{half, conversion{report.Clipped, strings.TrimRight(note, ",; ")}}, nil
}
