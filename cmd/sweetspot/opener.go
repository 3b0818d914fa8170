package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"sweetspot/engine/api/management"
	"sweetspot/engine/catalog"
	"sweetspot/engine/knob"
	"sweetspot/engine/server"
)

// storeFlags say which models requests may register.
type storeFlags struct {
	modelAPI bool
	dir      string
	allowed  string
}

func (f *storeFlags) bind(fs *pflag.FlagSet) {
	fs.BoolVar(&f.modelAPI, "enable-model-api", false, "let requests register and unregister models")
	fs.StringVar(&f.dir, "model-store", "", "folder with the models that requests may register (default: only builtin:NAME and sim:NAME)")
	fs.StringVar(&f.allowed, "allowed-urls", "", "URLs that requests may register: regular expressions, separated by commas (default: none)")
}

// opener opens registered models in the store.
type opener struct {
	store catalog.Store
	cfg   knob.Config // settings for what a request does not say
}

// config returns the configuration of the management API. The opener gets its Options later.
func (f *storeFlags) config(cfg knob.Config) (management.Config, *opener, error) {
	allowed, err := catalog.ParseAllowed(f.allowed)
	if err != nil {
		return management.Config{}, nil, fmt.Errorf("--allowed-urls: %w", err)
	}
	o := &opener{catalog.Store{Dir: f.dir, Allowed: allowed}, cfg}
	return management.Config{ModelAPI: f.modelAPI, Opener: o}, o, nil
}

// Open is management.Opener's.
func (o *opener) Open(ctx context.Context, r management.Registration) (management.Opened, error) {
	m, err := o.store.Open(ctx, r.URL, r.Name)
	if errors.Is(err, catalog.ErrNotInStore) {
		err = fmt.Errorf("%w: %w", management.ErrNotFound, err)
	}
	if err != nil {
		return management.Opened{}, err
	}
	return management.Opened{Model: m, Config: o.cfg}, nil
}

// backendsFor returns the models for which backends are needed: those that are served at the
// start, and any model if requests may register some.
func (o *opener) backendsFor(c server.Config, models []string) []string {
	if c.Models.ModelAPI {
		return append(slices.Clone(models), "builtin:mlp")
	}
	return models
}
