package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/sweep"
	"sweetspot/sweep/stat"
)

// parentBudget is how long the set measures.
type parentBudget struct {
	blocks int
	block  time.Duration
}

func (b budget) parent() parentBudget {
	switch b.mode {
	case full.mode:
		return parentBudget{blocks: 20, block: 2 * time.Second}
	case quick.mode:
		return parentBudget{blocks: 6, block: 2 * time.Second}
	}
	return parentBudget{blocks: 2, block: 500 * time.Millisecond}
}

// The load while the parent is measured, and the time before the first block: the program starts, the engine loads its
// model, and the load begins.
const (
	parentRate    = 1000
	parentStartup = 4 * time.Second
)

// quickModel has batches of .2 ms and .3 ms: the engine keeps up with parentRate with little processor time.
const quickModel = "workers,device,precision,batch,ms,spread,source\n1,cpu,fp32,1,0.2,,\n1,cpu,fp32,8,0.3,,\n"

// parentPlan is a plan with one setting under an open load, whose trial lasts some seconds.
const parentPlan = `version: 1
strategy: grid
sla: {percentile: 99, limit: 200ms}
load: {mode: open, rate: %d}
knobs:
  workers: 1
  batch_size: 8
  batch_delay_ms: 1
budget: {time: 0s}
trial: {duration: %ds, max_requests: 0}
`

// measureParent measures the processor time of the real program, without its engine: it sends the load, measures, and
// draws the screen on the machine whose engine it measures.
func measureParent(ctx context.Context, e *env) error {
	return withProgram(ctx, func(p program) error {
		file := filepath.Join(p.home, "quick.csv")
		if err := os.WriteFile(file, []byte(quickModel), 0o600); err != nil {
			return err
		}
		p.model = "sim:" + file
		off, err := measureParentOff(ctx, e, p)
		if err != nil {
			return err
		}
		on, err := measureParentOn(ctx, e, p)
		if err != nil {
			return err
		}
		return measureParentLimit(ctx, e, p, off, on)
	})
}

// measureParentOff adds the processor time without a screen: a sweep whose one trial is longer than all blocks.
func measureParentOff(ctx context.Context, e *env, p program) (judge.Figure, error) {
	b := e.budget.parent()
	seconds := int(math.Ceil((parentStartup + time.Duration(2*b.blocks)*b.block).Seconds()))
	file := filepath.Join(p.home, "plan.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, parentPlan, parentRate, seconds), 0o600); err != nil {
		return judge.Figure{}, err
	}
	var output bytes.Buffer
	cmd := exec.Command(p.path, p.model, "--sweep="+file, "--out="+filepath.Join(p.home, "out"))
	cmd.Dir, cmd.Env = p.home, p.environment()
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return judge.Figure{}, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	f, err := e.parentCPU(ctx, "parent.cpu.screen-off", cmd.Process.Pid)
	select {
	case end := <-ended:
		return f, fmt.Errorf("the sweep ended before its processor time was measured: %v\n%s", end, output.Bytes())
	default:
	}
	_ = cmd.Process.Signal(os.Interrupt) // it may have ended
	kill := time.AfterFunc(stopTime, func() { _ = cmd.Process.Kill() })
	<-ended
	kill.Stop()
	if err == nil {
		e.report.Add(f)
	}
	return f, err
}

// measureParentOn adds the processor time with the live screen on a terminal of 120 x 36.
func measureParentOn(ctx context.Context, e *env, p program) (judge.Figure, error) {
	t, pid, stop, err := p.startProcess(120, 36, fmt.Sprintf("--rate=%d", parentRate), "--sla=200ms", "--batch-size=8", "--batch-delay=1")
	if err != nil {
		return judge.Figure{}, err
	}
	defer stop()
	if _, err := t.wait(ctx); err != nil {
		return judge.Figure{}, err
	}
	f, err := e.parentCPU(ctx, "parent.cpu.screen-on", pid)
	if err == nil {
		e.report.Add(f)
	}
	return f, err
}

// parentCPU measures the processor time of a process, without its children, as a share of a core.
func (e *env) parentCPU(ctx context.Context, name string, pid int) (judge.Figure, error) {
	if err := sleep(ctx, parentStartup); err != nil {
		return judge.Figure{}, err
	}
	b := e.budget.parent()
	all := readTree(pid)
	if len(all) < 2 {
		return judge.Figure{}, errors.New("the program has no engine")
	}
	own := all[:1]
	watch := watchTrees(os.Getpid(), all)
	watch() // discards the disturbance before the first block
	var undisturbed, shares []float64
	for range b.blocks {
		start, before := time.Now(), own.cpu()
		if err := sleep(ctx, b.block); err != nil {
			return judge.Figure{}, err
		}
		share := (own.cpu() - before) / float64(time.Since(start))
		if math.IsNaN(share) {
			return judge.Figure{}, errors.New("the program ended while it was measured")
		}
		shares = append(shares, share)
		n := watch()
		if (sweep.Disturbance{Steal: n.Steal, Foreign: n.Foreign}).RejectReason() == "" {
			undisturbed = append(undisturbed, share)
		}
	}
	detail := fmt.Sprintf("of a core, %d of %d blocks of %v undisturbed, %d requests/s, generator included, without the engine", len(undisturbed), b.blocks, b.block, parentRate)
	iv := stat.Mean(undisturbed)
	if len(undisturbed) < minUndisturbed {
		iv = openBelow(stat.Mean(shares).Value) // a disturbance can only increase it
	}
	return judge.Figure{Name: name, Value: iv.Value, Unit: "share", Interval: &iv, Detail: detail}, nil
}
