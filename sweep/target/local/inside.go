package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"sweetspot/engine/api/control"
	"sweetspot/engine/knob"
	"sweetspot/engine/tensor"
	"sweetspot/sweep"
	"sweetspot/sweep/trial"
)

// inside asks the child about the model's inside and reads the answer into out.
// It returns the settings that were in force.
func (t *Target) inside(ctx context.Context, what string, body, out any) (knob.Settings, knob.Options, error) {
	t.mu.Lock()
	if err := t.alive(ctx); err != nil {
		t.mu.Unlock()
		return knob.Settings{}, knob.Options{}, err
	}
	cl, model, s, o := t.client, t.info.Model.Name, t.good, t.info.Options
	t.mu.Unlock()
	err := cl.ask(ctx, "/engine/v1/models/"+url.PathEscape(model)+"/"+what, body, out)
	if err != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		return s, o, t.blame(ctx, err)
	}
	return s, o, nil
}

// ask posts body and reads the answer.
func (c *client) ask(ctx context.Context, path string, body, out any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	resp, err := c.do(ctx, http.MethodPost, path, b)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("%s broke off: %w", path, err)
	}
	return nil
}

// Operators profiles the model in a twin session, beside whatever load flows.
func (t *Target) Operators(ctx context.Context, runs int) (trial.Operators, error) {
	var in control.Operators
	s, o, err := t.inside(ctx, "operators", map[string]int{"runs": runs}, &in)
	if err != nil {
		return trial.Operators{}, err
	}
	out := trial.Operators{
		At: time.Now().UTC(), Settings: s, Options: o,
		Runs: in.Runs, BatchSize: in.BatchSize, RunMS: trial.Of(in.RunMS), Operators: make([]trial.Operator, 0, len(in.Operators)),
	}
	for _, p := range in.Operators {
		out.Operators = append(out.Operators, trial.Operator{Name: p.Name, Share: p.Share, MS: trial.Of(p.MS), Calls: p.Calls})
	}
	return out, nil
}

// Bare measures what the model alone does. No load may flow meanwhile.
func (t *Target) Bare(ctx context.Context) (trial.Bare, error) {
	var in control.Bare
	s, _, err := t.inside(ctx, "bare", struct{}{}, &in)
	if err != nil {
		return trial.Bare{}, err
	}
	out := trial.Bare{
		Settings: s, RPS: trial.Of(in.RPS), Workers: in.Workers, BatchSize: in.BatchSize, Runs: in.Runs, RunMS: trial.Of(in.RunMS),
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bare = append(slices.DeleteFunc(t.bare, func(b trial.Bare) bool { return b.Holds(s) }), out)
	return out, nil
}

// bareRate is the bare rate with the settings in force, measured once for those
// alike: whoever measures in turns is not to be held up again and again. It is
// unknown where the child doesn't tell, and an error only if that has died.
func (t *Target) bareRate(ctx context.Context) (trial.Num, error) {
	t.mu.Lock()
	if t.cfg.Bodies != nil && tensor.Lengths(t.info.Model.Inputs) != nil {
		t.mu.Unlock() // the bodies have other lengths than the samples that the child would run
		return trial.Num{}, nil
	}
	i := slices.IndexFunc(t.bare, func(b trial.Bare) bool { return b.Holds(t.good) })
	if i >= 0 {
		defer t.mu.Unlock()
		return t.bare[i].RPS, nil
	}
	t.mu.Unlock()
	b, err := t.Bare(ctx)
	if errors.Is(err, sweep.ErrEngineDied) {
		return trial.Num{}, err
	}
	return b.RPS, nil
}

// believed is the bare rate, unless more than that was served: then something
// disturbed it, and it is forgotten. The lock is held.
func (t *Target) believed(bare trial.Num, served trial.Estimate) trial.Num {
	if served.Low.Or(0) <= bare.Or(0) {
		return bare
	}
	t.bare = slices.DeleteFunc(t.bare, func(b trial.Bare) bool { return b.Holds(t.good) })
	return trial.Num{}
}
