package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/target/torchserve"
)

// remoteFlags say how a running server is called.
type remoteFlags struct {
	inference string
	metrics   []string
	keyFile   string
	headers   []string
	ca        string
	maxRate   float64
	yes       bool
	program   string
}

// defaultMaxRate is the largest rate at which a server elsewhere gets requests unless told otherwise.
const defaultMaxRate = 1000

func (f *remoteFlags) bind(fs *pflag.FlagSet) {
	fs.StringVar(&f.inference, "inference", "", "with --target URL: inference address (default: that of the usual ports)")
	fs.StringSliceVar(&f.metrics, "metrics", nil, "with --target URL: address of its metrics (metrics_mode=prometheus) or the folder of its ts_metrics.log; one for each URL (default: that of the usual ports)")
	fs.StringVar(&f.keyFile, "key-file", "", "with --target URL: key_file.json of TorchServe, with its tokens")
	fs.StringArrayVar(&f.headers, "header", nil, "with --target URL: header of all requests, NAME: VALUE")
	fs.StringVar(&f.ca, "ca", "", "with --target https://...: file with the certificates that are trusted (default: those of the system)")
	fs.Float64Var(&f.maxRate, "max-rate", 0, fmt.Sprintf("with --target URL: most requests per second; clients wait for it (default: %d if it is not this machine)", defaultMaxRate))
	fs.BoolVar(&f.yes, "yes", false, "with --target URL: do not ask before a server that is not on this machine is loaded and changed")
	fs.StringVar(&f.program, "torchserve", "", "with --target torchserve: the program, or the folder of its virtual environment (default: $"+torchServeVar+", PATH, make torchserve)")
}

// given returns the names, without dashes, of the flags that were given and have no effect on some targets. --yes is none of
// them: scripts may always have it.
func (f *remoteFlags) given() []string {
	var out []string
	for _, flag := range []struct {
		name  string
		given bool
	}{
		{"inference", f.inference != ""},
		{"metrics", len(f.metrics) > 0},
		{"key-file", f.keyFile != ""},
		{"header", len(f.headers) > 0},
		{"ca", f.ca != ""},
		{"max-rate", f.maxRate != 0},
		{"torchserve", f.program != ""},
	} {
		if flag.given {
			out = append(out, flag.name)
		}
	}
	return out
}

// rateFor returns the largest rate of a target; 0 is no limit.
func (f *remoteFlags) rateFor(p plan.Plan) float64 {
	if f.maxRate == 0 && len(elsewhere(append(plan.Targets(p.Target), f.inference)...)) > 0 {
		return defaultMaxRate
	}
	return f.maxRate
}

// openTorchServe connects to the TorchServe at a management address, or to a fleet.
func openTorchServe(ctx context.Context, a *app, p plan.Plan, _ knob.Config) (sweep.Target, error) {
	if err := a.allow(ctx, p); err != nil {
		return nil, err
	}
	c, err := a.remoteConfig(p)
	if err != nil {
		return nil, err
	}
	c.Management, c.Model = plan.Targets(p.Target), p.Model
	if len(elsewhere(c.Management...)) == 0 {
		c.Cores = a.limits().Cores
	}
	if c.Bodies, err = readBodies(p.Input, p.ContentType); err != nil {
		return nil, err
	}
	for _, at := range c.Management {
		c.RestoreFiles = append(c.RestoreFiles, a.restoreFile(at))
	}
	t, err := torchserve.Open(ctx, c)
	if err != nil {
		return nil, err // not t: an interface with a nil *Target is not nil
	}
	return t, nil
}

// remoteConfig is config; it also hides the secrets of the calls from now on.
func (a *app) remoteConfig(p plan.Plan) (torchserve.Config, error) {
	c, err := a.remote.config(p)
	a.secrets.addTarget(c, p, append(a.remote.metrics, a.remote.inference)...)
	return c, err
}

// config returns how the servers of a plan are called, without their management addresses, and without bodies.
func (f *remoteFlags) config(p plan.Plan) (torchserve.Config, error) {
	c := torchserve.Config{Inference: f.inference, Metrics: f.metrics, Timeout: p.Timeout, Seed: p.Seed, MaxRate: f.rateFor(p)}
	if !(f.maxRate >= 0 && f.maxRate <= 1e6) {
		return c, fmt.Errorf("--max-rate: %g: want 0 for no limit, or at most 1e6 requests per second", f.maxRate)
	}
	for _, h := range f.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return c, withHint(`write: --header "NAME: VALUE"`, "--header: %q is not NAME: VALUE", name)
		}
		c.Header = append(c.Header, [2]string{strings.TrimSpace(name), strings.TrimSpace(value)})
	}
	var err error
	if f.keyFile != "" {
		if err = torchserve.ReadKeys(f.keyFile, &c); err != nil {
			err = fmt.Errorf("--key-file: %w", err)
		}
	}
	return c, errors.Join(err, f.readCertificates(&c))
}

// readCertificates reads the trusted certificates.
func (f *remoteFlags) readCertificates(c *torchserve.Config) error {
	if f.ca == "" {
		return nil
	}
	text, err := os.ReadFile(f.ca)
	if err != nil {
		return fmt.Errorf("--ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return withHint(trustCommand(f.ca), "--ca: %s has no certificate in PEM", f.ca)
	}
	c.TLS = &tls.Config{RootCAs: pool}
	return nil
}
