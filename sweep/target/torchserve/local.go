package torchserve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/archive"
	"sweetspot/engine/config"
	"sweetspot/engine/knob"
	"sweetspot/sweep/target/process"
)

// Local says which TorchServe Start starts.
type Local struct {
	Program    string // path of torchserve
	Archive    string // file or folder of the model
	Start      knob.Settings
	Supervisor []string // the command line of a process that calls process.Supervise
	Env        []string
	Log        io.Writer // gets its output; nil for no log
}

// localServer is a server that Start has started, or starts again.
type localServer struct {
	Local
	manifest archive.Manifest
	cfg      Config // without addresses and tokens
}

// Times of a start.
const (
	startWithin = 3 * time.Minute // loading a large model takes its time
	maxStarts   = 3               // if a port that was free is taken
)

// Start starts a TorchServe with one model on free ports of this machine, in a temporary folder of its own for everything that it
// writes, and opens it. It has tokens, because its model API can run programs. Close ends it with all its
// processes; if this process is killed, its supervisor does so.
func Start(ctx context.Context, c Config, l Local) (*Target, error) {
	if len(c.Bodies) == 0 {
		return nil, complete(&c)
	}
	var err error
	if l.Archive, err = filepath.Abs(l.Archive); err != nil {
		return nil, err
	}
	a, err := archive.Open(l.Archive, archive.Limits{})
	if err != nil {
		return nil, err
	}
	t := &Target{local: &localServer{Local: l, manifest: a.Manifest, cfg: c}}
	if m := &t.local.manifest.Model; m.Name == "" {
		m.Name, _, _ = strings.Cut(filepath.Base(l.Archive), ".")
	}
	if err := t.start(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

// start starts the server and connects to it.
func (t *Target) start(ctx context.Context) error {
	for n := 1; ; n++ {
		c, p, err := t.local.start(ctx)
		failure, ok := errors.AsType[*process.StartError](err)
		if ok && failure.Kind == process.PortTaken && n < maxStarts {
			continue
		}
		if err != nil {
			return err
		}
		t.process = p
		if err = t.connect(ctx, c); err == nil {
			return nil
		}
		if p.Ends(true) {
			err = p.Failure("before its first answer")
		}
		t.stopLocal()
		return err
	}
}

// stopLocal ends the server of Start.
func (t *Target) stopLocal() {
	if t.process != nil {
		t.process.Stop()
		t.process = nil
	}
}

// hasEnded reports whether the server of Start has ended. With broken it waits a moment for its end.
func (t *Target) hasEnded(broken bool) bool { return t.process != nil && t.process.Ends(broken) }

// revive starts the server of Start again, with the settings in force, if it has ended. No load runs.
func (t *Target) revive(ctx context.Context) error {
	if t.local == nil || t.process != nil && !t.process.HasEnded() {
		return nil
	}
	ended := t.servers
	t.disconnect()
	if err := t.start(ctx); err != nil {
		t.servers, t.metrics = ended, nil // Info still describes them
		return err
	}
	return t.apply(ctx, ended.now().settings())
}

// ensureRunning is revive before a load.
func (t *Target) ensureRunning(ctx context.Context) error {
	if t.local == nil {
		return nil
	}
	return t.gate.Change(func() error { return t.revive(ctx) })
}

// start starts the server and waits until the model is ready.
func (l *localServer) start(ctx context.Context) (Config, *process.Process, error) {
	c := l.cfg
	folder, err := tempFolder()
	if err != nil {
		return c, nil, err
	}
	addresses, text, err := l.properties()
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "config.properties"), []byte(text), 0o600)
	}
	if err == nil {
		err = os.Mkdir(filepath.Join(folder, "logs"), 0o700)
	}
	if err != nil {
		return c, nil, errors.Join(err, os.RemoveAll(folder))
	}
	p, err := process.Start(process.Config{
		Supervisor: l.Supervisor, Folder: folder, Dir: folder, Env: l.environment(folder), Log: l.Log,
		Argv: []string{
			l.Program, "--start", "--foreground", "--ncs", "--enable-model-api",
			"--ts-config", filepath.Join(folder, "config.properties"), "--model-store", filepath.Dir(l.Archive),
		},
	})
	if err != nil {
		return c, nil, errors.Join(err, os.RemoveAll(folder))
	}
	c.Inference, c.Management, c.Metrics = addresses[0], addresses[1:2], []string{filepath.Join(folder, "logs")}
	c.Model, c.RestoreFiles = l.manifest.Model.Name, nil
	if err := l.waitReady(ctx, p, &c, folder); err != nil {
		p.Stop()
		return c, nil, err
	}
	return c, p, nil
}

// The worker's socket is in the folder, and a path of a socket has at most 107 bytes.
const (
	socketName    = "/.ts.sock.9999999"
	maxSocketPath = 107
)

// tempFolder makes the folder of a server: in /tmp if that of the system has a long name.
func tempFolder() (string, error) {
	const pattern = "sweetspot-torchserve-*"
	dir := os.TempDir()
	if len(dir)+len(pattern)+len("1234567890")+len(socketName) > maxSocketPath && runtime.GOOS != "windows" {
		dir = "/tmp"
	}
	return os.MkdirTemp(dir, pattern)
}

// properties returns the inference, management and metrics addresses and the config.properties of a server on free ports.
func (l *localServer) properties() (addresses []string, text string, err error) {
	ports, err := freePorts(5)
	if err != nil {
		return nil, "", err
	}
	var f config.File
	for i, key := range []string{"inference_address", "management_address", "metrics_address"} {
		addresses = append(addresses, fmt.Sprintf("http://127.0.0.1:%d", ports[i]))
		f.Set(key, addresses[i])
	}
	m, s, file := l.manifest.Model, l.Start, filepath.Base(l.Archive)
	if strings.ContainsAny(file, ",=") {
		return nil, "", fmt.Errorf("%s: TorchServe does not load an archive with a comma or an equals sign in its name: rename it", file)
	}
	version := m.Version
	if version == "" {
		version = "1.0" // as in TorchServe
	}
	models, err := json.Marshal(map[string]any{m.Name: map[string]any{version: map[string]int{
		"minWorkers": s.Workers, "maxWorkers": s.Workers, "batchSize": s.BatchSize, "maxBatchDelay": max(1, int(s.BatchDelay/time.Millisecond)),
	}}})
	if err != nil {
		return nil, "", err
	}
	f.Set("grpc_inference_port", strconv.Itoa(ports[3]))
	f.Set("grpc_management_port", strconv.Itoa(ports[4]))
	f.Set("load_models", m.Name+"="+file)
	f.Set("models", string(models))
	f.Set("job_queue_size", strconv.Itoa(s.QueueSize))
	f.Set("token_expiration_min", strconv.Itoa(int(tokenTime/time.Minute)))
	if s.Device == "cpu" {
		f.Set("number_of_gpu", "0")
	}
	return addresses, string(f.Encode()), nil
}

// tokenTime is how long the tokens of a server are valid: longer than any sweep.
const tokenTime = 365 * 24 * time.Hour

// environment returns the environment of the server. TorchServe reads the named variables whatever its flags and files say.
func (l *localServer) environment(folder string) []string {
	env := slices.DeleteFunc(slices.Clone(l.Env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"TS_CONFIG_FILE", "TS_MODEL_SERVER_HOME", "TEMP", "TMPDIR", "LOG_LOCATION", "METRICS_LOCATION", "PATH"}, name)
	})
	path := []string{filepath.Dir(l.Program)}
	for _, v := range l.Env {
		if old, ok := strings.CutPrefix(v, "PATH="); ok {
			path = append(path, old)
		}
	}
	logs := filepath.Join(folder, "logs")
	return append(env, "PATH="+strings.Join(path, string(os.PathListSeparator)), "TEMP="+folder, "TMPDIR="+folder, "LOG_LOCATION="+logs, "METRICS_LOCATION="+logs)
}

// waitReady waits until the tokens are written and the workers of the model are ready, and sets the tokens.
func (l *localServer) waitReady(ctx context.Context, p *process.Process, c *Config, folder string) error {
	failed := errors.New("not ready")
	for begin := time.Now(); ; {
		err := readKeys(filepath.Join(folder, "key_file.json"), c)
		if err == nil {
			var d description
			if d, err = newClient(*c, c.Management[0]).describe(ctx, c.Model, ""); err == nil && d.ready() {
				return nil
			}
		}
		why := loadFailure(filepath.Join(folder, "logs"))
		select {
		case <-p.Done():
			return p.Failure("before it was ready")
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pollTime):
		}
		switch {
		case why != nil:
			return &process.StartError{Kind: process.Crashed, How: "the worker of the model ended while it loaded the model", Lines: why}
		case time.Since(begin) > startWithin:
			return &process.StartError{Kind: process.NeverReady, How: fmt.Sprintf("not ready within %v: %v", startWithin, errors.Join(failed, err)), Lines: p.LastLines()}
		}
	}
}

// exception is the line of an exception in a traceback of Python.
var exception = regexp.MustCompile(`^[\w.]*(Error|Exception)\b`)

// loadFailure returns the exceptions of a worker that could not load the model, else its last lines; nil if there is none. TorchServe hides
// the first exception of a handler behind another one.
func loadFailure(logs string) []string {
	text, err := os.ReadFile(filepath.Join(logs, "ts_log.log"))
	if err != nil || !bytes.Contains(text, []byte("Backend worker process died")) && !bytes.Contains(text, []byte("Load model failed")) {
		return nil
	}
	text, _ = os.ReadFile(filepath.Join(logs, "model_log.log"))
	lines, exceptions := []string{}, []string(nil)
	for line := range strings.Lines(string(text)) {
		_, message, ok := strings.Cut(line, "MODEL_LOG - ")
		message = strings.TrimSpace(message)
		switch {
		case !ok:
		case exception.MatchString(message) && !slices.Contains(exceptions, message):
			exceptions = append(exceptions, message)
		default:
			lines = append(lines, message)
		}
	}
	if exceptions != nil {
		lines = exceptions
	}
	return lines[max(0, len(lines)-20):]
}

// freePorts returns free ports of the loopback interface. All are held until all are known, so that no two are equal.
func freePorts(n int) ([]int, error) {
	var out []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		out = append(out, l.Addr().(*net.TCPAddr).Port)
	}
	return out, nil
}
