package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"sweetspot/engine"
	"sweetspot/engine/api/metrics"
	"sweetspot/engine/api/token"
	"sweetspot/engine/config"
	"sweetspot/engine/server"
)

// serveFlags are the flags of serve that TorchServe's config.properties has too.
type serveFlags struct {
	tsConfig           string
	listen, management string
	metricsAt          string
	grpc, grpcManage   string
	mode               metrics.Mode
	noTokens           bool
	pin                bool
	tokenLife          time.Duration // of config.properties; 0 is the default
	store              storeFlags
}

func (f *serveFlags) bind(fs *pflag.FlagSet) {
	fs.StringVar(&f.tsConfig, "ts-config", "", "config.properties of TorchServe: addresses, models, limits, tokens, TLS, CORS, gRPC; the other flags have priority")
	fs.StringVar(&f.listen, "listen", server.DefaultInference, "inference address")
	fs.StringVar(&f.management, "management", server.DefaultManagement, "management address")
	f.store.bind(fs)
	fs.StringVar(&f.metricsAt, "metrics", server.DefaultMetrics, "metrics address; empty is none")
	fs.StringVar(&f.grpc, "grpc", server.DefaultGRPC, "gRPC address for predictions; empty is none")
	fs.StringVar(&f.grpcManage, "grpc-management", server.DefaultGRPCManagement, "gRPC address for management; empty is none")
	fs.TextVar(&f.mode, "metrics-mode", metrics.Prometheus, "where metrics are: prometheus, legacy (three of them) or log (none there)")
	fs.BoolVar(&f.pin, "pin", false, "each worker has cores of its own, as many as --threads (Linux)")
	fs.BoolVar(&f.noTokens, "disable-token-auth", false, "do not require tokens")
}

// overrides returns the flags that were given, by the key of config.properties.
func (f *serveFlags) overrides(fs *pflag.FlagSet, b bodyFlags) map[string]config.Override {
	out := map[string]config.Override{}
	for flag, kv := range map[string][2]string{
		"listen": {"inference_address", withScheme(f.listen)}, "management": {"management_address", withScheme(f.management)},
		"metrics": {"metrics_address", withScheme(f.metricsAt)}, "model-store": {"model_store", f.store.dir}, "allowed-urls": {"allowed_urls", f.store.allowed},
		"metrics-mode": {"metrics_mode", f.mode.String()}, "disable-token-auth": {"disable_token_authorization", strconv.FormatBool(f.noTokens)},
		"enable-model-api": {"enable_model_api", strconv.FormatBool(f.store.modelAPI)}, "max-request-size": {"max_request_size", strconv.FormatInt(int64(b.maxRequest), 10)},
	} {
		if fs.Changed(flag) && !(flag == "metrics" && f.metricsAt == "") {
			out[kv[0]] = config.Override{Value: kv[1], From: "--" + flag}
		}
	}
	for flag, v := range map[string][3]string{
		"grpc": {f.grpc, "grpc_inference_address", "grpc_inference_port"}, "grpc-management": {f.grpcManage, "grpc_management_address", "grpc_management_port"},
	} {
		host, port, err := net.SplitHostPort(v[0])
		if n, noPort := strconv.Atoi(port); fs.Changed(flag) && err == nil && noPort == nil && n != 0 {
			out[v[1]], out[v[2]] = config.Override{Value: host, From: "--" + flag}, config.Override{Value: port, From: "--" + flag}
		}
	}
	return out
}

func withScheme(address string) string {
	if strings.Contains(address, "://") || strings.HasPrefix(address, "unix:") {
		return address
	}
	return "http://" + address
}

// configure reads config.properties, if there is one, into the flags and the configurations.
func (a *app) configure(fs *pflag.FlagSet, f *serveFlags, b *bodyFlags, ms *modelSettings, sc *server.Config) (err error) {
	if ms.file, ms.t, err = a.loadTSConfig(fs, f, *b, sc.Log); err != nil || ms.file == nil {
		return err
	}
	if err := f.apply(fs, ms.t, b, sc); err != nil {
		return err
	}
	if sc.MetricsWith, err = metricsOf(ms.file, ms.t.Metrics, sc.Log); err != nil {
		return err
	}
	ms.base.Pin = ms.base.Pin || ms.t.CPULauncher
	ms.snapshot, err = ms.file.Snapshot()
	return err
}

// loadTSConfig reads config.properties: that of TS_CONFIG_FILE, else of --ts-config. It returns nil
// if there is neither. Warnings are logged, and keys that have no effect.
func (a *app) loadTSConfig(fs *pflag.FlagSet, f *serveFlags, b bodyFlags, log *slog.Logger) (*config.File, config.TorchServe, error) {
	path := f.tsConfig
	if env := a.env.get("TS_CONFIG_FILE"); env != "" {
		path = env
	}
	if path == "" {
		return nil, config.TorchServe{}, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, config.TorchServe{}, err
	}
	file, err := config.Parse(path, data)
	if err != nil {
		return nil, config.TorchServe{}, err
	}
	getenv := func(name string) (string, bool) {
		v, ok := a.env.vars[name]
		return v, ok
	}
	if file, err = file.Resolve(getenv, f.overrides(fs, b)); err != nil {
		return nil, config.TorchServe{}, err
	}
	t, warnings, err := file.TorchServe()
	if err != nil {
		return nil, t, withHint("sweetspot check "+path, "%w", err)
	}
	for _, w := range append(warnings, file.Unused()...) {
		log.Warn(w)
	}
	return file, t, nil
}

// apply sets what the configuration says in the flags, the limits and the server. Flags that were
// given are in the configuration already.
func (f *serveFlags) apply(fs *pflag.FlagSet, t config.TorchServe, b *bodyFlags, sc *server.Config) error {
	setText(&f.listen, t.InferenceAddress)
	setText(&f.management, t.ManagementAddress)
	if !(fs.Changed("metrics") && f.metricsAt == "") {
		setText(&f.metricsAt, t.MetricsAddress)
	}
	if t.NoMetrics && !fs.Changed("metrics") {
		f.metricsAt = ""
	}
	f.applyGRPC(fs, t.GRPC, sc)
	if t.Mode != "" {
		if err := f.mode.UnmarshalText([]byte(t.Mode)); err != nil {
			return fmt.Errorf("metrics_mode: %w", err)
		}
	}
	setText(&f.store.dir, t.ModelStore)
	setText(&f.store.allowed, t.AllowedURLs)
	f.store.modelAPI = f.store.modelAPI || t.ModelAPI
	f.noTokens = f.noTokens || t.NoTokens
	f.tokenLife = time.Duration(t.TokenMinutes * float64(time.Minute))
	if t.MaxRequestSize > 0 {
		b.maxRequest = byteSize(t.MaxRequestSize)
	}
	sc.MaxResponseSize = int64(t.MaxResponseSize)
	sc.CORS = server.CORS{Origin: t.CORSOrigin, Methods: t.CORSMethods, Headers: t.CORSHeaders}
	if err := checkKeystore(t, f.listen, f.management, f.metricsAt); err != nil {
		return err
	}
	if t.Certificate != "" || t.PrivateKey != "" {
		var err error
		if sc.TLS, err = server.TLS(t.Certificate, t.PrivateKey); err != nil {
			return err
		}
	}
	return nil
}

// applyGRPC sets what the configuration says about gRPC. A flag whose address is no host:port
// wins.
func (f *serveFlags) applyGRPC(fs *pflag.FlagSet, t config.GRPC, sc *server.Config) {
	set := func(flag string, dst *string, host string, port int) {
		h, p, err := net.SplitHostPort(*dst)
		if n, noPort := strconv.Atoi(p); err != nil || fs.Changed(flag) && (noPort != nil || n == 0) {
			return
		}
		if port != 0 {
			p = strconv.Itoa(port)
		}
		*dst = net.JoinHostPort(cmp.Or(host, h), p)
	}
	set("grpc", &f.grpc, t.GRPCInferenceHost, t.GRPCInferencePort)
	set("grpc-management", &f.grpcManage, t.GRPCManagementHost, t.GRPCManagementPort)
	age := func(a config.Age) server.Age {
		ms := func(n int) time.Duration {
			return time.Duration(min(n, math.MaxInt64/int(time.Millisecond))) * time.Millisecond
		}
		return server.Age{Max: ms(a.Max), Grace: ms(a.Grace)}
	}
	sc.GRPC = server.GRPC{Secure: t.GRPCSecure, InferenceAge: age(t.GRPCInferenceAge), ManagementAge: age(t.GRPCManagementAge)}
}

func setText(dst *string, value string) {
	if value != "" {
		*dst = value
	}
}

// tokens returns the keys of the server; nil if none are needed.
func (f *serveFlags) tokens() (*token.Tokens, error) {
	if f.noTokens {
		return nil, nil
	}
	return token.New("", f.tokenLife)
}

// startModels returns the models to serve: those of the command line, else those of the snapshot
// or of load_models.
func (s modelSettings) startModels(args []string, dir string) ([]string, error) {
	if len(args) > 0 || s.file == nil {
		return args, nil
	}
	var out []string
	find := func(name, file string) error {
		arg, err := storeArg(dir, name, file)
		out = append(out, arg)
		return err
	}
	for _, v := range s.snapshot {
		if err := find(v.Name, v.MarName); err != nil {
			return nil, fmt.Errorf("%s: %w", s.file.From("model_snapshot"), err)
		}
	}
	if len(s.snapshot) > 0 {
		return out, nil
	}
	loads := s.t.LoadModels
	if s.t.LoadAll {
		files, err := store{dir}.Archives()
		if err != nil {
			return nil, fmt.Errorf("%s: load_models=all: %w", s.file.From("load_models"), err)
		}
		for _, file := range files {
			loads = append(loads, config.Load{File: file})
		}
	}
	for _, l := range loads {
		if err := find(l.Name, l.File); err != nil {
			return nil, fmt.Errorf("%s: %w", s.file.From("load_models"), err)
		}
	}
	return out, nil
}

// storeArg returns MODEL for a file of the model store. URLs are not loaded at the start.
func storeArg(dir, name, file string) (string, error) {
	switch {
	case strings.Contains(file, "://"):
		return "", fmt.Errorf("%s: a URL is not loaded at the start: copy the archive to the model store", file)
	case strings.HasPrefix(file, "builtin:"), strings.HasPrefix(file, "sim:"):
	case dir == "":
		return "", errors.New("there is no model_store")
	case filepath.IsAbs(file):
	case !filepath.IsLocal(file):
		return "", fmt.Errorf("%s leads out of the model store", file)
	default:
		file = filepath.Join(dir, file)
	}
	if name != "" {
		file = name + "=" + file
	}
	return file, nil
}

// setDefaults makes the default versions of a snapshot those of the engine.
func (s modelSettings) setDefaults(e *engine.Engine) error {
	for _, v := range s.snapshot {
		if v.Default {
			if err := e.SetDefault(v.Name, v.Version); err != nil {
				return err
			}
		}
	}
	return nil
}
