package predict

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// placeOf returns the place of a name; "" is the first.
func placeOf(what, name string, specs []tensor.Spec) (int, error) {
	if name == "" && len(specs) > 0 {
		return 0, nil
	}
	var names []string
	for i, s := range specs {
		if s.Name == name {
			return i, nil
		}
		names = append(names, s.Name)
	}
	return 0, fmt.Errorf("%s: the model has no %s %.40q, only %s", what, what, name, strings.Join(names, ", "))
}

// runUnchanged runs the rows of the request and finds their scores.
func (x *explanation) runUnchanged(ctx context.Context, ticket engine.Ticket) error {
	a, t, err := ticket.Do(ctx, x.request, x.Prediction.out[:0])
	if err != nil {
		return engineError(x.service.Model().Name, err)
	}
	x.Prediction.out = a.Items
	x.add(t, len(a.Items))
	spec := x.service.Model().Outputs[x.out]
	for i := range x.rows {
		row, o := &x.rows[i], x.explain
		o.Target = row.target
		if row.score, err = o.Score(spec, a.Items[i][x.out]); err != nil {
			return errorf(BadInput, "%v", err)
		}
		row.differences = make([]float64, 0, row.plan.Len())
	}
	return nil
}

// runChanged runs the changed copies of a row.
func (x *explanation) runChanged(ctx context.Context, row int) error {
	r := &x.rows[row]
	for len(r.differences) < r.plan.Len() {
		first := len(r.differences)
		t, err := x.run(ctx, row, first, min(x.atOnce, r.plan.Len()-first))
		if err != nil {
			return x.passError(err)
		}
		x.add(t, len(r.differences)-first)
	}
	return nil
}

// passError returns the error of a forward pass.
func (x *explanation) passError(err error) error {
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	err = engineError(x.service.Model().Name, err)
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == Failed && e.Status == 0 {
		e.Message = fmt.Sprintf("Explanation failed after %d forward passes: %v", x.passes, e.err)
	}
	return err
}

// run runs at most n changed copies of a row, from the feature first on, and appends their differences. It waits until there is
// room for one.
func (x *explanation) run(ctx context.Context, row, first, n int) (engine.Timing, error) {
	var since time.Time // of the wait
	for pause := time.Millisecond; ; pause = min(2*pause, longestPause) {
		// The size may have changed. Another caller may also take the room that was there.
		if room := x.room(); room > 0 {
			a, t, err := x.service.Do(ctx, payload.Request{Items: x.change(row, first, min(n, room))}, x.Prediction.out[:0])
			if err == nil {
				return t, x.compare(row, a.Items)
			}
			if !errors.Is(err, engine.ErrQueueFull) {
				return t, err
			}
		}
		now := time.Now()
		if since.IsZero() {
			since = now
		} else if now.Sub(since) > longestWait {
			return engine.Timing{}, errorf(Busy, "Model %q: the queue had no room for the explanation for %v, after %d forward passes; retry later, or raise queue_size or workers",
				x.service.Model().Name, longestWait, x.passes)
		}
		select {
		case <-ctx.Done():
			return engine.Timing{}, ctxError(ctx)
		case <-time.After(pause):
		}
	}
}

const (
	longestPause = 32 * time.Millisecond // between two looks at the queue
	longestWait  = 10 * time.Second      // for room in the queue
)

// ctxError returns the engine's error for a context that has ended.
func ctxError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return engine.ErrExpired
	}
	return ctx.Err()
}

// room returns how many rows an explanation may queue now: it leaves half of the queue to predictions.
func (x *explanation) room() int {
	return max(1, x.service.Config().QueueSize/2) - x.service.Waiting()
}

// change returns n changed copies of a row, from the feature first on. They use the memory of the ones before, which the
// engine has answered.
func (x *explanation) change(row, first, n int) []tensor.Item {
	item := x.request.Items[row]
	value := item[x.in]
	size := len(value.Data)
	for i := range n {
		x.items[i] = append(x.items[i][:0], item...)
		data := x.values[i*size : (i+1)*size : (i+1)*size]
		x.rows[row].plan.Perturb(data, value.Data, first+i)
		x.items[i][x.in].Data = data
	}
	return x.items[:n]
}

// compare appends the differences of the outputs of changed copies of a row.
func (x *explanation) compare(row int, outputs []tensor.Item) error {
	r := &x.rows[row]
	x.Prediction.out = outputs
	for _, item := range outputs {
		d, err := r.score.Difference(item[x.out])
		if err != nil {
			return errorf(Unsupported, "Model %q: %v", x.service.Model().Name, err)
		}
		r.differences = append(r.differences, d)
	}
	return nil
}

// add adds the times of a request of n rows, which run one after the other.
func (x *explanation) add(t engine.Timing, n int) {
	x.passes += n
	x.timing.Queue += t.Queue
	x.timing.Formation += t.Formation
	x.timing.Execution += t.Execution
	x.timing.Batch = t.Batch
}

// reply encodes the explanations of all rows.
func (x *explanation) reply() (Reply, bool, error) {
	start := time.Now()
	dst, err := x.encode(x.answer[:0])
	clear(x.Prediction.out)
	x.timing.Encode = time.Since(start)
	x.service.Observe(x.timing.Decode, x.timing.Encode)
	if err != nil {
		return Reply{}, true, fmt.Errorf("encode: %w", err)
	}
	x.answer = dst
	return Reply{Status: 200, Type: "application/json", Body: dst, Timing: x.timing}, true, nil
}
