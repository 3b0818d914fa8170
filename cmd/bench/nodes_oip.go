package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"sweetspot/engine/oip"
	"sweetspot/engine/tensor"
)

// askOIP asks over the Open Inference Protocol, with binary tensors or with JSON; of FP16 and
// BF16, which the protocol has not in JSON, always with binary ones.
func (s *nodeServer) askOIP(binary bool) asker {
	return func(ctx context.Context, model string, in, want []namedTensor) ([]tensor.Tensor, string, error) {
		r := oip.Request{Binary: binary}
		for _, t := range in {
			r.Inputs = append(r.Inputs, oip.Tensor{Name: t.name, Tensor: t.Tensor, Binary: binary || isHalf(t.Type)})
		}
		for _, t := range want {
			o := oip.RequestedOutput{Name: t.name}
			if isHalf(t.Type) {
				o.Binary = oip.AsBinary
			}
			r.Outputs = append(r.Outputs, o)
		}
		body, head, err := oip.AppendRequest(nil, &r)
		if err != nil {
			return nil, "", err
		}
		header := http.Header{oip.HeaderLength: {strconv.Itoa(head)}}
		resp, data, refusal, err := s.post(ctx, "/v2/models/"+model+"/infer", header, body)
		if err != nil || refusal != "" {
			return nil, refusal, err
		}
		out, err := readOIP(resp, data, want)
		return out, "", err
	}
}

func isHalf(t tensor.Type) bool { return t == tensor.Float16 || t == tensor.BFloat16 }

// readOIP decodes an answer to the outputs in the order of want.
func readOIP(resp *http.Response, data []byte, want []namedTensor) ([]tensor.Tensor, error) {
	head := len(data)
	if text := resp.Header.Get(oip.HeaderLength); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > len(data) {
			return nil, fmt.Errorf("%s: %q of %d bytes", oip.HeaderLength, text, len(data))
		}
		head = n
	}
	var a oip.Answer
	if err := oip.DecodeAnswer(&a, data[:head], data[head:]); err != nil {
		return nil, err
	}
	if len(a.Outputs) != len(want) {
		return nil, fmt.Errorf("%d outputs, expected %d", len(a.Outputs), len(want))
	}
	out := make([]tensor.Tensor, len(want))
	for i, o := range a.Outputs {
		if o.Name != want[i].name {
			return nil, fmt.Errorf("output %d is %q, expected %q", i, o.Name, want[i].name)
		}
		out[i] = o.Tensor
	}
	return out, nil
}
