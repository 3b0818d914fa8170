package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"sweetspot/engine"
	"sweetspot/engine/api/control"
	"sweetspot/engine/catalog"
	"sweetspot/engine/knob"
	"sweetspot/engine/monitor"
	engineserver "sweetspot/engine/server"
)

// engineCommand makes this program the engine that a local target starts: its
// arguments are the model and the settings as flags.
const engineCommand = "trials-engine"

// handshakeFD is where the target reads the addresses from.
const handshakeFD = 3

// serveEngine is the engine's process. It ends when stdin does, and so with
// whoever started it.
func serveEngine(ctx context.Context, args []string, stdin io.Reader) error {
	if len(args) == 0 {
		return fmt.Errorf("%s: no model", engineCommand)
	}
	c, err := settingsFrom(args[1:])
	if err != nil {
		return err
	}
	cores := monitor.Limits().Cores
	host := control.Host{Cores: cores, Runtime: func() string { return "onnxruntime" }}
	return engineserver.RunChild(ctx, stdin, os.NewFile(handshakeFD, "handshake"), engineserver.Config{Host: host, Log: slog.New(slog.DiscardHandler)},
		func(ctx context.Context) (*engine.Engine, error) {
			l, err := newLab(cores)
			if err != nil {
				return nil, err
			}
			m, err := catalog.Open(ctx, args[0], catalog.Options{Probe: l.backend})
			if err != nil {
				return nil, err
			}
			return l.engine, l.engine.Load(ctx, m, c)
		})
}

// settingsFrom reads settings that package local wrote as flags.
func settingsFrom(args []string) (knob.Config, error) {
	c := knob.Config{Settings: knob.Default(knob.TorchServe)}
	for _, arg := range args {
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if name == "rule" {
			if err := c.Rule.UnmarshalText([]byte(value)); err != nil {
				return c, err
			}
			continue
		}
		k, err := knob.Lookup(name)
		if err == nil {
			err = c.Set(k.Name, value)
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}
