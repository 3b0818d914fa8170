// Package torchserve is the target for a TorchServe that runs, on this machine or elsewhere.
//
// [Open] connects to its management address and reads what is in force. [Target.Apply] scales the workers; it
// registers the model again for another batch size or batch delay, if the server's model API is enabled.
// Before each change the load has ended and the queue is empty, because TorchServe never answers jobs
// that are queued when a model is unregistered. [Target.Close] restores what Open has found.
//
// Live may run concurrently with Info, Apply and Use. Otherwise only one goroutine may use a Target.
package torchserve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// Config says where the server is and how it is called.
type Config struct {
	Management    string // URL
	Inference     string // URL; "" follows from Management if that has a usual port
	Model         string // name, or NAME/VERSION; "" if the server has one model
	ManagementKey string // token; "" for none
	InferenceKey  string
	Header        [][2]string // of all requests
	TLS           *tls.Config // nil for the certificates of the system
	Bodies        []load.Body
	Timeout       time.Duration // of requests; 0 is the timeout of the SLA
	Seed          uint64
	MaxRate       float64 // most requests per second; 0 is no limit
	Cores         int     // of the server's machine, 0 is unknown
	RestoreFile   string  // has what to restore while it differs from what is in force; "" for none
}

// Target is a model of a running TorchServe.
type Target struct {
	cfg   Config
	api   *client
	load  load.Config // common part of all runs
	fixed map[knob.Name]string

	changing atomic.Int32 // Apply waits for the end of the running segment of live load
	fresh    atomic.Bool  // some workers have had no load since they started, or since Open

	mu      sync.RWMutex // for reading while a load runs; guards everything below
	initial description  // what Open has found
	now     description
	closed  bool
	saved   bool // whether there is a restore file of this target

	restored bool // Open has restored what an earlier sweep had not
}

// Open connects to the server, finds out what it can change, and sends one request.
func Open(ctx context.Context, c Config) (*Target, error) {
	if len(c.Bodies) == 0 {
		return nil, errors.New("input: the server needs requests: give a file or folder of bodies with --input FILE")
	}
	if c.Inference == "" {
		var err error
		if c.Inference, err = inferenceOf(c.Management); err != nil {
			return nil, err
		}
	}
	t := &Target{cfg: c, api: newClient(c)}
	var err error
	if t.restored, err = t.restoreEarlier(ctx); err != nil {
		return nil, err
	}
	name, version, _ := strings.Cut(c.Model, "/")
	if name == "" {
		if name, err = t.api.onlyModel(ctx); err != nil {
			return nil, err
		}
	}
	all, err := t.api.describe(ctx, name, version)
	if err != nil {
		return nil, err
	}
	t.initial, t.now = all, all
	t.fresh.Store(true)
	if err := t.findFixed(ctx); err != nil {
		return nil, err
	}
	e := load.Endpoint{
		URL: strings.TrimRight(c.Inference, "/") + "/predictions/" + url.PathEscape(all.Name) + "/" + url.PathEscape(all.Version),
		TLS: c.TLS, Header: c.Header, Bodies: c.Bodies,
	}
	if c.InferenceKey != "" {
		e.Header = append([][2]string{{"Authorization", "Bearer " + c.InferenceKey}}, e.Header...)
	}
	if t.load, err = e.Config(load.Spec{}); err != nil {
		return nil, err
	}
	return t, t.api.predict(ctx, e.URL, c.Bodies[0])
}

// inferenceOf returns the inference address for a management address with its usual port.
func inferenceOf(management string) (string, error) {
	u, err := url.Parse(management)
	if err != nil {
		return "", err
	}
	port, ok := map[string]string{"8081": "8080", "8444": "443"}[u.Port()]
	if !ok {
		return "", fmt.Errorf("the inference address does not follow from %s, whose port is not 8081: give it with --inference URL", management)
	}
	return u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port), nil
}

// IsLoopback reports whether a URL is on this machine.
func IsLoopback(at string) bool {
	u, err := url.Parse(at)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// findFixed finds out which knobs the server can change.
func (t *Target) findFixed(ctx context.Context) error {
	t.fixed = map[knob.Name]string{
		knob.FP16: "TorchServe does not report it", knob.Threads: "TorchServe does not report it",
		knob.Device: "TorchServe sets it in model-config.yaml", knob.QueueSize: "TorchServe sets it in its configuration",
	}
	why := ""
	switch enabled, err := t.api.modelAPI(ctx); {
	case err != nil:
		return err
	case !enabled:
		why = "the model API is off; start TorchServe with --enable-model-api, or enable_model_api=true in config.properties"
	default:
		others, err := t.api.versions(ctx, t.initial.Name)
		if err != nil {
			return err
		}
		if others > 1 {
			why = "the model has other versions, so that it cannot be registered again"
		}
	}
	if why == "" && strings.TrimSpace(t.initial.URL) == "" {
		why = "the server does not say where the model was registered from"
	}
	if why != "" {
		t.fixed[knob.BatchSize], t.fixed[knob.BatchDelay] = why, why
	}
	return nil
}

// Info describes the model, what is in force, and which knobs are fixed.
func (t *Target) Info(context.Context) (sweep.Info, error) {
	t.mu.RLock()
	d := t.now
	t.mu.RUnlock()
	host := ""
	if !IsLoopback(t.cfg.Management) {
		if u, err := url.Parse(t.cfg.Management); err == nil {
			host = u.Host
		}
	}
	info := sweep.Info{
		Model:   sweep.ModelInfo{Name: d.Name, Version: d.Version, Source: d.URL},
		Options: knob.Options{Rule: d.rule()}, Current: d.settings(), Machine: host, Cores: t.cfg.Cores,
		Runtime: "TorchServe", Limits: t.limits(), Fixed: t.fixed,
	}
	if t.restored {
		info.Model.Warnings = append(info.Model.Warnings, "an earlier sweep was killed before it restored the settings of this server: they are restored now")
	}
	for _, b := range t.cfg.Bodies {
		info.Model.LargestBody = max(info.Model.LargestBody, int64(len(b.Data)))
	}
	return info, nil
}

// limits has what TorchServe does not report.
func (t *Target) limits() knob.Limits {
	return knob.Limits{Rule: t.initial.rule(), Cores: t.cfg.Cores, BatchAxis: true, Unreported: []knob.Name{knob.FP16, knob.Threads}}
}

// Use reports no utilization.
func (t *Target) Use() trial.ResourceUse {
	return trial.ResourceUse{GPU: trial.GPUUse{Reason: "a running TorchServe"}}
}

// restoreTime is the longest time for restoring what Open has found.
const restoreTime = 3 * time.Minute

// Close restores what Open has found. It ignores the end of ctx, so that Ctrl-C restores it too.
func (t *Target) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreTime)
	defer cancel()
	t.changing.Add(1)
	defer t.changing.Add(-1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	defer t.api.http.CloseIdleConnections()
	if t.now.sameSettings(t.initial) {
		return t.forget()
	}
	err := t.drain(ctx)
	if err == nil {
		err = t.change(ctx, t.initial)
	}
	if err != nil {
		return fmt.Errorf("%s was not restored: %w; in force was: %s", t.initial.Name, err, t.initial)
	}
	return t.forget()
}

// newHTTP returns a client for calls.
func newHTTP(c *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: c}}
}
