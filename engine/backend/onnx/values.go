package onnx

import (
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"

	"sweetspot/engine/tensor"
)

// kind is how one element type crosses into the runtime and back. The wrapper
// has generic types for all but FP16, which has no functions here.
type kind struct {
	elem ort.TensorElementDataType
	// scalar makes a value without dimensions from one element. The wrapper's
	// Scalar.Set leaves the runtime with the old number, so each run makes its own.
	scalar func(data []byte) (ort.Value, error)
	// content is the bytes of a tensor or scalar; false if v is of another type.
	// They lie in Go memory and outlive v.
	content func(v ort.Value) ([]byte, bool)
}

// kinds is indexed by element type. Every machine ONNX Runtime runs on is little
// endian, as our tensors are, so bytes cross as they are.
var kinds = [...]kind{
	tensor.Bool:    kindOf[bool](ort.TensorElementDataTypeBool),
	tensor.Uint8:   kindOf[uint8](ort.TensorElementDataTypeUint8),
	tensor.Uint16:  kindOf[uint16](ort.TensorElementDataTypeUint16),
	tensor.Uint32:  kindOf[uint32](ort.TensorElementDataTypeUint32),
	tensor.Uint64:  kindOf[uint64](ort.TensorElementDataTypeUint64),
	tensor.Int8:    kindOf[int8](ort.TensorElementDataTypeInt8),
	tensor.Int16:   kindOf[int16](ort.TensorElementDataTypeInt16),
	tensor.Int32:   kindOf[int32](ort.TensorElementDataTypeInt32),
	tensor.Int64:   kindOf[int64](ort.TensorElementDataTypeInt64),
	tensor.Float16: {elem: ort.TensorElementDataTypeFloat16},
	tensor.Float32: kindOf[float32](ort.TensorElementDataTypeFloat),
	tensor.Float64: kindOf[float64](ort.TensorElementDataTypeDouble),
}

func kindOf[T ort.TensorData](elem ort.TensorElementDataType) kind {
	return kind{
		elem: elem,
		scalar: func(data []byte) (ort.Value, error) {
			var one [1]T
			copy(raw(one[:]), data)
			v, err := ort.NewScalar(one[0])
			if err != nil { // v would be a nil pointer in an interface
				return nil, err
			}
			return v, nil
		},
		content: func(v ort.Value) ([]byte, bool) {
			switch v := v.(type) {
			case *ort.Tensor[T]:
				return raw(v.GetData()), true
			case *ort.Scalar[T]:
				return raw([]T{v.GetData()}), true
			}
			return nil, false
		},
	}
}

// raw views s as bytes.
func raw[T ort.TensorData](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), uintptr(len(s))*unsafe.Sizeof(s[0]))
}
