package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"sweetspot/engine/api/grpc/oippb"
	"sweetspot/engine/tensor"
)

// askGRPC asks over the Open Inference Protocol over gRPC, with raw contents or with typed ones;
// of FP16 and BF16, which have no typed contents, always with raw ones.
func (s *nodeServer) askGRPC(raw bool) asker {
	return func(ctx context.Context, model string, in, want []namedTensor) ([]tensor.Tensor, string, error) {
		r := &oippb.ModelInferRequest{ModelName: model}
		asRaw := raw
		for _, t := range in {
			asRaw = asRaw || isHalf(t.Type)
		}
		for _, t := range in {
			i := &oippb.ModelInferRequest_InferInputTensor{Name: t.name, Datatype: t.Type.String(), Shape: t.Shape}
			if asRaw {
				r.RawInputContents = append(r.RawInputContents, t.Data)
			} else {
				i.Contents = typedContents(t.Tensor)
			}
			r.Inputs = append(r.Inputs, i)
		}
		for _, t := range want {
			r.Outputs = append(r.Outputs, &oippb.ModelInferRequest_InferRequestedOutputTensor{Name: t.name})
		}
		a, err := oippb.NewGRPCInferenceServiceClient(s.rpc).ModelInfer(ctx, r, grpc.MaxCallRecvMsgSize(math.MaxInt32))
		if err != nil {
			e := status.Convert(err)
			return nil, fmt.Sprintf("%s: %s", e.Code(), reasonOf(errors.New(e.Message()))), nil
		}
		out, err := readInfer(a, want)
		return out, "", err
	}
}

// typedContents returns a tensor as typed contents, not with the code of the server.
func typedContents(t tensor.Tensor) *oippb.InferTensorContents {
	c := &oippb.InferTensorContents{}
	little := binary.LittleEndian
	if t.Type == tensor.String {
		texts, _ := tensor.Texts(t.Data) // it is the data of a test
		for _, text := range texts {
			c.BytesContents = append(c.BytesContents, []byte(text))
		}
		return c
	}
	for i := range int(tensor.Count(t.Type, t.Data)) {
		switch t.Type {
		case tensor.Bool:
			c.BoolContents = append(c.BoolContents, t.Data[i] != 0)
		case tensor.Float32:
			c.Fp32Contents = append(c.Fp32Contents, math.Float32frombits(little.Uint32(t.Data[4*i:])))
		case tensor.Float64:
			c.Fp64Contents = append(c.Fp64Contents, math.Float64frombits(little.Uint64(t.Data[8*i:])))
		case tensor.Int64:
			c.Int64Contents = append(c.Int64Contents, int64(little.Uint64(t.Data[8*i:])))
		case tensor.Uint64:
			c.Uint64Contents = append(c.Uint64Contents, little.Uint64(t.Data[8*i:]))
		case tensor.Uint8, tensor.Uint16, tensor.Uint32:
			c.UintContents = append(c.UintContents, uint32(tensor.IntAt(t.Type, t.Data, i)))
		default:
			c.IntContents = append(c.IntContents, int32(tensor.IntAt(t.Type, t.Data, i)))
		}
	}
	return c
}

// readInfer returns the outputs of an answer in the order of want.
func readInfer(a *oippb.ModelInferResponse, want []namedTensor) ([]tensor.Tensor, error) {
	if len(a.GetOutputs()) != len(want) {
		return nil, fmt.Errorf("%d outputs, expected %d", len(a.GetOutputs()), len(want))
	}
	out := make([]tensor.Tensor, len(want))
	for i, o := range a.GetOutputs() {
		if o.GetName() != want[i].name {
			return nil, fmt.Errorf("output %d is %q, expected %q", i, o.GetName(), want[i].name)
		}
		t := &out[i]
		t.Shape = append([]int64{}, o.GetShape()...)
		if err := t.Type.UnmarshalText([]byte(o.GetDatatype())); err != nil {
			return nil, err
		}
		if raw := a.GetRawOutputContents(); len(raw) > 0 {
			t.Data = raw[i]
			continue
		}
		t.Data = bytesOf(t.Type, o.GetContents())
	}
	return out, nil
}

// bytesOf returns the bytes of typed contents, whatever field has them.
func bytesOf(t tensor.Type, c *oippb.InferTensorContents) []byte {
	data, little := []byte{}, binary.LittleEndian
	for _, v := range c.GetBoolContents() {
		n := int64(0)
		if v {
			n = 1
		}
		data = tensor.AppendInt(data, t, n)
	}
	for _, v := range c.GetIntContents() {
		data = tensor.AppendInt(data, t, int64(v))
	}
	for _, v := range c.GetUintContents() {
		data = tensor.AppendInt(data, t, int64(v))
	}
	for _, v := range c.GetInt64Contents() {
		data = little.AppendUint64(data, uint64(v))
	}
	for _, v := range c.GetUint64Contents() {
		data = little.AppendUint64(data, v)
	}
	for _, v := range c.GetFp32Contents() {
		data = little.AppendUint32(data, math.Float32bits(v))
	}
	for _, v := range c.GetFp64Contents() {
		data = little.AppendUint64(data, math.Float64bits(v))
	}
	for _, v := range c.GetBytesContents() {
		data = tensor.AppendText(data, string(v))
	}
	return data
}
