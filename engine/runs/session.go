package runs

import (
	"context"
	"sync"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// Runner runs rows of equal shape.
type Runner interface {
	Run(ctx context.Context, in []payload.Row, out []payload.Result) error
}

// Session runs batches whose rows may have different shapes on a Runner that takes equal
// ones. It is safe for concurrent use if the Runner is.
type Session struct {
	inner  Runner
	inputs []tensor.Spec
	side   []int
	pad    *Padding
	sides  *Sides

	mu   sync.Mutex // guards idle
	idle []*task
}

// task is the memory of one call of Run.
type task struct {
	divider *Divider
	results []payload.Result
}

// NewSession returns a session around inner for inputs of which those at the positions side
// are side inputs. side and pad may be nil.
func NewSession(inner Runner, inputs []tensor.Spec, side []int, pad *Padding) *Session {
	return &Session{inner: inner, inputs: inputs, side: side, pad: pad}
}

// Verify makes the session run rows together only if it is known, or found out, that the value of
// their side inputs allows it. It is called before the first run.
func (s *Session) Verify(sides *Sides) *Session {
	s.sides = sides
	return s
}

// Run executes a batch, one run after the other. The first run that fails fails the batch.
func (s *Session) Run(ctx context.Context, in []payload.Row, out []payload.Result) error {
	return s.RunCounted(ctx, in, out, nil)
}

// RunCounted is Run. It calls count, if it is not nil, with the runs of the batch before the
// first one; count must not keep them.
func (s *Session) RunCounted(ctx context.Context, in []payload.Row, out []payload.Result, count func([]Run, Work)) error {
	t := s.acquire()
	defer s.release(t)
	runs := t.divider.Divide(in)
	if count != nil {
		count(runs, t.divider.Work(runs, in))
	}
	if len(runs) == 1 && runs[0].equal && !runs[0].unverified() {
		return s.inner.Run(ctx, in, out)
	}
	for r := range runs {
		execute := s.runOne
		if runs[r].unverified() {
			execute = s.runVerified
		}
		if err := execute(ctx, t, &runs[r], in, out); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) runOne(ctx context.Context, t *task, run *Run, in []payload.Row, out []payload.Result) error {
	t.results = append(t.results[:0], make([]payload.Result, len(run.Rows))...)
	defer clear(t.results)
	if err := s.inner.Run(ctx, run.Rows, t.results); err != nil {
		return err
	}
	for j, k := range run.Index {
		if s.pad != nil && !run.equal {
			s.cutOutputs(t.results[j].Outputs, in[k].Item)
		}
		out[k] = t.results[j]
	}
	return nil
}

// cutOutputs cuts the outputs of a padded row to the lengths of its item.
func (s *Session) cutOutputs(outputs, item tensor.Item) {
	for _, c := range s.pad.Cuts {
		if c.Output.Tensor < len(outputs) {
			o := &outputs[c.Output.Tensor]
			*o = cut(*o, c.Output.Axis, item[c.Input.Tensor].Shape[c.Input.Axis])
		}
	}
}

func (s *Session) acquire() *task {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.idle); n > 0 {
		t := s.idle[n-1]
		s.idle = s.idle[:n-1]
		return t
	}
	d := NewDivider(s.inputs, s.side, s.pad)
	d.sides = s.sides
	return &task{divider: d}
}

func (s *Session) release(t *task) {
	t.divider.forget()
	s.mu.Lock()
	s.idle = append(s.idle, t)
	s.mu.Unlock()
}

// forget drops the references to the rows of the last batch.
func (d *Divider) forget() {
	for r := range d.runs {
		clear(d.runs[r].Rows)
	}
	clear(d.items)
}

// Shape returns the sizes of the open dimensions of a run, which the caller must not change.
func (r *Run) Shape() []int64 { return r.sizes }
