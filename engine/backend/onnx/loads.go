package onnx

import (
	"errors"

	ort "github.com/yalue/onnxruntime_go"
)

// Loads reports whether the runtime itself loads the model at path with these inputs and
// outputs, also one that this backend cannot serve, such as one with sequences. The error
// is the runtime's.
func (b *Backend) Loads(path string, inputs, outputs []string) error {
	s, err := ort.NewDynamicAdvancedSession(path, inputs, outputs, nil)
	if err != nil {
		return errors.New(oneLine(err))
	}
	return s.Destroy()
}
