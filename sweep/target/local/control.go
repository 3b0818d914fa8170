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
	"sweetspot/sweep"
	"sweetspot/sweep/trial"
)

// query posts a request about the model to the control API and reads the response into out. It
// returns the settings and options in force.
func (t *Target) query(ctx context.Context, what string, body, out any) (knob.Settings, knob.Options, error) {
	t.mu.Lock()
	if err := t.restartIfDead(ctx); err != nil {
		t.mu.Unlock()
		return knob.Settings{}, knob.Options{}, err
	}
	cl, model, s, o := t.client, t.info.Model.Name, t.lastSettings, t.info.Options
	t.mu.Unlock()
	err := cl.post(ctx, "/engine/v1/models/"+url.PathEscape(model)+"/"+what, body, out)
	if err != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		return s, o, t.cause(ctx, err)
	}
	return s, o, nil
}

// post sends body and reads the response into out.
func (c *client) post(ctx context.Context, path string, body, out any) error {
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
		return fmt.Errorf("%s was interrupted: %w", path, err)
	}
	return nil
}

// Operators measures operator times in a separate session of the model, while the load continues.
func (t *Target) Operators(ctx context.Context, runs int) (trial.Operators, error) {
	var in control.Operators
	s, o, err := t.query(ctx, "operators", map[string]int{"runs": runs}, &in)
	if err != nil {
		return trial.Operators{}, err
	}
	out := trial.Operators{
		At: time.Now().UTC(), Settings: s, Options: o,
		Runs: in.Runs, BatchSize: in.BatchSize, RunMS: trial.NumOf(in.RunMS), Operators: make([]trial.Operator, 0, len(in.Operators)),
	}
	for _, p := range in.Operators {
		out.Operators = append(out.Operators, trial.Operator{Name: p.Name, Share: p.Share, MS: trial.NumOf(p.MS), Calls: p.Calls})
	}
	return out, nil
}

// Bare measures the rate of the model alone. There must be no load.
func (t *Target) Bare(ctx context.Context) (trial.Bare, error) {
	var in control.Bare
	s, _, err := t.query(ctx, "bare", struct{}{}, &in)
	if err != nil {
		return trial.Bare{}, err
	}
	out := trial.Bare{
		Settings: s, RPS: trial.NumOf(in.RPS), Workers: in.Workers, BatchSize: in.BatchSize, Runs: in.Runs, RunMS: trial.NumOf(in.RunMS),
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bareRates = append(slices.DeleteFunc(t.bareRates, func(b trial.Bare) bool { return b.AppliesTo(s) }), out)
	return out, nil
}

// bareRate returns the bare rate with the settings in force. It is measured only once for settings
// with the same rate, to save time. It is not measured if the child does not report it. An error
// means that the child has died.
func (t *Target) bareRate(ctx context.Context) (trial.Num, error) {
	t.mu.Lock()
	i := slices.IndexFunc(t.bareRates, func(b trial.Bare) bool { return b.AppliesTo(t.lastSettings) })
	if i >= 0 {
		defer t.mu.Unlock()
		return t.bareRates[i].RPS, nil
	}
	t.mu.Unlock()
	b, err := t.Bare(ctx)
	if errors.Is(err, sweep.ErrEngineDied) {
		return trial.Num{}, err
	}
	return b.RPS, nil
}

// plausibleRate returns the bare rate, unless more than that was served: then other programs
// disturbed its measurement, and it will be measured again. The lock is held.
func (t *Target) plausibleRate(bare trial.Num, served trial.Estimate) trial.Num {
	if served.Low.Or(0) <= bare.Or(0) {
		return bare
	}
	t.bareRates = slices.DeleteFunc(t.bareRates, func(b trial.Bare) bool { return b.AppliesTo(t.lastSettings) })
	return trial.Num{}
}
