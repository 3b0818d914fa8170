package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/catalog"
	"sweetspot/engine/handler"
	"sweetspot/sweep"
	"sweetspot/sweep/stat"
)

// measureParentLimit adds the processor time of a bare loop that sends the same requests to an equal engine, and that of
// the program as a share of it. The loop only sleeps, writes, and reads: where it needs most of a goal, no program can save
// the rest.
func measureParentLimit(ctx context.Context, e *env, p program, programs ...judge.Figure) (err error) {
	engine, err := p.serve(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.stop()) }()
	b := e.budget.parent()
	watch := watchDisturbance(os.Getpid(), engine.cmd.Process.Pid)
	l, err := engine.bareLoad(ctx, e.seed)
	if err != nil {
		return err
	}
	var undisturbed, shares []float64
	for range b.blocks {
		watch() // discards the disturbance before the block
		r, err := l.run(b.block)
		if errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		if err != nil {
			return err
		}
		share := r.us * parentRate / 1e6
		shares = append(shares, share)
		if n := watch(); (sweep.Disturbance{Steal: n.Steal, Foreign: n.Foreign}).RejectReason() == "" {
			undisturbed = append(undisturbed, share)
		}
	}
	limit, few := stat.Mean(undisturbed), len(undisturbed) < minUndisturbed
	if few {
		limit = openBelow(stat.Mean(shares).Value)
	}
	e.report.Add(judge.Figure{
		Name: "parent.cpu.bare", Value: limit.Value, Unit: "share", Interval: &limit,
		Detail: fmt.Sprintf("of a core, %d of %d blocks of %v undisturbed, a loop of nothing but system calls that sends %d requests/s to the same engine", len(undisturbed), b.blocks, b.block, parentRate),
	})
	for _, f := range programs {
		e.report.Add(shareOfBare(f, limit, few))
	}
	return nil
}

// shareOfBare is the processor time of the program divided by that of the bare loop. Its interval is as wide as both allow.
func shareOfBare(f judge.Figure, limit stat.Interval, few bool) judge.Figure {
	out := shareOfLimit("parent.share."+f.Name[len("parent.cpu."):], f, limit.Value, few)
	if !few {
		out.Interval = &stat.Interval{Value: out.Value, Low: f.Interval.Low / limit.High, High: f.Interval.High / limit.Low}
	}
	return out
}

// servingEngine is an engine of the program without a workbench.
type servingEngine struct {
	cmd    *exec.Cmd
	addr   string
	model  string // its name
	source string // as on the command line
	ended  chan error
	output *bytes.Buffer
}

// serve starts an engine with the settings of parentPlan and waits until it answers.
func (p program) serve(ctx context.Context) (*servingEngine, error) {
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	at := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", ports[i]) }
	s := &servingEngine{addr: at(0), model: "quick", source: p.model, ended: make(chan error, 1), output: &bytes.Buffer{}}
	s.cmd = exec.Command(p.path, "serve", s.model+"="+p.model, "--listen="+at(0), "--management="+at(1), "--metrics=", "--grpc=", "--grpc-management=",
		"--disable-token-auth", "--rule=torchserve", "--batch-size=8", "--batch-delay=1")
	s.cmd.Dir, s.cmd.Env = p.home, p.environment()
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { s.ended <- s.cmd.Wait() }()
	for {
		err := doRequest(ctx, http.MethodGet, "http://"+s.addr+"/ping", "", func(io.Reader) error { return nil })
		if err == nil {
			return s, nil
		}
		select {
		case end := <-s.ended:
			return nil, fmt.Errorf("the engine ended: %v\n%s", end, s.output.Bytes())
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), s.stop())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// bareLoad is a load of one of the requests that the load generator makes for the model.
func (s *servingEngine) bareLoad(ctx context.Context, seed uint64) (bareLoad, error) {
	m, err := catalog.Open(ctx, s.source, catalog.Options{})
	if err != nil {
		return bareLoad{}, err
	}
	body, path := handler.Bodies(m.Inputs, 1, seed)[0], "/predictions/"+s.model
	l := bareLoad{addr: s.addr, request: bareRequest(s.addr, path, body.Type, body.Data), rate: parentRate}
	// The loop does not look at its answers.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.addr+path, bytes.NewReader(body.Data))
	if err != nil {
		return l, err
	}
	req.Header.Set("Content-Type", body.Type)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return l, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return l, fmt.Errorf("the engine answers %s", answer.Status)
	}
	return l, nil
}

// stop ends the engine.
func (s *servingEngine) stop() error {
	_ = s.cmd.Process.Signal(os.Interrupt) // it may have ended
	kill := time.AfterFunc(stopTime, func() { _ = s.cmd.Process.Kill() })
	defer kill.Stop()
	var exit *exec.ExitError
	if err := <-s.ended; err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}
