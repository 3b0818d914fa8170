package onnx

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"slices"

	"sweetspot/engine"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// What a probe in a child process is asked to do.
const (
	callProbe = iota
	callRun
	callOpen
	callBatch
	callClose
)

// probeCall is one call of a probe.
type probeCall struct {
	Do      int
	Session int
	Model   wireModel
	Items   []wireItem
}

// probeAnswer answers a call.
type probeAnswer struct {
	Err   string
	Items []wireItem
}

// wireModel is what a probe reads of a model. The encoding does not tell an empty slice from nil,
// which are a scalar and an unknown rank: scalars lists the former.
type wireModel struct {
	Model   engineModel
	Scalars [4][]bool // of the inputs, outputs, constants
}

// engineModel has the fields of a model that a probe reads.
type engineModel struct {
	Name, Path, BatchWhy string
	Bytes                []byte
	Inputs, Outputs      []tensor.Spec
	BatchAxis            bool
	Unbatched            []string
	Axes                 map[string]int
	Ragged               engine.RaggedOutputs
	Constants            []engine.Constant
	Defaults             map[string]tensor.Tensor
	ReadFrom             map[string]string
	Size                 int64
}

func toWire(m *engine.Model) wireModel {
	w := wireModel{Model: engineModel{
		m.Name, m.Path, m.BatchWhy, m.Bytes, m.Inputs, m.Outputs, m.BatchAxis, m.Unbatched, m.Axes, m.Ragged, m.Constants, m.Defaults, m.ReadFrom, m.Size,
	}}
	for _, s := range m.Inputs {
		w.Scalars[0] = append(w.Scalars[0], isEmpty(s.Shape))
	}
	for _, s := range m.Outputs {
		w.Scalars[1] = append(w.Scalars[1], isEmpty(s.Shape))
	}
	for _, c := range m.Constants {
		w.Scalars[2] = append(w.Scalars[2], isEmpty(c.Shape))
		w.Scalars[3] = append(w.Scalars[3], c.Follows != nil && len(c.Follows) == 0)
	}
	return w
}

func isEmpty(shape []int64) bool { return shape != nil && len(shape) == 0 }

func (w wireModel) model() *engine.Model {
	e := w.Model
	m := &engine.Model{
		Name: e.Name, Path: e.Path, BatchWhy: e.BatchWhy, Bytes: e.Bytes, Inputs: e.Inputs, Outputs: e.Outputs, BatchAxis: e.BatchAxis,
		Unbatched: e.Unbatched, Axes: e.Axes, Ragged: e.Ragged, Constants: e.Constants, Defaults: e.Defaults, ReadFrom: e.ReadFrom, Size: e.Size,
	}
	for i, empty := range w.Scalars[0] {
		if empty {
			m.Inputs[i].Shape = []int64{}
		}
	}
	for i, empty := range w.Scalars[1] {
		if empty {
			m.Outputs[i].Shape = []int64{}
		}
	}
	for i, empty := range w.Scalars[2] {
		if empty {
			m.Constants[i].Shape = []int64{}
		}
		if w.Scalars[3][i] {
			m.Constants[i].Follows = []tensor.Dim{}
		}
	}
	for name, t := range m.Defaults {
		if t.Shape == nil {
			t.Shape = []int64{}
			m.Defaults[name] = t
		}
	}
	return m
}

// wireItem is a list of tensors. Their data follow the message, because the encoding copies
// large slices several times; Sizes has the bytes of each, and -1 for one that an item leaves out.
type wireItem struct {
	Tensors []tensor.Tensor
	Sizes   []int
}

func toWireItem(item []tensor.Tensor) wireItem {
	w := wireItem{Tensors: item}
	for _, t := range item {
		size := len(t.Data)
		if t.Data == nil {
			size = -1
		}
		w.Sizes = append(w.Sizes, size)
	}
	return w
}

// wire sends and receives messages with items.
type wire struct {
	r      *bufio.Reader
	w      *bufio.Writer
	encode *gob.Encoder
	decode *gob.Decoder
}

func newWire(r io.Reader, w io.Writer) *wire {
	// The decoder must not read beyond a message, which a reader of bytes makes sure of.
	t := &wire{r: bufio.NewReaderSize(r, 64<<10), w: bufio.NewWriterSize(w, 64<<10)}
	t.encode, t.decode = gob.NewEncoder(t.w), gob.NewDecoder(t.r)
	return t
}

// send sends a message, whose items head sets, and then their data.
func (t *wire) send(message any, head *[]wireItem) error {
	items := *head
	without := make([]wireItem, len(items))
	for i, item := range items {
		without[i] = wireItem{slices.Clone(item.Tensors), item.Sizes}
		for k := range item.Tensors {
			without[i].Tensors[k].Data = nil
		}
	}
	*head = without
	if err := t.encode.Encode(message); err != nil {
		return err
	}
	for _, item := range items {
		for _, one := range item.Tensors {
			if _, err := t.w.Write(one.Data); err != nil {
				return err
			}
		}
	}
	return t.w.Flush()
}

// receive receives a message, and then the data of its items at head.
func (t *wire) receive(message any, head *[]wireItem) error {
	if err := t.decode.Decode(message); err != nil {
		return err
	}
	for _, item := range *head {
		for k, size := range item.Sizes {
			if size < 0 {
				continue
			}
			one := &item.Tensors[k]
			if one.Shape == nil {
				one.Shape = []int64{}
			}
			one.Data = make([]byte, size)
			if _, err := io.ReadFull(t.r, one.Data); err != nil {
				return err
			}
		}
	}
	return nil
}

// ServeProbe answers the calls of one [Isolated] probe in r until its end. A crash of the runtime ends the
// process.
func (b *Backend) ServeProbe(ctx context.Context, r io.Reader, w io.Writer) error {
	s := probeServer{backend: b, sessions: map[int]engine.Session{}}
	t := newWire(r, w)
	for {
		var c probeCall
		if err := t.receive(&c, &c.Items); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var a probeAnswer
		if err := s.answer(ctx, c, &a); err != nil {
			a = probeAnswer{Err: err.Error()}
		}
		if err := t.send(&a, &a.Items); err != nil {
			return err
		}
	}
}

// probeServer has what the calls have opened.
type probeServer struct {
	backend  *Backend
	probe    engine.Probe
	sessions map[int]engine.Session
}

func (s *probeServer) answer(ctx context.Context, c probeCall, a *probeAnswer) (err error) {
	switch session := s.sessions[c.Session]; c.Do {
	case callProbe:
		s.probe, err = s.backend.Probe(ctx, c.Model.model())
	case callRun:
		var out []tensor.Tensor
		if out, err = s.probe.Run(ctx, c.Items[0].Tensors); err == nil {
			a.Items = []wireItem{toWireItem(out)}
		}
	case callOpen:
		s.sessions[c.Session], err = s.probe.Session(ctx, c.Model.model())
	case callBatch:
		rows := make([]payload.Row, len(c.Items))
		for i := range rows {
			rows[i].Item = c.Items[i].Tensors
		}
		out := make([]payload.Result, len(rows))
		err = session.Run(ctx, rows, out)
		for _, r := range out {
			a.Items = append(a.Items, toWireItem(r.Outputs))
		}
	case callClose:
		delete(s.sessions, c.Session)
		err = session.Close()
	default:
		err = fmt.Errorf("unknown call %d", c.Do)
	}
	return err
}
