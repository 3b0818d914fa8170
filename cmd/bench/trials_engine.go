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

// engineCommand runs this program as the engine that a local target starts. Its
// arguments are the model and the settings as flags.
const engineCommand = "trials-engine"

// handshakeFD is the file descriptor from which the target reads the addresses.
const handshakeFD = 3

// runEngineChild is the process of the engine. It exits when stdin ends, so also
// when its parent exits.
func runEngineChild(ctx context.Context, args []string, stdin io.Reader, _ io.Writer) error {
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
			eng, err := newTestEngine(cores)
			if err != nil {
				return nil, err
			}
			m, err := catalog.Open(ctx, args[0], catalog.Options{Probe: eng.backend})
			if err != nil {
				return nil, err
			}
			return eng.engine, eng.engine.Load(ctx, m, c)
		})
}

// settingsFrom parses settings in the flags that package local writes.
func settingsFrom(args []string) (knob.Config, error) {
	c := knob.Config{Settings: knob.Default(knob.TorchServe), Options: knob.Options{Rule: knob.TorchServe}}
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
