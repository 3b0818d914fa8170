// Package torchserve is the target for TorchServe: one that runs, on this machine or elsewhere, a fleet of them behind one
// inference address, or one that the target starts.
//
// [Open] connects to the management addresses and reads what is in force. [Target.Apply] scales the workers; it
// registers the model again for another batch size or batch delay, if the server's model API is enabled.
// Before each change the load has ended and the queue is empty, because TorchServe never answers jobs
// that are queued when a model is unregistered. [Target.Close] restores what Open has found.
//
// [Start] starts a TorchServe on this machine, which Close ends.
//
// The server's own metrics give the parts of a request's time, see metrics.go.
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
	"slices"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/target/drive"
	"sweetspot/sweep/target/process"
	"sweetspot/sweep/trial"
)

// Config says where the servers are and how they are called.
type Config struct {
	Management    []string // URLs; more than one are a fleet behind Inference
	Inference     string   // URL; "" follows from Management if that is one with a usual port
	Metrics       []string // URLs of metrics or folders of metric logs, in the order of Management; nil follows from usual ports
	Model         string   // name, or NAME/VERSION; "" if the server has one model
	ManagementKey string   // token; "" for none
	InferenceKey  string
	Header        [][2]string // of all requests
	TLS           *tls.Config // nil for the certificates of the system
	Bodies        []load.Body
	Timeout       time.Duration // of requests; 0 is the timeout of the SLA
	Seed          uint64
	MaxRate       float64  // most requests per second; 0 is no limit
	Cores         int      // of the server's machine, 0 is unknown
	RestoreFiles  []string // have what to restore while it differs from what is in force, in the order of Management; nil for none
}

// Target is a model of a TorchServe that runs.
type Target struct {
	cfg   Config
	local *localServer // nil if the server is not that of Start

	gate       drive.Gate // guards everything below
	process    *process.Process
	servers    fleet
	load       load.Config // common part of all runs
	metrics    sources     // nil if the servers' own metrics are not read
	metricsWhy string      // why not
	restored   bool        // Open has restored what an earlier sweep had not
}

// Open connects to the servers, finds out what they can change, and sends one request.
func Open(ctx context.Context, c Config) (*Target, error) {
	t := &Target{}
	if err := t.connect(ctx, c); err != nil {
		return nil, err
	}
	return t, nil
}

// connect is Open for a target without servers.
func (t *Target) connect(ctx context.Context, c Config) error {
	if err := complete(&c); err != nil {
		return err
	}
	t.cfg, t.servers = c, nil
	for i, at := range c.Management {
		s := &server{api: newClient(c, at)}
		if c.RestoreFiles != nil {
			s.restoreFile = c.RestoreFiles[i]
		}
		restored, err := s.restoreEarlier(ctx)
		if err != nil {
			return err
		}
		t.restored = t.restored || restored
		t.servers = append(t.servers, s)
	}
	if err := t.describe(ctx); err != nil {
		return err
	}
	now := t.servers.now()
	e := load.Endpoint{
		URL: strings.TrimRight(c.Inference, "/") + "/predictions/" + url.PathEscape(now.Name) + "/" + url.PathEscape(now.Version),
		TLS: c.TLS, Header: c.Header, Bodies: c.Bodies,
	}
	if c.InferenceKey != "" {
		e.Header = append([][2]string{{"Authorization", "Bearer " + c.InferenceKey}}, e.Header...)
	}
	var err error
	if t.load, err = e.Config(load.Spec{}); err != nil {
		return err
	}
	t.load.MaxRate = c.MaxRate
	if err := t.servers[0].api.predict(ctx, e.URL, c.Bodies[0]); err != nil {
		return err
	}
	t.metrics, t.metricsWhy, err = openSources(ctx, c, now)
	return err
}

// complete checks a Config and sets the inference address that follows from it.
func complete(c *Config) error {
	switch {
	case len(c.Bodies) == 0:
		return errors.New("input: the server needs requests: give a file or folder of bodies with --input FILE")
	case len(c.Management) == 0:
		return errors.New("target: there is no management address")
	case len(c.Management) > 1 && c.Inference == "":
		return errors.New("several servers need one inference address, which balances the load over them: give it with --inference URL")
	}
	for i, at := range c.Management {
		if slices.Contains(c.Management[:i], at) {
			return fmt.Errorf("target: %s is given twice", at)
		}
	}
	if c.Inference != "" {
		return nil
	}
	var err error
	c.Inference, err = inferenceOf(c.Management[0])
	return err
}

// describe reads what is in force on all servers, and what they can change.
func (t *Target) describe(ctx context.Context) error {
	name, version, _ := strings.Cut(t.cfg.Model, "/")
	if name == "" {
		var err error
		if name, err = t.servers[0].api.onlyModel(ctx); err != nil {
			return err
		}
	}
	err := t.servers.each(func(s *server) (err error) {
		if s.initial, err = s.api.describe(ctx, name, version); err != nil {
			return err
		}
		s.now = s.initial
		return s.findFixed(ctx)
	})
	if err != nil {
		return err
	}
	return t.servers.checkEqual()
}

// inferenceOf returns the inference address for a management address with its usual port.
func inferenceOf(management string) (string, error) {
	at, ok := usualPort(management, map[string]string{"8081": "8080", "8444": "443"})
	if !ok {
		return "", fmt.Errorf("the inference address does not follow from %s, whose port is not 8081: give it with --inference URL", management)
	}
	return at, nil
}

// usualPort returns the address with the port that belongs to that of the management address.
func usualPort(management string, ports map[string]string) (string, bool) {
	u, err := url.Parse(management)
	if err != nil {
		return "", false
	}
	port, ok := ports[u.Port()]
	return u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port), ok
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

// fixed returns the knobs that the servers cannot change, with the reasons.
func (t *Target) fixed() map[knob.Name]string {
	out := map[knob.Name]string{
		knob.FP16: "TorchServe does not report it", knob.Threads: "TorchServe does not report it",
		knob.Device: "TorchServe sets it in model-config.yaml", knob.QueueSize: "TorchServe sets it in its configuration",
	}
	if why := t.servers.fixed(); why != "" {
		out[knob.BatchSize], out[knob.BatchDelay] = why, why
	}
	return out
}

// Info describes the model, what is in force, and which knobs are fixed.
func (t *Target) Info(context.Context) (sweep.Info, error) {
	defer t.gate.Hold()()
	d := t.servers.now()
	info := sweep.Info{
		Model:   sweep.ModelInfo{Name: d.Name, Version: d.Version, Source: d.URL},
		Options: knob.Options{Rule: d.rule()}, Current: d.settings(), Machine: t.machine(), Cores: t.cfg.Cores,
		Runtime: "TorchServe", Limits: t.limits(), Fixed: t.fixed(), MaxRate: t.cfg.MaxRate,
		Metrics: t.metrics.set(), MetricsWhy: t.metricsWhy,
	}
	if t.restored {
		info.Model.Warnings = append(info.Model.Warnings, "an earlier sweep was killed before it restored the settings of this server: they are restored now")
	}
	for _, b := range t.cfg.Bodies {
		info.Model.LargestBody = max(info.Model.LargestBody, int64(len(b.Data)))
	}
	return info, nil
}

// machine returns the hosts of servers that are not on this machine.
func (t *Target) machine() string {
	var hosts []string
	for _, at := range t.cfg.Management {
		if u, err := url.Parse(at); err == nil && !IsLoopback(at) {
			hosts = append(hosts, u.Host)
		}
	}
	return strings.Join(hosts, ", ")
}

// limits has what TorchServe does not report.
func (t *Target) limits() knob.Limits {
	return knob.Limits{Rule: t.servers[0].initial.rule(), Cores: t.cfg.Cores, BatchAxis: true, Unreported: []knob.Name{knob.FP16, knob.Threads}}
}

// Use reports no utilization.
func (t *Target) Use() trial.ResourceUse {
	return trial.ResourceUse{GPU: trial.GPUUse{Reason: "a running TorchServe"}}
}

// Close restores what Open has found, or ends the server of Start. It ignores the end of ctx, so that Ctrl-C restores
// it too.
func (t *Target) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreTime)
	defer cancel()
	return t.gate.Close(func() error {
		defer t.disconnect()
		if t.local != nil {
			t.stopLocal()
			return nil
		}
		return t.servers.each(func(s *server) error { return s.restore(ctx) })
	})
}

// disconnect releases connections and files.
func (t *Target) disconnect() {
	for _, s := range t.servers {
		s.api.http.CloseIdleConnections()
	}
	t.metrics.close()
}

// newHTTP returns a client for calls.
func newHTTP(c *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: c}}
}
