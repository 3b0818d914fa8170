package oip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"

	"sweetspot/engine/lengths"
	protocol "sweetspot/engine/oip"
	"sweetspot/engine/tensor"
	"sweetspot/sweep/load"
)

// distinct is the number of different requests that are made.
const distinct = 16

// hasBatchAxis reports whether the first dimension of all inputs and outputs is open, which is Triton's
// rule for models that can batch.
func hasBatchAxis(m protocol.ModelMetadata) bool {
	all := slices.Concat(m.Inputs, m.Outputs)
	return len(m.Inputs) > 0 && !slices.ContainsFunc(all, func(t protocol.TensorMetadata) bool {
		return len(t.Shape) == 0 || t.Shape[0] >= 0
	})
}

// requests returns the requests of the load: those that were given, else made ones.
func (t *Target) requests() ([]protocol.Request, error) {
	if t.cfg.Bodies == nil {
		return t.make()
	}
	var out []protocol.Request
	for i, b := range t.cfg.Bodies {
		var r protocol.Request
		if err := protocol.DecodeRequest(&r, b.Data, nil); err != nil {
			name := b.Name
			if name == "" {
				name = "body " + strconv.Itoa(i+1)
			}
			return nil, fmt.Errorf(`input: %s: %w; want a request of the protocol in JSON, such as {"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}`, name, err)
		}
		out = append(out, r)
	}
	return out, nil
}

// make makes requests of one row for the inputs of the model.
func (t *Target) make() ([]protocol.Request, error) {
	specs, err := specsOf(t.model.Inputs, t.batch)
	if err != nil {
		return nil, err
	}
	shapes := map[string]lengths.Shape{}
	for name, text := range t.cfg.Shapes {
		if shapes[name], err = lengths.ParseShape(text, os.ReadFile); err != nil {
			return nil, fmt.Errorf("shape of %s: %w", name, err)
		}
	}
	sampler, err := lengths.For(specs, shapes, nil)
	if err != nil {
		return nil, err
	}
	t.made = specs
	rng := rand.New(rand.NewPCG(t.cfg.Seed, 0x6f6970))
	out := make([]protocol.Request, distinct)
	for i := range out {
		for j, x := range sampler.Item(rng) {
			if t.batch {
				x.Shape = append([]int64{1}, x.Shape...)
			}
			out[i].Inputs = append(out[i].Inputs, protocol.Tensor{Name: specs[j].Name, Tensor: x})
		}
	}
	return out, nil
}

// specsOf returns the inputs of one row.
func specsOf(inputs []protocol.TensorMetadata, batch bool) ([]tensor.Spec, error) {
	if len(inputs) == 0 {
		return nil, errors.New("the server does not report the inputs of the model: give requests of the protocol in JSON with --input FILE")
	}
	var out []tensor.Spec
	for _, in := range inputs {
		s := tensor.Spec{Name: in.Name, Shape: slices.Clone(in.Shape)}
		if err := s.Type.UnmarshalText([]byte(in.Datatype)); err != nil {
			return nil, fmt.Errorf("input %q: unknown datatype %q: give requests with --input FILE", in.Name, in.Datatype)
		}
		if batch {
			s.Shape = s.Shape[1:]
		}
		for i, d := range s.Shape {
			if d < 0 {
				s.Shape[i] = -1
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// The content types of requests.
const (
	typeJSON   = "application/json"
	typeBinary = "application/octet-stream"
)

// httpBodies returns the bodies of requests. Requests that were given are sent as they are; made ones have binary
// tensors if the server says that it takes them. The outputs are then binary too.
func (t *Target) httpBodies(requests []protocol.Request) ([]load.Body, error) {
	if t.cfg.Bodies != nil {
		out := slices.Clone(t.cfg.Bodies)
		for i := range out {
			out[i].Type = typeJSON
		}
		return out, nil
	}
	inBinary, err := t.sendsBinary()
	if err != nil {
		return nil, err
	}
	var out []load.Body
	for _, r := range requests {
		r.Binary = inBinary
		for i := range r.Inputs {
			r.Inputs[i].Binary = inBinary
		}
		data, head, err := protocol.AppendRequest(nil, &r)
		if err != nil {
			return nil, fmt.Errorf("%w; the server does not say that it takes binary tensors; --content-type %s sends them", err, typeBinary)
		}
		b := load.Body{Type: typeJSON, Data: data}
		if inBinary {
			b.Type, b.Header = typeBinary, [][2]string{{protocol.HeaderLength, strconv.Itoa(head)}}
		}
		out = append(out, b)
	}
	return out, nil
}

// sendsBinary reports whether made requests have binary tensors.
func (t *Target) sendsBinary() (bool, error) {
	switch t.cfg.ContentType {
	case "":
		return slices.Contains(t.server.Extensions, "binary_tensor_data"), nil
	case typeJSON:
		return false, nil
	case typeBinary:
		return true, nil
	}
	return false, fmt.Errorf("content type %q: want %s or %s", t.cfg.ContentType, typeJSON, typeBinary)
}

// tryRequest sends the first request, so that one that the server refuses is one clear error and not a
// trial with only failures.
func (t *Target) tryRequest(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	if t.client != nil {
		return t.client.try(ctx)
	}
	c := newCaller(t.cfg)
	defer c.close()
	_, err := c.do(ctx, "POST", t.inferURL(), t.load.Bodies[0])
	if err != nil {
		return fmt.Errorf("the server does not answer a request: %w", err)
	}
	return nil
}
