package oip

import (
	"context"
	"fmt"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// Call is a request on its way through the engine. It is an engine.Handler: predict.Use makes a
// prediction decode to its rows and encode to its answer. The bodies of that handler are empty,
// because the request and the answer are tensors here; a transport reads and writes their
// bytes. A Call is for one request at a time, and may be used again for another one unless that
// was abandoned.
type Call struct {
	Signature *Signature
	Request   Request
	// TypedAnswer means that the transport can answer every type without binary data, unlike
	// JSON, which has no FP16 and no BF16.
	TypedAnswer bool

	// Outputs are the outputs of the answer after Encode, as they were requested. They are
	// valid until the next use of the Call, and may share memory with the outputs of the model.
	Outputs []Tensor

	wanted []int // positions of the outputs
}

// Initialize does nothing: a Call has the signature of a model that serves.
func (c *Call) Initialize(context.Context, []tensor.Spec, []tensor.Spec) error { return nil }

// Negotiate returns the only format.
func (c *Call) Negotiate(string) (payload.Format, error) { return 0, nil }

// DecodedSize returns the size in bytes of what Decode allocates.
func (c *Call) DecodedSize(payload.Body) int64 {
	n := int64(0)
	rows := int64(1)
	for i := range c.Request.Inputs {
		t := &c.Request.Inputs[i]
		n += int64(len(t.Data)) // gathered, at most
		for _, size := range t.Shape {
			rows = max(rows, size)
		}
	}
	return n + min(rows, MaxRows)*int64(len(c.Signature.Inputs)+1)*rowBytes
}

// rowBytes is more than the memory of a tensor of a row without its data.
const rowBytes = 96

// Decode sets the rows of the request. The body is not read.
func (c *Call) Decode(r *payload.Request, _ payload.Body) (err error) {
	if err := c.selectOutputs(); err != nil {
		return err
	}
	r.Items, err = c.Signature.Rows(r.Items, c.Request.Inputs)
	return err
}

// selectOutputs finds the requested outputs.
func (c *Call) selectOutputs() error {
	c.wanted = c.wanted[:0]
	if c.Request.Outputs == nil {
		for i := range c.Signature.Outputs {
			c.wanted = append(c.wanted, i)
		}
	}
	for _, o := range c.Request.Outputs {
		i, err := find(c.Signature.Outputs, o.Name, "output")
		if err != nil {
			return err
		}
		c.wanted = append(c.wanted, i)
	}
	if c.TypedAnswer {
		return nil
	}
	for k, i := range c.wanted { // before the model runs in vain
		if o := &c.Signature.Outputs[i]; !c.Request.isBinary(k) {
			if err := checkJSON(o.Type); err != nil {
				return fmt.Errorf("output %q: %w", o.Name, err)
			}
		}
	}
	return nil
}

// Encode sets the outputs of the answer. It appends nothing to dst.
func (c *Call) Encode(dst []byte, _ payload.Format, a payload.Answer) (payload.Body, error) {
	c.Outputs = c.Outputs[:0]
	for k, i := range c.wanted {
		t, err := c.Signature.Join(a.Items, i)
		if err != nil {
			return payload.Body{Data: dst}, err
		}
		t.Binary = c.Request.isBinary(k)
		c.Outputs = append(c.Outputs, t)
	}
	return payload.Body{Data: dst}, nil
}

// isBinary reports whether output k of the answer is requested as binary.
func (r *Request) isBinary(k int) bool {
	if k < len(r.Outputs) && r.Outputs[k].Binary != AsRequest {
		return r.Outputs[k].Binary == AsBinary
	}
	return r.Binary
}
