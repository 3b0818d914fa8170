package onnx

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"sweetspot/engine/cores"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
)

// checkPin reports why the sessions of c cannot be pinned.
func (b *Backend) checkPin(c knob.Config) error {
	if !c.Pin {
		return nil
	}
	all, err := cores.Allowed()
	if err != nil {
		return fmt.Errorf("options: pin: %w", err)
	}
	var errs []error
	if most := min(len(all), b.cores); c.Workers*c.Threads > most {
		errs = append(errs, fmt.Errorf("options: pin: %d workers of %d threads need %d cores, and this process may use %d", c.Workers, c.Threads, c.Workers*c.Threads, most))
	}
	if c.Session == "shared" {
		errs = append(errs, errors.New("options: pin: a session that all workers share has no cores of its own: leave out session, or write own"))
	}
	if c.InterOp > 1 {
		errs = append(errs, errors.New("options: pin: the runtime cannot pin the threads of inter_op: leave it out"))
	}
	return errors.Join(errs...)
}

// pin gives s its cores and the thread that calls the runtime.
func (b *Backend) pin(s *session, c knob.Config) error {
	if !c.Pin {
		return nil
	}
	all, err := cores.Allowed()
	if err != nil {
		return err
	}
	group := b.pins.Take(all, c.Threads)
	if s.pinned, err = startPinned(group); err != nil {
		b.pins.Release(group)
		return err
	}
	s.pins = &b.pins
	return nil
}

// unpin returns the cores. No run may be in flight.
func (s *session) unpin() {
	if s.pinned != nil {
		s.pinned.close()
		s.pins.Release(s.pinned.group)
	}
}

// cores returns the cores of a pinned session.
func (s *session) cores() []int {
	if s.pinned == nil {
		return nil
	}
	return s.pinned.group
}

// affinities returns the cores of a session's threads as ONNX Runtime reads them: for each
// thread but the caller's the group, numbered from 1.
func affinities(group []int) string {
	names := make([]string, len(group))
	for i, c := range group {
		names[i] = strconv.Itoa(c + 1)
	}
	return strings.Join(slices.Repeat([]string{strings.Join(names, ",")}, max(0, len(group)-1)), ";")
}

// pinnedThread is the thread that calls the runtime for a pinned session. It is not the
// worker's goroutine, because a run with a time limit has another goroutine each time.
type pinnedThread struct {
	group []int
	work  chan *pinnedRun
	ended chan struct{}
}

type pinnedRun struct {
	do       func(*state, []payload.Row, []payload.Result) error
	st       *state
	in       []payload.Row
	out      []payload.Result
	err      error
	panicked any
	done     chan struct{}
}

// startPinned starts a thread that runs only on the cores of group.
func startPinned(group []int) (*pinnedThread, error) {
	t := &pinnedThread{group: group, work: make(chan *pinnedRun), ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		defer close(t.ended)
		// It is never unlocked: the thread ends with this goroutine, so that no other one gets
		// its cores.
		runtime.LockOSThread()
		err := cores.SetAffinity(group)
		started <- err
		if err != nil {
			return
		}
		for r := range t.work {
			r.run()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("pin a thread to the cores %v: %w", group, err)
	}
	return t, nil
}

// run runs a batch. A panic is passed on to the caller, who answers for it.
func (r *pinnedRun) run() {
	defer close(r.done)
	defer func() { r.panicked = recover() }()
	r.err = r.do(r.st, r.in, r.out)
}

// call runs a batch on the thread.
func (t *pinnedThread) call(do func(*state, []payload.Row, []payload.Result) error, st *state, in []payload.Row, out []payload.Result) error {
	r := &pinnedRun{do: do, st: st, in: in, out: out, done: make(chan struct{})}
	t.work <- r
	<-r.done
	if r.panicked != nil {
		panic(r.panicked)
	}
	return r.err
}

// close ends the thread. No run may be in flight, and none may follow.
func (t *pinnedThread) close() {
	close(t.work)
	<-t.ended
}
