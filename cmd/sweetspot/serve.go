package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"sweetspot/engine"
	"sweetspot/engine/api/metrics"
	"sweetspot/engine/api/token"
	"sweetspot/engine/knob"
	"sweetspot/engine/server"
)

// serveCommand serves models with the API of TorchServe until a signal.
func (a *app) serveCommand() *cobra.Command {
	var (
		f                  settingsFlags
		b                  bodyFlags
		open               modelFlags
		store              storeFlags
		listen, management string
		metricsAt          string
		mode               metrics.Mode
		noTokens           bool
	)
	c := &cobra.Command{
		Use:   "serve [[NAME=]MODEL...]",
		Short: "serve models with the API of TorchServe",
		Long: `serve has the inference API of TorchServe on 127.0.0.1:8080, its management API and the
control API on 127.0.0.1:8081, and metrics for Prometheus on 127.0.0.1:8082, until Ctrl-C. Tokens
are required, as in TorchServe: the keys are in key_file.json in the current folder. With
--enable-model-api requests may register models of --model-store.`,
		Example: `  sweetspot serve model.onnx --workers 2 --batch-size 8 --batch-delay 10ms
  sweetspot serve builtin:resnet18 --disable-token-auth
  curl -T photo.jpg http://127.0.0.1:8080/predictions/resnet18`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 && !store.modelAPI {
				return withHint("name a MODEL, or let requests register some: --enable-model-api", "no model to serve")
			}
			cfg, err := f.config(c.Flags())
			if err != nil {
				return err
			}
			log := a.logger()
			h := &host{}
			sc := server.Config{
				Inference: listen, Management: management, Metrics: metricsAt, MetricsMode: mode,
				Host: h.describe(args, a.limits()), MaxRequestSize: int64(b.maxRequest), Log: log,
			}
			var o *opener
			if sc.Models, o, err = store.config(cfg); err != nil {
				return err
			}
			if !noTokens {
				if sc.Tokens, err = token.New("", 0); err != nil {
					return err
				}
				defer sc.Tokens.Close()
			}
			return a.serve(c, h, sc, o, args, open, b, cfg, log)
		},
	}
	f.bind(c.Flags(), knob.Eager)
	b.bind(c.Flags())
	open.bind(c.Flags())
	open.bindInput(c.Flags())
	a.bindVerbose(c.Flags())
	c.Flags().StringVar(&listen, "listen", server.DefaultInference, "inference address")
	c.Flags().StringVar(&management, "management", server.DefaultManagement, "management address")
	store.bind(c.Flags())
	c.Flags().StringVar(&metricsAt, "metrics", server.DefaultMetrics, "metrics address; empty is none")
	c.Flags().TextVar(&mode, "metrics-mode", metrics.Prometheus, "where metrics are: prometheus, legacy (three of them) or log (none there)")
	c.Flags().BoolVar(&noTokens, "disable-token-auth", false, "do not require tokens")
	return c
}

// serve binds the addresses before it loads models, so that a port in use is reported at
// once.
func (a *app) serve(c *cobra.Command, h *host, sc server.Config, o *opener, models []string, open modelFlags, b bodyFlags, cfg knob.Config, log *slog.Logger) error {
	ctx := c.Context()
	e, probe, err := a.newEngine(h, o.backendsFor(sc, models), log)
	if err != nil {
		return err
	}
	if o.store.Options, err = open.options(); err != nil {
		return err
	}
	o.store.Options.Probe = probe
	defer e.Close(context.WithoutCancel(ctx)) //nolint:errcheck // all requests are answered then
	s, err := server.Open(sc, e)
	if err != nil {
		return err
	}
	if err := a.loadInto(ctx, e, probe, models, open, b, cfg, log); err != nil {
		return errors.Join(err, s.Close())
	}
	if err := a.reportPrecision(ctx, e, cfg); err != nil {
		return errors.Join(err, s.Close())
	}
	at := s.Addrs()
	metricsText := ""
	if at.Metrics != "" {
		metricsText = ", metrics http://" + at.Metrics
	}
	fmt.Fprintf(a.err, "inference http://%s, management http://%s%s, %s rule; Ctrl-C to stop\n", at.Inference, at.Management, metricsText, cfg.Rule)
	return s.Run(ctx)
}

// reportPrecision writes for each model how far its FP16 outputs agree with those of FP32.
func (a *app) reportPrecision(ctx context.Context, e *engine.Engine, cfg knob.Config) error {
	if cfg.Precision != knob.HalfPrecision {
		return nil
	}
	for _, s := range e.Services() {
		name := s.Model().Name
		switch found, err := s.CheckPrecision(ctx); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			fmt.Fprintf(a.err, "%s: %v\n", name, err)
		case found.Samples == 0:
			fmt.Fprintf(a.err, "%s: fp16 was not compared with fp32: the model has no tensors\n", name)
		case found.All():
			fmt.Fprintf(a.err, "%s: %s\n", name, found)
		default:
			fmt.Fprintf(a.err, "warning: %s: %s; its answers are wrong in fp16: serve it with --precision fp32\n", name, found)
		}
	}
	return nil
}
