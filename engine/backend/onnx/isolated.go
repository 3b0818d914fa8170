package onnx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// Isolated probes models in a child process: ONNX Runtime ends the process for some models and
// inputs, and that of a server has other models. What is served is opened in this process.
type Isolated struct {
	*Backend
	// Command returns the command of a process that calls [Backend.ServeProbe] with its standard
	// input and output. ctx ends it.
	Command func(ctx context.Context) *exec.Cmd
}

// Probe loads m in a child process. A model without a file is one that this program has made, and
// is loaded in this process.
func (i Isolated) Probe(ctx context.Context, m *engine.Model) (engine.Probe, error) {
	if m.Path == "" {
		return i.Backend.Probe(ctx, m)
	}
	p, err := startChild(ctx, i.Command)
	if err != nil {
		i.log.Warn("the model is tried in this process, which ends if the runtime crashes", "model", m.Name, "err", err)
		return i.Backend.Probe(ctx, m)
	}
	if _, err := p.call(ctx, probeCall{Do: callProbe, Model: toWire(m)}); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// childTime bounds how long a child has to end.
const childTime = 5 * time.Second

// child is a probe in a child process.
type child struct {
	stop context.CancelFunc
	cmd  *exec.Cmd
	in   io.WriteCloser
	errs firstOutput
	wire *wire

	mu       sync.Mutex // guards the rest, and calls
	sessions int        // opened so far
	crash    error      // how the process ended, before it was to end
}

func startChild(ctx context.Context, command func(context.Context) *exec.Cmd) (*child, error) {
	ctx, stop := context.WithCancel(ctx)
	p := &child{stop: stop, cmd: command(ctx)}
	p.cmd.Stderr, p.cmd.WaitDelay = &p.errs, time.Second
	var out io.ReadCloser
	var err error
	if p.in, err = p.cmd.StdinPipe(); err == nil {
		out, err = p.cmd.StdoutPipe()
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("start a process that tries the model: %w", err)
	}
	p.wire = newWire(out, p.in)
	return p, nil
}

// call sends a call and waits for its answer. If the process has ended, all calls fail with the
// error that says how.
func (p *child) call(ctx context.Context, c probeCall) (probeAnswer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.crash != nil {
		return probeAnswer{}, p.crash
	}
	if err := ctx.Err(); err != nil {
		return probeAnswer{}, err
	}
	defer context.AfterFunc(ctx, p.stop)()
	var a probeAnswer
	err := p.wire.send(&c, &c.Items)
	if err == nil {
		err = p.wire.receive(&a, &a.Items)
	}
	switch {
	case err == nil && a.Err != "":
		return a, errors.New(a.Err)
	case err == nil:
		return a, nil
	case ctx.Err() != nil:
		return a, ctx.Err()
	}
	p.stop()
	ended := p.cmd.Wait()
	p.crash = fmt.Errorf("%w (%s)", engine.ErrCrashed, p.errs.reason(ended))
	return a, p.crash
}

// Crash returns how the process ended by itself; nil if it has not.
func (p *child) Crash() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.crash
}

// Run runs whole tensors.
func (p *child) Run(ctx context.Context, in []tensor.Tensor) ([]tensor.Tensor, error) {
	a, err := p.call(ctx, probeCall{Do: callRun, Items: []wireItem{toWireItem(in)}})
	if err != nil {
		return nil, err
	}
	return a.Items[0].Tensors, nil
}

// Session opens a session of m in the child.
func (p *child) Session(ctx context.Context, m *engine.Model) (engine.Session, error) {
	p.mu.Lock()
	p.sessions++
	s := &childSession{p, p.sessions}
	p.mu.Unlock()
	if _, err := p.call(ctx, probeCall{Do: callOpen, Model: toWire(m), Session: s.id}); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends the process. How it ends does not matter any more.
func (p *child) Close() error {
	_ = p.in.Close()
	defer time.AfterFunc(childTime, p.stop).Stop()
	if p.Crash() == nil {
		_ = p.cmd.Wait()
	}
	p.stop()
	return nil
}

// childSession is a session in the child.
type childSession struct {
	child *child
	id    int
}

func (s *childSession) Run(ctx context.Context, in []payload.Row, out []payload.Result) error {
	c := probeCall{Do: callBatch, Session: s.id}
	for _, r := range in {
		c.Items = append(c.Items, toWireItem(r.Item))
	}
	a, err := s.child.call(ctx, c)
	if err != nil {
		return err
	}
	for i := range out {
		out[i].Outputs = a.Items[i].Tensors
	}
	return nil
}

func (s *childSession) Shared() bool { return true }

// Close closes the session; one whose process has crashed is closed.
func (s *childSession) Close() error {
	_, err := s.child.call(context.Background(), probeCall{Do: callClose, Session: s.id})
	if s.child.Crash() != nil {
		return nil
	}
	return err
}

// firstOutput keeps the beginning of what a process writes, which has the cause of a crash.
type firstOutput struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *firstOutput) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.text.Len() < 16<<10 {
		t.text.Write(b)
	}
	return len(b), nil
}

// reason is the line that says most about a crash: the signal, or what the C library found.
func (t *firstOutput) reason(ended error) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for line := range strings.Lines(t.text.String()) {
		line = strings.TrimSpace(line)
		for _, start := range []string{"SIG", "panic:", "fatal error:", "***", "terminate called"} {
			if strings.HasPrefix(line, start) {
				return line
			}
		}
	}
	text := strings.TrimSpace(t.text.String())
	switch {
	case ended == nil:
		return "it ended"
	case text != "":
		return fmt.Sprintf("%v: %.200s", ended, text[strings.LastIndexByte(text, '\n')+1:])
	}
	return ended.Error()
}
