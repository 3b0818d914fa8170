// Package predict answers predictions for every protocol: it finds the model, has its
// handler decode the body, asks the engine, and has the handler encode the answer. It
// knows no protocol: a transport reads the body, hands it over, and translates the
// [Error] or sends the [Reply].
//
// A [Service] is safe for concurrent use, keeps no state but its engine, and starts no
// goroutine. What one prediction needs is in a [Prediction], which its transport
// keeps for the next one, so that a prediction of tensors allocates nothing here.
package predict

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/handler"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// Service answers predictions with the models of an engine.
type Service struct {
	engine *engine.Engine
}

// New returns the service of e's models.
func New(e *engine.Engine) *Service { return &Service{e} }

// Prediction is the memory of one prediction. Its zero value is ready; it is used by
// one goroutine at a time.
type Prediction struct {
	served  *engine.ModelService
	handler engine.Handler
	format  payload.Format
	request payload.Request
	in, out []tensor.Item
	plain   handler.Tensors // of a model without a handler of its own
	answer  []byte
}

// Timing is where a prediction's time went, from its body to its answer.
type Timing struct {
	engine.Timing
	Decode, Encode time.Duration
}

// Reply is an answer. Body is the prediction's memory, and valid until its next use;
// a Stream has what follows Body.
type Reply struct {
	Status int // as in HTTP
	Type   string
	Header []payload.Field
	Body   []byte
	Stream *payload.Stream
	Timing Timing
}

// Begin finds the model, "" being its default version, and agrees on the form of the
// answer. Nothing has to be given back.
func (s *Service) Begin(p *Prediction, model, version, accept string) error {
	served, err := s.engine.Find(model, version)
	if err != nil {
		return s.unknown(model, version, err)
	}
	p.served, p.handler = served, served.Model().Handler
	if p.handler == nil {
		p.plain = handler.NewTensors(served.Model().Inputs, served.Model().Outputs)
		p.handler = &p.plain
	}
	if p.format, err = p.handler.Negotiate(accept); err != nil {
		return errorf(NotAcceptable, "%v", err)
	}
	return nil
}

// unknown says which models or versions there are instead.
func (s *Service) unknown(model, version string, err error) error {
	var have []string
	if errors.Is(err, engine.ErrUnknownVersion) {
		for _, o := range s.engine.ModelService() {
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
	for _, o := range s.engine.ModelService() {
		if n := o.Model().Name; len(have) == 0 || have[len(have)-1] != n {
			have = append(have, n)
		}
	}
	if len(have) == 0 {
		have = []string{"nothing"}
	}
	return errorf(UnknownModel, "Model not found: %s; served here: %s", model, strings.Join(have, ", "))
}

// Memory bounds what requests take together. A nil one bounds nothing.
type Memory interface {
	Take(bytes int64) error // before they are used; an error says that there is no room
	Give(bytes int64)       // back what was taken and is not used
}

// Options are what a transport can do.
type Options struct {
	Memory   Memory
	Streamed bool // it can answer in pieces
}

// Run predicts what Begin has begun. The queue is asked before the body is decoded,
// and refuses what would have to wait outside of it; so is the memory that it decodes
// to. With kept false what the body
// holds may still be read: its caller gave up, and must not use its memory again, nor
// p.
func (p *Prediction) Run(ctx context.Context, b payload.Body, o Options) (r Reply, kept bool, err error) {
	name := p.served.Model().Name
	place, err := p.served.Admit()
	if err != nil {
		return Reply{}, true, refusal(name, err)
	}
	start := time.Now()
	p.request = payload.Request{Items: p.in[:0], Streamed: o.Streamed}
	if err := p.decode(b, o.Memory); err != nil {
		place.Release()
		return Reply{}, true, err
	}
	r.Timing.Decode = time.Since(start)
	a, t, err := place.Do(ctx, p.request, p.out[:0])
	r.Timing.Timing = t
	if err != nil {
		return Reply{}, !gaveUp(err), refusal(name, err)
	}
	return p.reply(r, a)
}

// decode makes the request. While it does, what the body unpacks to is taken from the
// memory; afterwards what of that the request holds.
func (p *Prediction) decode(b payload.Body, m Memory) error {
	unpacked := int64(0)
	if m != nil {
		unpacked = p.handler.DecodedSize(b)
		if err := m.Take(unpacked); err != nil {
			return err
		}
	}
	if err := p.handler.Decode(&p.request, b); err != nil {
		return errorf(BadInput, "%v", err)
	}
	p.in = p.request.Items
	if m != nil {
		m.Give(max(0, unpacked-p.request.Bytes()))
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
		return r, false, nil // the batch may go on with the body
	}
	p.out = a.Items
	start := time.Now()
	body, media, err := p.handler.Encode(p.answer[:0], p.format, a)
	r.Timing.Encode = time.Since(start)
	clear(p.out) // the answers' memory
	p.served.Observe(r.Timing.Decode, r.Timing.Encode)
	if err != nil {
		return Reply{}, true, fmt.Errorf("encode: %w", err)
	}
	p.answer = body
	r.Body, r.Type = body, media
	return r, true, nil
}

// gaveUp tells whether the engine may still read the request.
func gaveUp(err error) bool {
	return errors.Is(err, engine.ErrExpired) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
