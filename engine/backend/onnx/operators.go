package onnx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// profileTime bounds the runs of a profile; two always run.
const profileTime = 10 * time.Second

// Operators runs full batches in a separate session, in which the runtime times every
// operator. That adds some microseconds to each, so that short operators look longer than
// they are. The first run, which allocates memory, is not counted.
func (b *Backend) Operators(ctx context.Context, m *engine.Model, c knob.Config, runs int) (p engine.OperatorProfile, err error) {
	dir, err := os.MkdirTemp("", "sweetspot-profile-")
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := b.open(ctx, m, c, filepath.Join(dir, "runs"))
	if err != nil {
		return p, err
	}
	err = s.repeat(ctx, m, c.BatchSize, runs+1)
	if err = errors.Join(err, s.Close()); err != nil { // the file is written by Close
		return p, err
	}
	t, err := readProfile(dir)
	if err != nil {
		return p, err
	}
	return t.summary(c.BatchSize), nil
}

// readProfile reads the one file in dir, whose name the runtime has chosen.
func readProfile(dir string) (*trace, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		return nil, fmt.Errorf("the runtime left %d profiles, want 1", len(files))
	}
	f, err := os.Open(filepath.Join(dir, files[0].Name()))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readTrace(f)
}

// repeat runs a batch of sample items n times, or at least twice and until profileTime. The
// items of a model with open or side inputs are all like its first sample.
func (s *session) repeat(ctx context.Context, m *engine.Model, batch, n int) error {
	rng := rand.New(rand.NewPCG(5, 6))
	rows, out := make([]payload.Row, batch), make([]payload.Result, batch)
	for i := range rows {
		if len(m.Samples) > 0 {
			rows[i] = m.Samples[i%len(m.Samples)]
			if s.plan.open || s.plan.side {
				rows[i] = m.Samples[0]
			}
			continue
		}
		rows[i].Item = tensor.SampleItem(m.Inputs, rng)
	}
	deadline := time.Now().Add(profileTime)
	for i := range n {
		if i > 1 && time.Now().After(deadline) {
			return nil
		}
		if err := s.Run(ctx, rows, out); err != nil {
			return err
		}
	}
	return nil
}

// summary adds up the operators of all runs but the first by their type.
func (t *trace) summary(batch int) engine.OperatorProfile {
	first, runs := t.countedRuns()
	p := engine.OperatorProfile{Runs: runs, Batch: batch}
	times, calls := map[string]time.Duration{}, map[string]int{}
	var total time.Duration
	for _, o := range t.operators {
		if o.at < first {
			continue
		}
		times[o.name] += o.took
		calls[o.name]++
		total += o.took
	}
	if total <= 0 {
		return p
	}
	p.PerRun = total / time.Duration(runs)
	for name, took := range times {
		p.Operators = append(p.Operators, engine.OperatorTime{
			Name: name, Calls: calls[name] / runs, PerRun: took / time.Duration(runs), Share: float64(took) / float64(total),
		})
	}
	slices.SortFunc(p.Operators, func(a, b engine.OperatorTime) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(a.Name, b.Name))
	})
	return p
}

// countedRuns returns the end of the first run and the number of runs after it. A single run is
// counted.
func (t *trace) countedRuns() (time.Duration, int) {
	if len(t.runs) < 2 {
		return 0, 1
	}
	return slices.Min(t.runs), len(t.runs) - 1
}
