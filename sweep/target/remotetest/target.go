package remotetest

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// Target is a sweep.Target for the [Server] at a URL. It can also have live load.
type Target struct {
	url        string
	http       *http.Client
	baseConfig load.Config // common part of all runs
	initial    knob.Settings
	current    knob.Settings
}

// Open connects to the server at a URL. secure is the result of [Server.TLS]; nil is plain HTTP.
func Open(ctx context.Context, at string, secure *tls.Config) (*Target, error) {
	t := &Target{url: at, http: &http.Client{Transport: &http.Transport{TLSClientConfig: secure}}}
	e := load.Endpoint{
		URL: at + inferPath, TLS: secure, Header: [][2]string{{"Authorization", "Bearer word"}},
		Bodies: []load.Body{{Type: "application/json", Data: []byte(`{"x":1}`)}},
	}
	var err error
	if t.baseConfig, err = e.Config(load.Spec{}); err != nil {
		return nil, err
	}
	if t.initial, err = t.requestKnobs(ctx, http.MethodGet, nil); err != nil {
		return nil, err
	}
	t.current = t.initial
	return t, nil
}

// Info has the two knobs and reports nothing else.
func (t *Target) Info(context.Context) (sweep.Info, error) {
	host := t.url
	if u, err := url.Parse(t.url); err == nil {
		host = u.Host
	}
	info := sweep.Info{
		Model:   sweep.ModelInfo{Name: "cat", Version: "1", Source: "remote"},
		Current: t.current, Machine: host, Runtime: "some server", Fixed: map[knob.Name]string{},
		Limits: knob.Limits{Own: Knobs()},
	}
	for _, k := range knob.All() {
		info.Limits.Unreported = append(info.Limits.Unreported, k.Name)
		info.Fixed[k.Name] = "this server does not report it"
	}
	return info, nil
}

// Apply sets the two knobs.
func (t *Target) Apply(ctx context.Context, s knob.Settings) (sweep.Applied, error) {
	info, err := t.Info(ctx)
	if err != nil {
		return sweep.Applied{}, err
	}
	if err := s.Validate(info.Limits); err != nil {
		return sweep.Applied{}, err
	}
	var want settings
	want.Instances, _ = strconv.Atoi(s.Get(Instances)) // cannot fail after Validate
	want.MaxBatchSize, _ = strconv.Atoi(s.Get(MaxBatchSize))
	body, err := json.Marshal(want)
	if err != nil {
		return sweep.Applied{}, err
	}
	begin := time.Now()
	now, err := t.requestKnobs(ctx, http.MethodPut, body)
	if err != nil {
		return sweep.Applied{}, err // what was in force stays known
	}
	t.current = now
	return sweep.Applied{Settings: t.current, Took: time.Since(begin)}, nil
}

// requestKnobs sends a request to the route of the knobs and returns the settings in force.
func (t *Target) requestKnobs(ctx context.Context, method string, body []byte) (knob.Settings, error) {
	req, err := http.NewRequestWithContext(ctx, method, t.url+knobsPath, bytes.NewReader(body))
	if err != nil {
		return knob.Settings{}, err
	}
	resp, err := t.http.Do(req)
	if err != nil {
		return knob.Settings{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return knob.Settings{}, fmt.Errorf("%s: %s", resp.Status, text)
	}
	var now settings
	if err := json.NewDecoder(resp.Body).Decode(&now); err != nil {
		return knob.Settings{}, err
	}
	var s knob.Settings
	err = s.Set(Instances, strconv.Itoa(now.Instances))
	if err == nil {
		err = s.Set(MaxBatchSize, strconv.Itoa(now.MaxBatchSize))
	}
	return s, err
}

// Measure runs the load until m.Stop returns true.
func (t *Target) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	m = sweep.WholeLoad(m)
	c := t.baseConfig
	c.Spec, c.Seed, c.Max, c.Limit, c.Timeout = m.Load, m.Seed, m.Max, m.Time, m.SLA.RequestTimeout()
	why := ""
	c.OnBlock = func(elapsed time.Duration, samples []load.Sample) bool {
		stop, reason := m.Stop(elapsed, samples)
		if m.Progress != nil {
			m.Progress(elapsed, samples)
		}
		if stop {
			why = reason
		}
		return stop
	}
	r, err := load.Run(ctx, c)
	if err != nil {
		return trial.Result{}, err
	}
	out := sweep.Summarize(r, m.Load, m.SLA, why)
	out.Warnings = append(out.Warnings, sweep.LoadWarnings(m.Load)...)
	out.Use = t.Use()
	return out, nil
}

// Live sends l until ctx ends.
func (t *Target) Live(ctx context.Context, l load.Spec, onSamples func([]load.Sample)) error {
	for {
		c := t.baseConfig
		c.Spec, c.Block, c.Limit = l, 100*time.Millisecond, 30*time.Second
		passed := 0
		c.OnBlock = func(_ time.Duration, samples []load.Sample) bool {
			onSamples(samples[passed:])
			passed = len(samples)
			return false
		}
		if _, err := load.Run(ctx, c); ctx.Err() != nil {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Use reports no utilization, because the server is on another machine.
func (t *Target) Use() trial.ResourceUse {
	return trial.ResourceUse{GPU: trial.GPUUse{Reason: "remote"}}
}

// Close restores the settings from before Open.
func (t *Target) Close(ctx context.Context) error {
	defer t.http.CloseIdleConnections()
	_, err := t.Apply(ctx, t.initial)
	return err
}
