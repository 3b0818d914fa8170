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

// Target drives a [Server] by its URL. It carries live load too.
type Target struct {
	url   string
	http  *http.Client
	base  load.Config // of a run
	found knob.Settings
	now   knob.Settings
}

// Open connects to the server at a URL. secure is what it takes to trust it; nil is
// plain HTTP.
func Open(ctx context.Context, at string, secure *tls.Config) (*Target, error) {
	t := &Target{url: at, http: &http.Client{Transport: &http.Transport{TLSClientConfig: secure}}}
	e := load.Endpoint{
		URL: at + inferPath, TLS: secure, Header: [][2]string{{"Authorization", "Bearer word"}},
		Bodies: []load.Body{{Type: "application/json", Data: []byte(`{"x":1}`)}},
	}
	var err error
	if t.base, err = e.Config(load.Spec{}); err != nil {
		return nil, err
	}
	if t.found, err = t.ask(ctx, http.MethodGet, nil); err != nil {
		return nil, err
	}
	t.now = t.found
	return t, nil
}

// Info says that the server has its two knobs, and tells nothing else.
func (t *Target) Info(context.Context) (sweep.Info, error) {
	host := t.url
	if u, err := url.Parse(t.url); err == nil {
		host = u.Host
	}
	info := sweep.Info{
		Model:   sweep.ModelInfo{Name: "cat", Version: "1", Source: "remote"},
		Current: t.now, Machine: host, Runtime: "some server", Fixed: map[knob.Name]string{},
		Limits: knob.Limits{Own: Knobs()},
	}
	for _, k := range knob.All() {
		info.Limits.Unreported = append(info.Limits.Unreported, k.Name)
		info.Fixed[k.Name] = "this server does not tell it"
	}
	return info, nil
}

// Apply turns the server's two knobs.
func (t *Target) Apply(ctx context.Context, s knob.Settings) (sweep.Applied, error) {
	info, err := t.Info(ctx)
	if err != nil {
		return sweep.Applied{}, err
	}
	if err := s.Validate(info.Limits); err != nil {
		return sweep.Applied{}, err
	}
	var want settings
	want.Instances, _ = strconv.Atoi(s.Get(Instances)) // Validate has looked at them
	want.MaxBatchSize, _ = strconv.Atoi(s.Get(MaxBatchSize))
	body, err := json.Marshal(want)
	if err != nil {
		return sweep.Applied{}, err
	}
	begin := time.Now()
	if t.now, err = t.ask(ctx, http.MethodPut, body); err != nil {
		return sweep.Applied{}, err
	}
	return sweep.Applied{Settings: t.now, Took: time.Since(begin)}, nil
}

// ask speaks to the knobs' route and returns what is in force.
func (t *Target) ask(ctx context.Context, method string, body []byte) (knob.Settings, error) {
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

// Measure runs the load until m.Stop says so.
func (t *Target) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	m = sweep.WholeLoad(m)
	c := t.base
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
func (t *Target) Live(ctx context.Context, l load.Spec, fresh func([]load.Sample)) error {
	for {
		c := t.base
		c.Spec, c.Block, c.Limit = l, 100*time.Millisecond, 30*time.Second
		seen := 0
		c.OnBlock = func(_ time.Duration, samples []load.Sample) bool {
			fresh(samples[seen:])
			seen = len(samples)
			return false
		}
		if _, err := load.Run(ctx, c); ctx.Err() != nil {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Use is what a server elsewhere takes of its machine: it does not say.
func (t *Target) Use() trial.ResourceUse {
	return trial.ResourceUse{GPU: trial.GPUUse{Reason: "remote"}}
}

// Close puts back what it found.
func (t *Target) Close(ctx context.Context) error {
	defer t.http.CloseIdleConnections()
	_, err := t.Apply(ctx, t.found)
	return err
}
