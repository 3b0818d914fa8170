package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
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
	keyFile   string
	headers   []string
	ca        string
	maxRate   float64
	yes       bool
}

// defaultMaxRate is the largest rate at which a server elsewhere gets requests unless told otherwise.
const defaultMaxRate = 1000

func (f *remoteFlags) bind(fs *pflag.FlagSet) {
	fs.StringVar(&f.inference, "inference", "", "with --target URL: inference address (default: that of the usual ports)")
	fs.StringVar(&f.keyFile, "key-file", "", "with --target URL: key_file.json of TorchServe, with its tokens")
	fs.StringArrayVar(&f.headers, "header", nil, "with --target URL: header of all requests, NAME: VALUE")
	fs.StringVar(&f.ca, "ca", "", "with --target https://...: file with the certificates that are trusted (default: those of the system)")
	fs.Float64Var(&f.maxRate, "max-rate", 0, fmt.Sprintf("with --target URL: most requests per second (default: %d if it is not this machine)", defaultMaxRate))
	fs.BoolVar(&f.yes, "yes", false, "with --target URL: send load to a server that is not on this machine")
}

// openTorchServe connects to the TorchServe at a management address.
func openTorchServe(ctx context.Context, a *app, p plan.Plan, _ knob.Config) (sweep.Target, error) {
	c, err := a.remote.config(p)
	if err != nil {
		return nil, err
	}
	if torchserve.IsLoopback(c.Management) {
		c.Cores = a.limits().Cores
	}
	if c.Bodies, err = readBodies(p.Input, p.ContentType); err != nil {
		return nil, err
	}
	c.RestoreFile = a.restoreFile(c.Management)
	t, err := torchserve.Open(ctx, c)
	if err != nil {
		return nil, err // not t: an interface with a nil *Target is not nil
	}
	return t, nil
}

// config returns how the server of a plan is called, without bodies.
func (f remoteFlags) config(p plan.Plan) (torchserve.Config, error) {
	c := torchserve.Config{
		Management: p.Target, Inference: f.inference, Model: p.Model, Timeout: p.Timeout, Seed: p.Seed, MaxRate: f.maxRate,
	}
	elsewhere := !torchserve.IsLoopback(p.Target) || f.inference != "" && !torchserve.IsLoopback(f.inference)
	switch {
	case elsewhere && !f.yes:
		return c, withHint("add --yes if you may load that server and change its settings; --max-rate limits the load",
			"%s is not on this machine", p.Target)
	case f.maxRate < 0:
		return c, fmt.Errorf("--max-rate: %g is below 0", f.maxRate)
	case elsewhere && f.maxRate == 0:
		c.MaxRate = defaultMaxRate
	}
	for _, h := range f.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return c, withHint(`write: --header "NAME: VALUE"`, "--header: %q is not NAME: VALUE", name)
		}
		c.Header = append(c.Header, [2]string{strings.TrimSpace(name), strings.TrimSpace(value)})
	}
	return c, errors.Join(f.readKeys(&c), f.readCertificates(&c))
}

// readKeys reads TorchServe's key_file.json.
func (f remoteFlags) readKeys(c *torchserve.Config) error {
	if f.keyFile == "" {
		return nil
	}
	text, err := os.ReadFile(f.keyFile)
	if err != nil {
		return fmt.Errorf("--key-file: %w", err)
	}
	type entry struct {
		Key string `json:"key"`
	}
	var keys struct {
		Management entry `json:"management"`
		Inference  entry `json:"inference"`
	}
	if err := json.Unmarshal(text, &keys); err != nil {
		return fmt.Errorf("--key-file: %s: %w", f.keyFile, err)
	}
	if keys.Management.Key == "" || keys.Inference.Key == "" {
		return fmt.Errorf("--key-file: %s has no management and inference key", f.keyFile)
	}
	c.ManagementKey, c.InferenceKey = keys.Management.Key, keys.Inference.Key
	return nil
}

// readCertificates reads the trusted certificates.
func (f remoteFlags) readCertificates(c *torchserve.Config) error {
	if f.ca == "" {
		return nil
	}
	text, err := os.ReadFile(f.ca)
	if err != nil {
		return fmt.Errorf("--ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return fmt.Errorf("--ca: %s has no certificate in PEM", f.ca)
	}
	c.TLS = &tls.Config{RootCAs: pool}
	return nil
}
