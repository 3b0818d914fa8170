package local

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/tensor"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// extent is how many bodies are sent alone, each twice, and for how long. A first answer that takes
// longer than slow ends it.
type extent struct {
	bodies     int
	time, slow time.Duration
}

// Trials are compared thoroughly. After a change of live settings the bodies are sent together
// beside the load, which they must not disturb.
var (
	ofTrials = extent{16, 2 * time.Second, 2 * time.Second}
	ofLive   = extent{8, 400 * time.Millisecond, 200 * time.Millisecond}
)

// The tolerances of numbers, as a share of the largest number of an output. A runtime may use other
// kernels for a batch, which add in another order.
const (
	tolerance     = 1. / 1000
	halfTolerance = 1. / 100
)

// single is the answer to a body that was sent alone.
type single struct {
	data       []byte
	repeatable bool // a second answer agrees with it
}

// singlesKey identifies single answers that were asked for.
type singlesKey struct {
	placeKey
	extent
}

// placeKey identifies the single answers that can be compared: those of another precision or device
// differ.
type placeKey struct {
	precision knob.Precision
	device    string
}

func placeOf(s knob.Settings) placeKey { return placeKey{s.Precision, s.Device} }

func (k placeKey) tolerance() float64 {
	if k.precision == knob.HalfPrecision {
		return halfTolerance
	}
	return tolerance
}

// chosen returns the indexes of the bodies whose answers are compared, of n.
func (e extent) chosen(n int, seed uint64) []int {
	out := rand.New(rand.NewPCG(seed, 0x626f6479)).Perm(n)
	out = out[:min(n, e.bodies)]
	slices.Sort(out)
	return out
}

// singleAnswers returns the answers to bodies that are sent alone, with the precision and device in
// force, by the index of the body. They are asked for once, with batch size 1, so that no request
// waits for a batch. There must be no load.
func (t *Target) singleAnswers(ctx context.Context, e extent) (map[int]single, error) {
	t.mu.Lock()
	s, name, cl := t.lastSettings, t.info.Model.Name, t.client
	key := singlesKey{placeOf(s), e}
	known, ok := t.singles[key]
	c, outputs := t.runConfig(load.Spec{}), t.info.Model.Outputs
	ok = ok || t.simulated
	t.mu.Unlock()
	if ok {
		return known, nil
	}
	if one := s; one.BatchSize > 1 {
		one.BatchSize = 1
		if _, err := cl.apply(ctx, name, one); err != nil {
			return nil, err
		}
	}
	out := e.ask(ctx, cl.http, c, t.cfg.Seed, outputs, key.tolerance())
	if s.BatchSize > 1 {
		if _, err := cl.apply(ctx, name, s); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.singles == nil {
		t.singles = map[singlesKey]map[int]single{}
	}
	t.singles[key] = out
	return out, nil
}

// comparedAlone is what is known of the settings in force without load.
type comparedAlone struct {
	place     placeKey
	singles   map[int]single
	agreement *trial.FP16Agreement // nil in FP32
}

// compareAlone returns the single answers with the settings in force and, in FP16, the agreement
// with FP32. What the child cannot tell is missing. An error means that the child has died or that
// ctx has ended.
func (t *Target) compareAlone(ctx context.Context) (comparedAlone, error) {
	t.mu.Lock()
	out := comparedAlone{place: placeOf(t.lastSettings)}
	t.mu.Unlock()
	fatal := func(err error) bool { return ctx.Err() != nil || errors.Is(err, sweep.ErrEngineDied) }
	if out.place.precision == knob.HalfPrecision {
		a, err := t.CheckFP16(ctx)
		switch {
		case fatal(err):
			return out, err
		case err == nil && a.Samples > 0:
			out.agreement = &a
		}
	}
	singles, err := t.singleAnswers(ctx, ofTrials)
	if err != nil {
		t.mu.Lock()
		err = t.cause(ctx, err)
		t.mu.Unlock()
	}
	if fatal(err) {
		return out, err
	}
	out.singles = singles
	return out, nil
}

// addTo adds the comparisons to the result of a trial with the kept answers.
func (c comparedAlone) addTo(out *trial.Result, kept []load.Kept, outputs []tensor.Spec) {
	out.FP16 = c.agreement
	out.Answers = checkAnswers(kept, c.singles, outputs, c.place.tolerance())
	if out.Answers != nil && out.Answers.Remark() != "" {
		out.Warnings = append(out.Warnings, trial.Warning{Text: out.Answers.Remark()})
	}
}

// ask sends each chosen body twice. Bodies without an answer are omitted.
func (e extent) ask(ctx context.Context, h *http.Client, c load.Config, seed uint64, outputs []tensor.Spec, tol float64) map[int]single {
	out := map[int]single{}
	begin := time.Now()
	for _, i := range e.chosen(len(c.Bodies), seed) {
		first, err := askOnce(ctx, h, c, c.Bodies[i])
		if time.Since(begin) > e.slow && len(out) == 0 {
			return out
		}
		if err != nil {
			continue
		}
		if second, err := askOnce(ctx, h, c, c.Bodies[i]); err == nil {
			out[i] = single{first, answersAgree(first, second, outputs, tol)}
		}
		if time.Since(begin) > e.time {
			break
		}
	}
	return out
}

// AskAlone asks for a few answers alone with the precision and device in force, once for each,
// for [Target.CompareAnswers]. There must be no load.
func (t *Target) AskAlone(ctx context.Context) error {
	_, err := t.singleAnswers(ctx, ofLive)
	return err
}

// CompareAnswers sends the bodies of AskAlone together with the settings in force, beside any load,
// and compares the answers. It returns nil if there is nothing to compare: no batches, or no answers
// alone. The model is asked nothing if it is not repeatable.
func (t *Target) CompareAnswers(ctx context.Context) (*trial.AnswerCheck, error) {
	t.mu.Lock()
	place, size, h := placeOf(t.lastSettings), t.lastSettings.BatchSize, t.client.http
	c, outputs, singles := t.runConfig(load.Spec{}), t.info.Model.Outputs, t.singles[singlesKey{place, ofLive}]
	t.mu.Unlock()
	if size < 2 {
		return nil, nil
	}
	kept := make(chan load.Kept, len(singles))
	var wg sync.WaitGroup
	for i, one := range singles {
		if !one.repeatable {
			kept <- load.Kept{Body: i}
			continue
		}
		wg.Go(func() {
			if data, err := askOnce(ctx, h, c, c.Bodies[i]); err == nil {
				kept <- load.Kept{Body: i, Data: data}
			}
		})
	}
	wg.Wait()
	close(kept)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var all []load.Kept
	for k := range kept {
		all = append(all, k)
	}
	return checkAnswers(all, singles, outputs, place.tolerance()), nil
}
