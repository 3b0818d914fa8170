package onnx

import (
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// binding converts values of one element type to the runtime's and back. The wrapper has
// generic types for all types but FP16, BF16 and texts, which have no functions here.
type binding struct {
	elem  ort.TensorElementDataType
	graph onnxgraph.Elem // the same type in a graph
	// scalar makes a value without dimensions from one element. Each run makes a new
	// one, because the wrapper's Scalar.Set does not change the runtime's value.
	scalar func(data []byte) (ort.Value, error)
	// bytesOf returns the bytes of a tensor or scalar; false if v has another type. The
	// bytes are in Go memory and stay valid after v is destroyed.
	bytesOf func(v ort.Value) ([]byte, bool)
}

// bindings is indexed by element type. All machines of ONNX Runtime are little endian, as our
// tensors are, so that bytes need no conversion.
var bindings = [...]binding{
	tensor.Bool:     bindingOf[bool](ort.TensorElementDataTypeBool, onnxpb.TensorProto_BOOL),
	tensor.Uint8:    bindingOf[uint8](ort.TensorElementDataTypeUint8, onnxpb.TensorProto_UINT8),
	tensor.Uint16:   bindingOf[uint16](ort.TensorElementDataTypeUint16, onnxpb.TensorProto_UINT16),
	tensor.Uint32:   bindingOf[uint32](ort.TensorElementDataTypeUint32, onnxpb.TensorProto_UINT32),
	tensor.Uint64:   bindingOf[uint64](ort.TensorElementDataTypeUint64, onnxpb.TensorProto_UINT64),
	tensor.Int8:     bindingOf[int8](ort.TensorElementDataTypeInt8, onnxpb.TensorProto_INT8),
	tensor.Int16:    bindingOf[int16](ort.TensorElementDataTypeInt16, onnxpb.TensorProto_INT16),
	tensor.Int32:    bindingOf[int32](ort.TensorElementDataTypeInt32, onnxpb.TensorProto_INT32),
	tensor.Int64:    bindingOf[int64](ort.TensorElementDataTypeInt64, onnxpb.TensorProto_INT64),
	tensor.Float16:  {elem: ort.TensorElementDataTypeFloat16, graph: onnxpb.TensorProto_FLOAT16},
	tensor.Float32:  bindingOf[float32](ort.TensorElementDataTypeFloat, onnxpb.TensorProto_FLOAT),
	tensor.Float64:  bindingOf[float64](ort.TensorElementDataTypeDouble, onnxpb.TensorProto_DOUBLE),
	tensor.String:   {graph: onnxpb.TensorProto_STRING},
	tensor.BFloat16: {elem: ort.TensorElementDataTypeBFloat16, graph: onnxpb.TensorProto_BFLOAT16},
}

func bindingOf[T ort.TensorData](elem ort.TensorElementDataType, graph onnxgraph.Elem) binding {
	return binding{
		elem:  elem,
		graph: graph,
		scalar: func(data []byte) (ort.Value, error) {
			var one [1]T
			copy(raw(one[:]), data)
			v, err := ort.NewScalar(one[0])
			if err != nil { // v would be a nil pointer in an interface
				return nil, err
			}
			return v, nil
		},
		bytesOf: func(v ort.Value) ([]byte, bool) {
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

// raw returns the memory of s as bytes.
func raw[T ort.TensorData](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), uintptr(len(s))*unsafe.Sizeof(s[0]))
}
