package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/server"
)

// serveCommand serves models with the API of TorchServe until a signal.
func (a *app) serveCommand() *cobra.Command {
	var (
		f    settingsFlags
		b    bodyFlags
		open modelFlags
		v    serveFlags
	)
	c := &cobra.Command{
		Use:   "serve [[NAME=]MODEL...]",
		Short: "serve models with the API of TorchServe",
		Long: `serve has the inference API of TorchServe on 127.0.0.1:8080, its management API and the
control API on 127.0.0.1:8081, metrics for Prometheus on 127.0.0.1:8082, and its gRPC APIs and that
of the Open Inference Protocol on 127.0.0.1:7070 and 7071, until Ctrl-C. Tokens are required, as in TorchServe: the keys are in key_file.json in the current folder. With
--enable-model-api requests may register models of --model-store.`,
		Example: `  sweetspot serve model.onnx --workers 2 --batch-size 8 --batch-delay 10ms
  sweetspot serve builtin:resnet18 --disable-token-auth
  sweetspot serve model.onnx --handler image_classifier --labels index_to_name.json
  sweetspot serve --ts-config config.properties
  curl -T photo.jpg http://127.0.0.1:8080/predictions/resnet18`,
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := f.config(c.Flags())
			if err != nil {
				return err
			}
			cfg.Pin = v.pin
			log, closeLog, err := a.serveLog()
			if err != nil {
				return err
			}
			defer closeLog()
			ms := modelSettings{base: cfg, given: f.given(c.Flags()), cores: a.limits().Cores}
			sc := server.Config{Version: version, Log: log, AccessLog: a.env.get("LOG_LOCATION")}
			if err := a.configure(c.Flags(), &v, &b, &ms, &sc); err != nil {
				return err
			}
			if args, err = ms.startModels(args, v.store.dir); err != nil {
				return err
			}
			if len(args) == 0 && !v.store.modelAPI {
				return withHint("name a MODEL, or let requests register some: --enable-model-api", "no model to serve")
			}
			a.useGPUs(c.Context(), cfg, ms.t.NumberOfGPU)
			ms.onGPU = !slices.Contains(ms.given, knob.Device)
			if ms.onGPU && a.gpus.Why() == "" {
				ms.base.Device = "gpu"
			}
			ms.base.Workers = ms.startWorkers(a.gpus.Devices, len(args))
			h := &host{}
			sc.Inference, sc.Management, sc.Metrics, sc.MetricsMode = v.listen, v.management, v.metricsAt, v.mode
			sc.MetricsOptional = v.metricsAt == server.DefaultMetrics && !c.Flags().Changed("metrics")
			sc.GRPC.Inference, sc.GRPC.Management = v.grpc, v.grpcManage
			sc.GRPC.InferenceOptional = v.grpc == server.DefaultGRPC && !c.Flags().Changed("grpc")
			sc.GRPC.ManagementOptional = v.grpcManage == server.DefaultGRPCManagement && !c.Flags().Changed("grpc-management")
			sc.MetricsLog = a.env.get("METRICS_LOCATION") // as in TorchServe
			sc.Host, sc.MaxRequestSize = h.describe(args, a.limits()), int64(b.maxRequest)
			var o *opener
			if sc.Models, o, err = v.store.config(ms); err != nil {
				return err
			}
			if sc.Tokens, err = v.tokens(); err != nil {
				return err
			}
			if sc.Tokens != nil {
				defer sc.Tokens.Close()
			}
			return a.serve(c, h, sc, o, args, open, b, ms, log)
		},
	}
	f.bind(c.Flags(), knob.Eager)
	b.bind(c.Flags())
	open.bind(c.Flags())
	open.bindInput(c.Flags())
	a.bindVerbose(c.Flags())
	a.bindPython(c.Flags())
	v.bind(c.Flags())
	return c
}

// serve binds the addresses before it loads models, so that a port in use is reported at
// once.
func (a *app) serve(c *cobra.Command, h *host, sc server.Config, o *opener, models []string, open modelFlags, b bodyFlags, ms modelSettings, log *slog.Logger) error {
	ctx, cfg := c.Context(), ms.base
	e, backends, err := a.newEngine(ctx, h, o.backendsFor(sc, models), log)
	if err != nil {
		return err
	}
	if o.store.Options, err = open.options(); err != nil {
		return err
	}
	o.store.Options.Handlers = withEnvelope(o.store.Options.Handlers, ms.t.Envelope)
	if o.store.Options.Images, err = parseImage(b.image); err != nil {
		return err
	}
	o.store.Options.Probe, o.store.Options.Python, o.store.Options.Unpack = backends.probe, backends.python, a.env.archiveCache()
	defer e.Close(context.WithoutCancel(ctx)) //nolint:errcheck // all requests are answered then
	s, err := server.Open(sc, e)
	if err != nil {
		return err
	}
	if err := a.loadInto(ctx, e, backends, models, open, b, ms, log); err != nil {
		return errors.Join(err, s.Close())
	}
	if err := a.reportPrecision(ctx, e, cfg); err != nil {
		return errors.Join(err, s.Close())
	}
	if err := ms.setDefaults(e); err != nil {
		return errors.Join(err, s.Close())
	}
	at := s.URLs()
	var others strings.Builder
	for _, o := range [][2]string{{"metrics", at.Metrics}, {"gRPC", at.GRPC}, {"gRPC management", at.GRPCManagement}} {
		if o[1] != "" {
			others.WriteString(", " + o[0] + " " + o[1])
		}
	}
	fmt.Fprintf(a.err, "inference %s, management %s%s, %s rule; Ctrl-C to stop\n", at.Inference, at.Management, others.String(), cfg.Rule)
	w := snapshots{dir: sc.AccessLog, store: o.store.Dir, file: ms.file, t: ms.t, engine: e, log: log}
	return w.during(func() error { return s.Run(ctx) })
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
