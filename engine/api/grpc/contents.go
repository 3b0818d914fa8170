package grpc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	pb "sweetspot/engine/api/grpc/oippb"
	"sweetspot/engine/oip"
	"sweetspot/engine/tensor"
)

// decodeInfer converts a request. Its tensors share the memory of raw contents. Binary means
// that the request has raw contents. An error is the caller's fault and names the input.
func decodeInfer(r *pb.ModelInferRequest) (oip.Request, error) {
	raw := r.GetRawInputContents()
	out := oip.Request{ID: r.GetId(), Binary: len(raw) > 0, Inputs: make([]oip.Tensor, len(r.GetInputs()))}
	if n := len(r.GetInputs()); len(raw) > 0 && len(raw) != n {
		return out, fmt.Errorf("%d raw_input_contents for %d inputs; send one for each, or contents in each input", len(raw), n)
	}
	for i, in := range r.GetInputs() {
		t := &out.Inputs[i]
		t.Name, t.Shape, t.Binary = in.GetName(), in.GetShape(), out.Binary
		err := t.Type.UnmarshalText([]byte(in.GetDatatype()))
		switch {
		case in.GetName() == "":
			return out, fmt.Errorf("input %d has no name", i)
		case err != nil:
			err = fmt.Errorf("unknown datatype %q", in.GetDatatype())
		case in.GetParameters()["shared_memory_region"] != nil:
			err = errors.New("shared memory is not supported; send the data")
		case out.Binary && in.GetContents() != nil:
			err = errors.New("it has contents, and the request raw_input_contents; send one of them")
		case out.Binary:
			t.Data = raw[i]
		default:
			t.Data, err = contentsData(t.Type, in.GetContents())
		}
		if err != nil {
			return out, fmt.Errorf("input %q: %w", in.GetName(), err)
		}
	}
	for _, o := range r.GetOutputs() {
		switch p := o.GetParameters(); {
		case p["classification"] != nil:
			return out, fmt.Errorf("output %q: classification is not supported; ask for the output and sort its values", o.GetName())
		case p["shared_memory_region"] != nil:
			return out, fmt.Errorf("output %q: shared memory is not supported", o.GetName())
		}
		out.Outputs = append(out.Outputs, oip.RequestedOutput{Name: o.GetName()})
	}
	return out, nil
}

// decodedSize returns the size in bytes of a decoded request.
func decodedSize(r *pb.ModelInferRequest) int64 {
	n := int64(0)
	for _, b := range r.GetRawInputContents() {
		n += int64(len(b))
	}
	for _, in := range r.GetInputs() {
		c := in.GetContents()
		n += int64(len(c.GetBoolContents()) + 4*(len(c.GetIntContents())+len(c.GetUintContents())+len(c.GetFp32Contents())) +
			8*(len(in.GetShape())+len(c.GetInt64Contents())+len(c.GetUint64Contents())+len(c.GetFp64Contents())))
		const header = 24 // bytes of a slice
		for _, b := range c.GetBytesContents() {
			n += header + int64(len(b))
		}
	}
	return n
}

// fieldOf is the field of the contents that has the elements of a type.
func fieldOf(t tensor.Type) string {
	switch t {
	case tensor.Bool:
		return "bool_contents"
	case tensor.Int8, tensor.Int16, tensor.Int32:
		return "int_contents"
	case tensor.Int64:
		return "int64_contents"
	case tensor.Uint8, tensor.Uint16, tensor.Uint32:
		return "uint_contents"
	case tensor.Uint64:
		return "uint64_contents"
	case tensor.Float32:
		return "fp32_contents"
	case tensor.Float64:
		return "fp64_contents"
	case tensor.String:
		return "bytes_contents"
	}
	return "" // none
}

// contentsData returns the bytes of the elements of typed contents.
func contentsData(t tensor.Type, c *pb.InferTensorContents) ([]byte, error) {
	want := fieldOf(t)
	if want == "" {
		return nil, fmt.Errorf("%s has no typed contents; send raw_input_contents", t)
	}
	for name, n := range map[string]int{
		"bool_contents": len(c.GetBoolContents()), "int_contents": len(c.GetIntContents()), "int64_contents": len(c.GetInt64Contents()),
		"uint_contents": len(c.GetUintContents()), "uint64_contents": len(c.GetUint64Contents()), "fp32_contents": len(c.GetFp32Contents()),
		"fp64_contents": len(c.GetFp64Contents()), "bytes_contents": len(c.GetBytesContents()),
	} {
		if n > 0 && name != want {
			return nil, fmt.Errorf("it has %s; the elements of %s are in %s", name, t, want)
		}
	}
	data := []byte{}
	switch want {
	case "bool_contents":
		for _, v := range c.GetBoolContents() {
			b := byte(0)
			if v {
				b = 1
			}
			data = append(data, b)
		}
	case "int_contents":
		return narrow(t, c.GetIntContents())
	case "int64_contents":
		for _, v := range c.GetInt64Contents() {
			data = binary.LittleEndian.AppendUint64(data, uint64(v))
		}
	case "uint_contents":
		return narrow(t, c.GetUintContents())
	case "uint64_contents":
		for _, v := range c.GetUint64Contents() {
			data = binary.LittleEndian.AppendUint64(data, v)
		}
	case "fp32_contents":
		for _, v := range c.GetFp32Contents() {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
	case "fp64_contents":
		for _, v := range c.GetFp64Contents() {
			data = binary.LittleEndian.AppendUint64(data, math.Float64bits(v))
		}
	case "bytes_contents":
		for _, v := range c.GetBytesContents() {
			data = append(binary.LittleEndian.AppendUint32(data, uint32(len(v))), v...)
		}
	}
	return data, nil
}

// narrow returns the bytes of integers of a type of at most 32 bits.
func narrow[T int32 | uint32](t tensor.Type, values []T) ([]byte, error) {
	data := make([]byte, 0, len(values)*t.Size())
	for i, v := range values {
		low, high := integerRange(t)
		if int64(v) < low || int64(v) > high {
			return nil, fmt.Errorf("element %d is %d, outside %s", i, v, t)
		}
		data = tensor.AppendInt(data, t, int64(v))
	}
	return data, nil
}

// integerRange returns the range of an integer type of at most 32 bits.
func integerRange(t tensor.Type) (low, high int64) {
	bits := 8 * t.Size()
	switch t {
	case tensor.Uint8, tensor.Uint16, tensor.Uint32:
		return 0, 1<<bits - 1
	}
	return -1 << (bits - 1), 1<<(bits-1) - 1
}

// encodeInfer sets the outputs of an answer: raw as they are, or as typed contents. If an output
// is FP16 or BF16, which have none, all are raw. An error means that an output is no legal
// tensor.
func encodeInfer(answer *pb.ModelInferResponse, outputs []oip.Tensor, raw bool) error {
	for i := range outputs {
		raw = raw || fieldOf(outputs[i].Type) == ""
	}
	for i := range outputs {
		t := &outputs[i]
		o := &pb.ModelInferResponse_InferOutputTensor{Name: t.Name, Datatype: t.Type.String(), Shape: t.Shape}
		answer.Outputs = append(answer.Outputs, o)
		if raw {
			answer.RawOutputContents = append(answer.RawOutputContents, t.Data)
			continue
		}
		var err error
		if o.Contents, err = contentsOf(t.Tensor); err != nil {
			return fmt.Errorf("output %q: %w", t.Name, err)
		}
	}
	return nil
}

// contentsOf returns the elements of a tensor as typed contents.
func contentsOf(t tensor.Tensor) (*pb.InferTensorContents, error) {
	n := tensor.Count(t.Type, t.Data)
	if n < 0 {
		return nil, fmt.Errorf("%d bytes are no %s", len(t.Data), t.Type)
	}
	c := &pb.InferTensorContents{}
	switch fieldOf(t.Type) {
	case "bool_contents":
		c.BoolContents = elements(n, func(i int) bool { return t.Data[i] != 0 })
	case "int_contents":
		c.IntContents = elements(n, func(i int) int32 { return int32(tensor.IntAt(t.Type, t.Data, i)) })
	case "int64_contents":
		c.Int64Contents = elements(n, func(i int) int64 { return int64(binary.LittleEndian.Uint64(t.Data[8*i:])) })
	case "uint_contents":
		c.UintContents = elements(n, func(i int) uint32 { return uint32(tensor.IntAt(t.Type, t.Data, i)) })
	case "uint64_contents":
		c.Uint64Contents = elements(n, func(i int) uint64 { return binary.LittleEndian.Uint64(t.Data[8*i:]) })
	case "fp32_contents":
		c.Fp32Contents = elements(n, func(i int) float32 { return tensor.Float32At(t.Data, i) })
	case "fp64_contents":
		c.Fp64Contents = elements(n, func(i int) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(t.Data[8*i:])) })
	case "bytes_contents":
		texts, _ := tensor.Texts(t.Data) // they have been counted
		c.BytesContents = elements(n, func(i int) []byte { return []byte(texts[i]) })
	}
	return c, nil
}

// elements returns n elements.
func elements[T any](n int64, at func(int) T) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = at(i)
	}
	return out
}
