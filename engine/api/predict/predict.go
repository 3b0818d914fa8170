// Package predict answers predictions for every protocol: it finds the model, decodes the
// body with the model's handler, runs the request in the engine, and encodes the answer. It
// knows no protocol: a transport reads the body, calls this package, and sends the [Reply]
// or translates the [Error].
//
// A [Predictor] is safe for concurrent use, has no state but its engine and the number of
// running explanations, and starts no goroutine. The memory of one prediction is in a [Prediction], which the transport reuses,
// so that this package allocates nothing for a prediction of tensors.
package predict

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/explain"
	"sweetspot/engine/handler"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// Predictor answers predictions with the models of an engine.
type Predictor struct {
	engine       *engine.Engine
	explanations running
}

// New returns a predictor for the models of e.
func New(e *engine.Engine) *Predictor { return &Predictor{engine: e} }

// Prediction is the memory of one prediction. Its zero value is ready for use; only one
// goroutine may use it at a time.
type Prediction struct {
	service *engine.ModelService
	handler engine.Handler
	format  payload.Format
	request payload.Request
	in, out []tensor.Item
	tensors handler.Tensors // for a model without a handler
	answer  []byte

	running *running        // explanations
	explain explain.Options // after PrepareExplanation
}

// Timing splits the time of a prediction, from its body to its answer.
type Timing struct {
	engine.Timing
	Decode, Encode time.Duration
}

// Reply is an answer. Body belongs to the Prediction and is valid until its next use. A
// Stream has the rest of the answer after Body.
type Reply struct {
	Status int // as in HTTP
	Type   string
	Header []payload.Field
	Body   []byte
	Stream *payload.Stream
	Timing Timing
}

// Begin finds the model (version "" is the default one) and negotiates the format of the
// answer. It reserves nothing.
func (s *Predictor) Begin(p *Prediction, model, version, accept string) error {
	service, err := s.engine.Find(model, version)
	if err != nil {
		return s.Unknown(model, version, err)
	}
	p.service, p.handler, p.running = service, service.Model().Handler, &s.explanations
	if p.handler == nil {
		p.tensors = handler.NewTensors(service.Model().Inputs, service.Model().Outputs)
		p.handler = &p.tensors
	}
	if p.format, err = p.handler.Negotiate(accept); err != nil {
		return errorf(NotAcceptable, "%v", err)
	}
	return nil
}

// BodySize returns a size in bytes that is enough for the raw body of a request to the model;
// 0 is unknown. It is valid after Begin.
func (p *Prediction) BodySize() int64 { return handler.BodySize(p.service.Model().Inputs) }

// ReadsHeader reports whether the handler of the model reads the headers and the query of
// requests. It is valid after Begin.
func (p *Prediction) ReadsHeader() bool {
	_, ok := p.handler.(engine.HeaderReader)
	return ok
}

// TakeInstances makes the prediction read the JSON of KServe v1, {"instances": [...]}, and
// answer {"predictions": [...]}: each instance is one row. It does nothing for a model whose
// handler has no such form and reads the body itself, as in TorchServe. It is valid after
// Begin.
func (p *Prediction) TakeInstances() {
	switch h := p.handler.(type) {
	case *handler.Tensors:
		p.handler, p.format = handler.NewInstances(h), payload.Format(handler.JSON)
	case engine.InstanceReader:
		p.handler, p.format = h.Instances(), payload.Format(handler.JSON)
	}
}

// PartsBody returns the body of a request with named parts: as they are for a handler that
// reads them, one part called data or body as a whole body, and others as a form. It is valid
// after Begin.
func (p *Prediction) PartsBody(parts []payload.Part) payload.Body {
	if _, ok := p.handler.(engine.PartsReader); ok {
		return payload.Body{Parts: parts}
	}
	if len(parts) == 1 && (parts[0].Name == "data" || parts[0].Name == handler.WholeBody) {
		return payload.Body{Type: parts[0].Type, Data: parts[0].Data}
	}
	form := handler.FormOf(parts)
	return payload.Body{Type: form.Type, Data: form.Data}
}

// TakesBytes reports whether only the handler of the model knows its requests and answers in the
// Open Inference Protocol: they are bytes, or the handler reads the protocol itself. It is valid
// after Begin.
func (p *Prediction) TakesBytes() bool {
	m := p.service.Model()
	own, ok := p.handler.(engine.OpenInferenceReader)
	return p.ReadsHeader() || len(m.Inputs) == 0 && len(m.Outputs) == 0 || ok && own.ReadsOpenInference()
}

// Use makes the prediction decode and encode with h instead of the handler of the model, for a
// protocol whose requests have the tensors of the model. It is valid after Begin.
func (p *Prediction) Use(h engine.Handler) { p.handler, p.format = h, 0 }

// Model returns the model. It is valid after Begin.
func (p *Prediction) Model() *engine.Model { return p.service.Model() }

// Unknown returns the error of a name that engine.Find does not find: it lists the existing models or versions.
func (s *Predictor) Unknown(model, version string, err error) error {
	var have []string
	if errors.Is(err, engine.ErrUnknownVersion) {
		for _, o := range s.engine.Services() {
			if o.Model().Name == model {
				have = append(have, o.Model().Version)
			}
		}
		are := "its version is"
		if len(have) > 1 {
			are = "its versions are"
		}
		return errorf(UnknownVersion, "Model version: %s does not exist for model: %s; %s %s", version, model, are, strings.Join(have, ", "))
	}
	for _, o := range s.engine.Services() {
		if n := o.Model().Name; len(have) == 0 || have[len(have)-1] != n {
			have = append(have, n)
		}
	}
	if len(have) == 0 {
		have = []string{"nothing"}
	}
	return errorf(UnknownModel, "Model not found: %s; served here: %s", model, strings.Join(have, ", "))
}

// Memory bounds the memory of all requests together. nil is no limit.
type Memory interface {
	Reserve(bytes int64) error // before the memory is allocated; an error means that there is too little
	Free(bytes int64)          // returns memory that is no longer needed
}

// Options describe the transport.
type Options struct {
	Memory   Memory
	Streamed bool // it can send streamed answers
}

// Run runs the prediction after Begin. It gets a ticket for the queue and the memory for
// decoding before it decodes the body, and returns an error if either is refused. If
// reusable is false, the engine may still read the body because the caller has abandoned
// the request; then the memory of the body and p must not be used again.
func (p *Prediction) Run(ctx context.Context, b payload.Body, o Options) (r Reply, reusable bool, err error) {
	name := p.service.Model().Name
	ticket, err := p.service.Admit()
	if err != nil {
		return Reply{}, true, engineError(name, err)
	}
	start := time.Now()
	p.request = payload.Request{Items: p.in[:0], Streamed: o.Streamed}
	if err := p.decode(b, o.Memory); err != nil {
		ticket.Release()
		return Reply{}, true, err
	}
	r.Timing.Decode = time.Since(start)
	a, t, err := ticket.Do(ctx, p.request, p.out[:0])
	r.Timing.Timing = t
	if err != nil {
		return Reply{}, !mayStillRead(err), p.runError(name, err)
	}
	return p.reply(r, a)
}

// runError converts the error of a run. If the model has failed for a request whose sizes do not
// belong together, it is the caller's fault.
func (p *Prediction) runError(name string, err error) error {
	out := engineError(name, err)
	e, ok := errors.AsType[*Error](out)
	if !ok || e.Kind != Failed || e.Status != 0 || errors.Is(err, engine.ErrSessionLost) {
		return out
	}
	for _, item := range p.request.Items {
		if sizes := handler.CheckSizes(p.service.Model().Inputs, item, func(int) bool { return true }); sizes != nil {
			return &Error{Kind: BadInput, Message: fmt.Sprintf("%v, and the model fails with that: %v", sizes, err), err: err}
		}
	}
	return out
}

// decode decodes the body to the request. It reserves the estimated memory of decoding, and
// afterwards frees what the request does not use.
func (p *Prediction) decode(b payload.Body, m Memory) error {
	decodedSize := int64(0)
	if m != nil {
		decodedSize = p.handler.DecodedSize(b)
		if err := m.Reserve(decodedSize); err != nil {
			return err
		}
	}
	if err := p.handler.Decode(&p.request, b); err != nil {
		return errorf(BadInput, "%v", err)
	}
	p.in = p.request.Items
	if err := p.checkPadded(); err != nil {
		return err
	}
	if m != nil {
		m.Free(max(0, decodedSize-p.request.Bytes()))
	}
	return nil
}

// checkPadded refuses a row that has different sizes in the padded dimensions of one name.
// Padding has been tried with equal ones, and in a batch it would give both the same
// size: the answer would depend on the other rows.
func (p *Prediction) checkPadded() error {
	m := p.service.Model()
	if m.Padding == nil {
		return nil
	}
	for _, item := range p.request.Items {
		if err := handler.CheckSizes(m.Inputs, item, func(i int) bool { return m.Padding.Fills[i].Pad }); err != nil {
			return errorf(BadInput, "%v; they are padded together, so send one size", err)
		}
	}
	return nil
}

// reply encodes an answer.
func (p *Prediction) reply(r Reply, a payload.Answer) (Reply, bool, error) {
	r.Status, r.Stream = 200, a.Stream
	if a.Bytes != nil {
		r.Header, r.Type = a.Bytes.Header, a.Bytes.Type
		if a.Bytes.Status != 0 {
			r.Status = a.Bytes.Status
		}
	}
	if a.Stream != nil {
		return r, false, nil // the batch may still read the body
	}
	p.out, a.State = a.Items, p.request.State
	start := time.Now()
	body, err := p.handler.Encode(p.answer[:0], p.format, a)
	r.Timing.Encode = time.Since(start)
	clear(p.out) // let the outputs be collected
	p.service.Observe(r.Timing.Decode, r.Timing.Encode)
	if errors.Is(err, handler.ErrNotAcceptable) {
		return Reply{}, true, errorf(NotAcceptable, "%v", err)
	}
	if err != nil {
		return Reply{}, true, fmt.Errorf("encode: %w", err)
	}
	p.answer = body.Data
	r.Body, r.Type, r.Header = body.Data, body.Type, body.Header
	return r, true, nil
}

// mayStillRead reports whether the engine may still read the request after err.
func mayStillRead(err error) bool {
	return errors.Is(err, engine.ErrExpired) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
