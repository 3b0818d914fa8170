package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"sweetspot/engine/api/management"
	"sweetspot/engine/backend/python"
	"sweetspot/engine/catalog"
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
	ms    modelSettings // for what a request does not say
}

// config returns the configuration of the management API. The opener gets its Options later.
func (f *storeFlags) config(ms modelSettings) (management.Config, *opener, error) {
	allowed, err := catalog.ParseAllowed(f.allowed)
	if err != nil {
		return management.Config{}, nil, fmt.Errorf("--allowed-urls: %w", err)
	}
	o := &opener{catalog.Store{Dir: f.dir, Allowed: allowed}, ms}
	return management.Config{
		ModelAPI: f.modelAPI, Opener: o, InitialWorkers: ms.t.DefaultWorkers,
		StartupTime: time.Duration(ms.t.StartupTimeout) * time.Second, UnregisterTime: time.Duration(ms.t.UnregisterTimeout) * time.Second,
	}, o, nil
}

// Open is management.Opener's.
func (o *opener) Open(ctx context.Context, r management.Registration) (management.Opened, error) {
	m, err := o.store.Open(ctx, r.URL, r.Name)
	if errors.Is(err, catalog.ErrNotInStore) {
		err = management.NotFound(err)
	}
	if err != nil {
		return management.Opened{}, err
	}
	file := r.URL
	if strings.Contains(file, "://") {
		file = path.Base(file) // the store has it under that name
	}
	release := func() { o.store.Options.Unpack.Release(m.Path) }
	cfg, effect, err := o.ms.of(m, filepath.Join(o.store.Dir, file))
	if err != nil {
		release()
		return management.Opened{}, err
	}
	out := management.Opened{Model: m, Config: cfg, Release: release}
	own := func(name string) int { n, _ := effect.Own(name); return n }
	out.MinWorkers, out.MaxWorkers = own("minWorkers"), own("maxWorkers")
	out.ResponseTimeout = time.Duration(own("responseTimeout")) * time.Second
	if m.Backend == python.Name {
		m.RunTime = python.DefaultRunTime // unless the archive or the request says otherwise
	}
	out.StartupTimeout = time.Duration(own("startupTimeout")) * time.Second
	return out, nil
}

// backendsFor returns the models for which backends are needed: those that are served at the
// start, and any model if requests may register some.
func (o *opener) backendsFor(c server.Config, models []string) []string {
	if c.Models.ModelAPI {
		return append(slices.Clone(models), "builtin:mlp")
	}
	return models
}
