// Package oip is the target for servers that speak the Open Inference Protocol, version 2, over HTTP or
// gRPC: Triton, KServe, OpenVINO Model Server, MLServer, our own.
//
// [Open] reads the descriptions of the server and the model, makes requests for its inputs, and sends one. The
// protocol has no settings, so that all knobs are fixed and only the load varies; what the server does not
// report stays unreported. A Triton also has its model configuration, statistics and model control: see triton.go.
//
// Live may run concurrently with Info, Apply and Use. Otherwise only one goroutine may use a Target.
package oip

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"sweetspot/engine/knob"
	protocol "sweetspot/engine/oip"
	"sweetspot/engine/tensor"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/target/drive"
	"sweetspot/sweep/trial"
)

// The prefixes of addresses.
const (
	Prefix      = "oip+"
	grpcPrefix  = "grpc://"
	grpcsPrefix = "grpcs://"
)

// Config says where the server is and which requests it gets.
type Config struct {
	Address     string // http://HOST:PORT, https://..., grpc://... or grpcs://..., with or without Prefix
	Inference   string // where the load goes, if not to Address: such as grpc://HOST:PORT of a Triton whose Address is that of HTTP
	Model       string // name, or NAME/VERSION; "" if the server has one model
	Header      [][2]string
	TLS         *tls.Config       // nil for the certificates of the system
	Bodies      []load.Body       // JSON requests of the protocol; nil for made ones
	ContentType string            // of made requests over HTTP: application/json, application/octet-stream; "" is what the server takes
	Shapes      map[string]string // of made requests: sizes of open dimensions by input, as package lengths reads them
	Seed        uint64
	Timeout     time.Duration // of requests; 0 is the timeout of the SLA
	MaxRate     float64       // most requests per second; 0 is no limit
	Cores       int           // of the server's machine, 0 is unknown
	RestoreFile string        // has what to restore while it differs from what is in force; "" for none
}

// Target is a model of a server.
type Target struct {
	cfg    Config
	api    describer
	server protocol.ServerMetadata
	model  protocol.ModelMetadata
	batch  bool          // the first dimension of all inputs and outputs is open
	made   []tensor.Spec // inputs of the made requests; nil if requests were given
	load   load.Config   // common part of all runs
	client *channel      // sends the load over gRPC; nil for HTTP

	gate   drive.Gate // guards everything below
	triton *triton    // nil if the server has no model configuration
	fresh  atomic.Bool
}

// describer asks a server about itself.
type describer interface {
	server(ctx context.Context) (protocol.ServerMetadata, error)
	model(ctx context.Context, name, version string) (protocol.ModelMetadata, error)
	models(ctx context.Context) ([]string, error) // names; an error if the protocol cannot tell
	close()
}

// Open connects to the server, and sends one request.
func Open(ctx context.Context, c Config) (*Target, error) {
	c.Address, c.Inference = strings.TrimPrefix(c.Address, Prefix), strings.TrimPrefix(c.Inference, Prefix)
	t := &Target{cfg: c}
	t.fresh.Store(true)
	err := t.connect(ctx)
	if err == nil {
		return t, nil
	}
	return nil, errors.Join(err, t.disconnect())
}

// connect is Open for a target that is closed after an error.
func (t *Target) connect(ctx context.Context) error {
	var err error
	if isGRPC(t.cfg.Address) {
		if t.client, err = newChannel(t.cfg, t.cfg.Address); err != nil {
			return err
		}
		t.api = t.client
	} else {
		t.api = newCaller(t.cfg)
	}
	if err := t.describe(ctx); err != nil {
		return err
	}
	if http, ok := t.api.(*caller); ok {
		if t.triton, err = openTriton(ctx, http, t.cfg, t.server, t.model.Name); err != nil {
			return err
		}
	}
	if at := t.cfg.Inference; isGRPC(at) {
		if t.client, err = newChannel(t.cfg, at); err != nil {
			return err
		}
	} else if at != "" && t.client != nil {
		return errors.New("inference: the load of a gRPC address goes there; leave out --inference")
	}
	return t.prepareLoad(ctx)
}

// describe reads what the server says about itself and the model.
func (t *Target) describe(ctx context.Context) error {
	var err error
	if t.server, err = t.api.server(ctx); err != nil {
		return fmt.Errorf("%s: is an Open Inference Protocol server running there? %w", t.cfg.Address, err)
	}
	name, version, _ := strings.Cut(t.cfg.Model, "/")
	if name == "" {
		if name, err = t.onlyModel(ctx); err != nil {
			return err
		}
	}
	if t.model, err = t.api.model(ctx, name, version); err != nil {
		return fmt.Errorf("model %q: %w", t.cfg.Model, err)
	}
	t.model.Name = name // some servers answer with another one
	if version != "" {
		t.model.Versions = []string{version}
	}
	t.batch = hasBatchAxis(t.model)
	return nil
}

// onlyModel returns the name of the only model.
func (t *Target) onlyModel(ctx context.Context) (string, error) {
	names, err := t.api.models(ctx)
	switch {
	case err != nil:
		return "", fmt.Errorf("the server does not list its models: name one: sweetspot MODEL --target %s%s (%w)", Prefix, t.cfg.Address, err)
	case len(names) != 1:
		return "", fmt.Errorf("the server has %d models (%s): name one: sweetspot MODEL --target %s%s", len(names), strings.Join(names, ", "), Prefix, t.cfg.Address)
	}
	return names[0], nil
}

// prepareLoad makes the requests and sends one.
func (t *Target) prepareLoad(ctx context.Context) error {
	requests, err := t.requests()
	if err != nil {
		return err
	}
	if t.client != nil {
		if err := t.client.prepare(t.model.Name, t.version(), requests); err != nil {
			return err
		}
		t.load = load.Config{Client: t.client, Bodies: make([]load.Body, len(requests))}
	} else {
		e := load.Endpoint{URL: t.inferURL(), TLS: t.cfg.TLS, Header: t.cfg.Header}
		if e.Bodies, err = t.httpBodies(requests); err != nil {
			return err
		}
		if t.load, err = e.Config(load.Spec{}); err != nil {
			return err
		}
	}
	t.load.MaxRate = t.cfg.MaxRate
	return t.tryRequest(ctx)
}

// version returns the version that was asked for; "" if none was.
func (t *Target) version() string {
	_, version, _ := strings.Cut(t.cfg.Model, "/")
	return version
}

func (t *Target) inferURL() string {
	at := t.cfg.Inference
	if at == "" {
		at = t.cfg.Address
	}
	return strings.TrimRight(at, "/") + modelPath(t.model.Name, t.version()) + "/infer"
}

// Info describes the model, and which knobs are fixed and why.
func (t *Target) Info(context.Context) (sweep.Info, error) {
	defer t.gate.Hold()()
	info := sweep.Info{
		Model:   sweep.ModelInfo{Name: t.model.Name, Version: strings.Join(t.model.Versions, ", "), Source: t.model.Platform, Made: t.madeText()},
		Machine: t.machine(), Cores: t.cfg.Cores, Runtime: strings.TrimSpace(t.server.Name + " " + t.server.Version),
		Fixed: map[knob.Name]string{}, MaxRate: t.cfg.MaxRate,
	}
	for _, b := range t.load.Bodies {
		info.Model.LargestBody = max(info.Model.LargestBody, int64(len(b.Data)))
	}
	if t.batch {
		info.Model.BatchAxis, info.Model.BatchWhy = true, "the first dimension of all inputs and outputs is open"
	}
	info.Limits = knob.Limits{Cores: t.cfg.Cores, BatchAxis: true}
	if t.triton != nil {
		t.triton.describe(&info)
		return info, nil
	}
	for _, k := range knob.All() {
		info.Limits.Unreported = append(info.Limits.Unreported, k.Name)
		info.Fixed[k.Name] = "the Open Inference Protocol has no settings"
	}
	return info, nil
}

// madeText describes the made requests; "" if requests were given.
func (t *Target) madeText() string {
	if t.made == nil {
		return ""
	}
	var inputs []string
	for _, s := range t.made {
		inputs = append(inputs, s.String())
	}
	how := "over gRPC"
	if t.client == nil {
		how = "as " + t.load.Bodies[0].Type
	}
	return fmt.Sprintf("made for %s, one row each, sent %s", strings.Join(inputs, "; "), how)
}

// machine returns the host of a server that is not on this machine; "" if it is on this one.
func (t *Target) machine() string {
	if u, err := url.Parse(t.cfg.Address); err == nil && !isLoopback(u.Hostname()) {
		return u.Host
	}
	return ""
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func isGRPC(at string) bool {
	return strings.HasPrefix(at, grpcPrefix) || strings.HasPrefix(at, grpcsPrefix)
}

// Apply applies s. After an error the settings before it are in force.
func (t *Target) Apply(ctx context.Context, s knob.Settings) (sweep.Applied, error) {
	info, err := t.Info(ctx)
	if err != nil {
		return sweep.Applied{}, err
	}
	if err := s.Validate(info.Limits); err != nil {
		return sweep.Applied{}, err
	}
	begin := time.Now()
	if s != info.Current {
		if t.triton == nil {
			return sweep.Applied{}, errors.New("the Open Inference Protocol has no settings")
		}
		if err := t.gate.Change(func() error { return t.triton.apply(ctx, s) }); err != nil {
			return sweep.Applied{}, err
		}
		t.fresh.Store(true)
	}
	return sweep.Applied{Settings: s, Fresh: t.fresh.Load(), Took: time.Since(begin)}, nil
}

// Use reports no utilization.
func (t *Target) Use() trial.ResourceUse {
	return trial.ResourceUse{GPU: trial.GPUUse{Reason: "a running server"}}
}

// restoreTime limits the restoration.
const restoreTime = 2 * time.Minute

// Close restores what Open has found. It ignores the end of ctx, so that Ctrl-C restores it too.
func (t *Target) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreTime)
	defer cancel()
	return t.gate.Close(func() error {
		var err error
		if t.triton != nil {
			err = t.triton.restore(ctx)
		}
		return errors.Join(err, t.disconnect())
	})
}

// disconnect releases the connections.
func (t *Target) disconnect() error {
	if t.api != nil {
		t.api.close()
	}
	if t.client != nil {
		t.client.close()
	}
	return nil
}
