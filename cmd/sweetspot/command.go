package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/target/command"
	"sweetspot/sweep/target/process"
	"sweetspot/sweep/target/torchserve"
)

// openCommand starts the server of a plan.
func (a *app) openCommand(ctx context.Context, p plan.Plan, start knob.Config) (sweep.Target, error) {
	c := a.commandConfig(p, start)
	var err error
	if c.Bodies, err = readBodies(p.Input, p.ContentType); err != nil {
		return nil, err
	}
	log, _ := a.logFile()
	if log != nil {
		c.Log = log
	}
	if a.verbose {
		c.Log = a.err
	}
	a.secrets.addTarget(torchserve.Config{}, p)
	t, err := command.Open(ctx, c)
	if err != nil {
		if log != nil {
			log.Close()
		}
		return nil, err // not t: an interface with a nil *Target is not nil
	}
	return t, nil
}

// commandConfig returns how the server of a plan is started, without requests.
func (a *app) commandConfig(p plan.Plan, start knob.Config) command.Config {
	return command.Config{
		Plan: p, Supervisor: []string{a.self, "supervise"}, Env: a.env.all, Start: start.Settings, Cores: a.limits().Cores,
	}
}

// superviseCommand is the command of the process that runs the server of a plan. It is hidden, because
// only the target starts it.
func (a *app) superviseCommand() *cobra.Command {
	return &cobra.Command{
		Use: "supervise FOLDER COMMAND...", Short: "run the server of a plan until stdin ends", Hidden: true, DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			reports := os.NewFile(handshakeFD, "reports")
			if info, err := reports.Stat(); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
				return errors.New("supervise is started by sweetspot itself; a plan with the key server starts a server")
			}
			return process.Supervise(c.Context(), a.in, reports, args)
		},
	}
}
