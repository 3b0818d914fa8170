package main

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/target/oip"
)

// openOIP connects to a server that speaks the Open Inference Protocol.
func openOIP(ctx context.Context, a *app, p plan.Plan, _ knob.Config) (sweep.Target, error) {
	if err := a.allow(ctx, p); err != nil {
		return nil, err
	}
	c, err := a.oipConfig(p)
	if err != nil {
		return nil, err
	}
	if c.Bodies, err = readBodies(p.Input, p.ContentType); err != nil {
		return nil, err
	}
	c.RestoreFile = a.restoreFile(p.Target)
	t, err := oip.Open(ctx, c)
	if err != nil {
		return nil, err // not t: an interface with a nil *Target is not nil
	}
	return t, nil
}

// oipConfig returns how the server of a plan is called, without bodies.
func (a *app) oipConfig(p plan.Plan) (oip.Config, error) {
	common, err := a.remoteConfig(p)
	if err != nil {
		return oip.Config{}, err
	}
	c := oip.Config{
		Address: p.Target, Inference: a.remote.inference, Model: p.Model, Header: common.Header, TLS: common.TLS, ContentType: p.ContentType,
		Shapes: maps.Clone(p.Lengths), Seed: p.Seed, Timeout: p.Timeout, MaxRate: common.MaxRate,
	}
	if common.InferenceKey != "" {
		c.Header = append([][2]string{{"Authorization", "Bearer " + common.InferenceKey}}, c.Header...)
	}
	if len(elsewhere(p.Target)) == 0 {
		c.Cores = a.limits().Cores
	}
	for name, sizes := range p.Shapes {
		if c.Shapes == nil {
			c.Shapes = map[string]string{}
		}
		parts := make([]string, len(sizes))
		for i, n := range sizes {
			parts[i] = strconv.FormatInt(n, 10)
		}
		c.Shapes[name] = strings.Join(parts, "x")
	}
	return c, nil
}

// restoreOIP restores the configuration of a model of a Triton.
func (a *app) restoreOIP(c *cobra.Command, file string) (restored, error) {
	saved, err := oip.ReadSaved(file)
	if err != nil {
		return restored{}, err
	}
	p := plan.Plan{Target: oip.Prefix + saved.Address}
	if err := a.allow(c.Context(), p); err != nil {
		return restored{}, err
	}
	cfg, err := a.oipConfig(p)
	if err != nil {
		return restored{}, err
	}
	model, err := oip.Restore(c.Context(), cfg, saved.Address, file)
	if err != nil {
		return restored{}, fmt.Errorf("%s: %w", saved.Address, err)
	}
	if model != "" {
		model += ": its configuration"
	}
	return restored{saved.Address, model}, nil
}
