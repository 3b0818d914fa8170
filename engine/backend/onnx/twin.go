package onnx

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"weak"

	"sweetspot/engine"
	"sweetspot/engine/onnxgraph/fp16"
)

// halfAdvice is what a switch to FP16 tells beside its numbers.
const halfAdvice = "on a CPU fp16 is usually slower, and a CPU does not show GPU overflow"

// twin is the FP16 copy of a model.
type twin struct {
	bytes []byte
	note  string
}

// twins makes each model's twin once and keeps it as long as the model lives.
type twins struct {
	mu sync.Mutex
	of map[weak.Pointer[engine.Model]]func() (twin, error)
}

// get is m's twin. Callers that come while it is made wait for it.
func (t *twins) get(m *engine.Model) (twin, error) {
	key := weak.Make(m)
	t.mu.Lock()
	make16, ok := t.of[key]
	if !ok {
		// The function must not hold m, which would never be freed then.
		path, data := m.Path, m.Bytes
		make16 = sync.OnceValues(func() (twin, error) { return halve(path, data) })
		if t.of == nil {
			t.of = map[weak.Pointer[engine.Model]]func() (twin, error){}
		}
		t.of[key] = make16
		runtime.AddCleanup(m, t.forget, key)
	}
	t.mu.Unlock()
	return make16()
}

func (t *twins) forget(key weak.Pointer[engine.Model]) {
	t.mu.Lock()
	delete(t.of, key)
	t.mu.Unlock()
}

// halve converts the model at path or, without one, in data.
func halve(path string, data []byte) (twin, error) {
	if path != "" {
		var err error
		if data, err = os.ReadFile(path); err != nil {
			return twin{}, err
		}
	}
	half, report, err := fp16.Convert(data, fp16.Options{})
	if err != nil {
		return twin{}, fmt.Errorf("fp16: %w", err)
	}
	note := count(int(report.Clipped), "value") + " clipped"
	if report.Flushed > 0 {
		note += fmt.Sprintf(", %d too small for fp16", report.Flushed)
	}
	if report.Kept > 0 {
		note += ", " + count(report.Kept, "node") + " kept in fp32"
	}
	return twin{bytes: half, note: note + "; " + halfAdvice}, nil
}
