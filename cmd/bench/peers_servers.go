package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/target/command"
	"sweetspot/sweep/target/local"
	"sweetspot/sweep/target/torchserve"
	"sweetspot/sweep/trial"
)

//go:embed testdata/peers/*.py
var peerFiles embed.FS

// peersVariable is another folder than the one in the user's cache, where `make peers` installs the
// servers in Python.
const peersVariable = "SWEETSPOT_PEERS"

// peerServers are this program, then the peers.
func peerServers(b peersBudget) []peerServer {
	const maxBatch, wait, latency = "max_batch_size", "wait_ms", "max_latency_ms"
	batches := func(other knob.Name, values string) map[knob.Name]string {
		return map[knob.Name]string{knob.Workers: b.workers, maxBatch: b.batch, other: values}
	}
	environ := func(other string, name knob.Name) map[string]string {
		return map[string]string{"WORKERS": "{workers}", "MAX_BATCH_SIZE": "{" + maxBatch + "}", other: "{" + string(name) + "}"}
	}
	return []peerServer{
		ourServer{},
		torchServePeer{},
		pythonPeer{
			"litserve", "/predict",
			[]string{"python", "litserve_server.py", "{port}"},
			environ("WAIT_MS", wait), batches(wait, b.waitMS),
		},
		pythonPeer{
			"mosec", "/inference",
			[]string{"python", "mosec_server.py", "--address", "127.0.0.1", "--port", "{port}", "--log-level", "warning"},
			environ("WAIT_MS", wait), batches(wait, b.waitMS),
		},
		pythonPeer{
			"bentoml", "/predict",
			[]string{"bentoml", "serve", "bentoml_server:Model", "--host", "127.0.0.1", "--port", "{port}"},
			environ("MAX_LATENCY_MS", latency), batches(latency, b.latencyMS),
		},
	}
}

// pythonPeer is a server in Python, in the virtual environment of `make peers`.
type pythonPeer struct {
	packageName string
	path        string            // of its predictions
	command     []string          // with placeholders; the first word is a program of the environment
	environ     map[string]string // with placeholders
	knobs       map[knob.Name]string
}

func (p pythonPeer) name() string { return p.packageName }

// peersFolder is the folder of the virtual environment.
func peersFolder() string {
	if dir := os.Getenv(peersVariable); dir != "" {
		return dir
	}
	cache, _ := os.UserCacheDir() // without it, the variable says where it is
	return filepath.Join(cache, "sweetspot", "peers")
}

func (p pythonPeer) find(ctx context.Context) (string, error) {
	v, err := packageVersion(ctx, peersFolder(), p.packageName)
	if err != nil {
		return "", errors.New("not installed: make peers installs it")
	}
	return v, nil
}

// packageVersion asks a virtual environment for the version of a package.
func packageVersion(ctx context.Context, venv, name string) (string, error) {
	const ask = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
	out, err := exec.CommandContext(ctx, filepath.Join(venv, "bin", "python"), "-c", ask, name).Output()
	return strings.TrimSpace(string(out)), err
}

// baseEnv are the variables of the servers in Python.
func (p pythonPeer) baseEnv(s *peerSet) []string {
	bin := filepath.Join(peersFolder(), "bin")
	return append(os.Environ(),
		"MODEL="+s.model.onnx, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "PYTHONPATH="+s.dir, "PYTHONDONTWRITEBYTECODE=1",
		"BENTOML_HOME="+filepath.Join(s.dir, "bentoml"), "BENTOML_DO_NOT_TRACK=True",
	)
}

// argv is the command line, with placeholders.
func (p pythonPeer) argv(s *peerSet) []string {
	out := slices.Clone(p.command)
	out[0] = filepath.Join(peersFolder(), "bin", out[0])
	for i, word := range out {
		if strings.HasSuffix(word, ".py") {
			out[i] = filepath.Join(s.dir, word)
		}
	}
	return out
}

// peerStart is the longest time until a server answers.
const peerStart = time.Minute

func (p pythonPeer) tune(ctx context.Context, s *peerSet) (tuning, error) {
	of := peersPlan("", "auto", s.budget.sweep, s.e.seed)
	of.Target, of.Knobs, of.Options = plan.Command, p.knobs, knob.Options{}
	of.Server = &plan.Server{
		Command: p.argv(s), Env: p.environ, Ready: plan.Ready{Within: peerStart}, Request: plan.Request{URL: "http://127.0.0.1:{port}" + p.path},
	}
	t, err := command.Open(ctx, command.Config{
		Plan: of, Supervisor: []string{s.e.self, superviseCommand}, Env: p.baseEnv(s), Bodies: s.bodies, Cores: s.e.cores,
	})
	if err != nil {
		return tuning{}, err
	}
	return sweepTarget(ctx, of, t)
}

// tuning is the result of a sweep of one server.
type tuning struct {
	settings *knob.Settings // nil: none could be measured
	note     string         // what is to be known about them
}

// sweepTarget sweeps a target and closes it.
func sweepTarget(ctx context.Context, p plan.Plan, t sweep.Target) (tuning, error) {
	st, _, err := sweepAll(ctx, p, t)
	if err = errors.Join(err, t.Close(context.WithoutCancel(ctx))); err != nil {
		return tuning{}, err
	}
	if st.Choice != nil {
		return tuning{settings: &st.Choice.Settings, note: fmt.Sprintf("chosen in %d trials", len(st.Trials))}, nil
	}
	return withoutChoice(st.Trials, p.SLA.Limit), nil
}

// withoutChoice returns the settings that are measured if a sweep has no choice: those with the highest rate whose P99 was within
// the limit, else those with the lowest P99.
func withoutChoice(all []trial.Trial, limit time.Duration) tuning {
	ms := float64(limit) / float64(time.Millisecond)
	best, why := -1, ""
	p99 := func(i int) float64 { return all[i].Latency.P99.Value.Or(math.Inf(1)) }
	rate := func(i int) float64 { return all[i].Throughput.Value.Or(0) }
	for i, t := range all {
		switch {
		case t.Error != "":
			why = t.Error
		case best < 0, p99(i) <= ms && (p99(best) > ms || rate(i) > rate(best)), p99(best) > ms && p99(i) < p99(best):
			best = i
		}
	}
	if best < 0 {
		return tuning{note: fmt.Sprintf("none of %d trials could be measured: %s", len(all), why)}
	}
	return tuning{&all[best].Settings, fmt.Sprintf("no setting certainly kept the promise in %d trials", len(all))}
}

func (p pythonPeer) start(ctx context.Context, s *peerSet, k knob.Settings) (*comparedServer, func() error, error) {
	ports, err := freePorts(1)
	if err != nil {
		return nil, nil, err
	}
	values := map[string]string{plan.Port: strconv.Itoa(ports[0])}
	for n := range p.knobs {
		values[string(n)] = k.Get(n)
	}
	var argv []string
	for _, word := range p.argv(s) {
		argv = append(argv, plan.Fill(word, values))
	}
	environ := p.baseEnv(s)
	for _, n := range slices.Sorted(maps.Keys(p.environ)) {
		environ = append(environ, n+"="+plan.Fill(p.environ[n], values))
	}
	dir := filepath.Join(s.dir, p.packageName)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	server, err := startSupervised(s.e, dir, argv, environ)
	if err != nil {
		return nil, nil, err
	}
	at := "http://127.0.0.1:" + values[plan.Port] + p.path
	err = server.wait(ctx, 100*time.Millisecond, peerStart, func(ctx context.Context) error { return postJSON(ctx, at, s.bodies[0].Data) })
	var c *comparedServer
	if err == nil {
		c, err = newComparedServer(p.packageName, server.pid(), at, s.bodies)
	}
	stop := func() error { server.stop(); return nil }
	if err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return c, stop, nil
}

// postJSON sends one request, whose answer must be 200.
func postJSON(ctx context.Context, at string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 200))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %q", res.Status, text)
	}
	return err
}

// batchOfOne converts the bytes of an FP32 input to a JSON object with a batch of one, which all servers take.
func batchOfOne(raw []byte, input string) ([]byte, error) {
	if len(raw)%4 != 0 {
		return nil, fmt.Errorf("%d bytes are no FP32 numbers", len(raw))
	}
	row := make([]float32, len(raw)/4)
	for i := range row {
		row[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return json.Marshal(map[string][][]float32{input: {row}})
}

// ourServer is this program with its eager rule, the default of sweetspot serve.
type ourServer struct{}

func (ourServer) name() string                         { return "this program" }
func (ourServer) find(context.Context) (string, error) { return "", nil }

func (ourServer) tune(ctx context.Context, s *peerSet) (tuning, error) {
	of := peersPlan(s.model.onnx, "auto", s.budget.sweep, s.e.seed)
	of.Options = knob.Options{Rule: knob.Eager}
	of.Knobs = map[knob.Name]string{knob.Workers: s.budget.workers, knob.BatchSize: s.budget.batch, knob.BatchDelay: s.budget.waitMS}
	t, err := local.Start(ctx, local.Config{
		Command: []string{s.e.self, engineCommand, s.model.onnx}, Env: os.Environ(), Log: s.e.stderr, Seed: s.e.seed, Bodies: s.bodies,
		Start: knob.Config{Settings: knob.Default(knob.Eager), Options: of.Options},
	})
	if err != nil {
		return tuning{}, err
	}
	return sweepTarget(ctx, of, t)
}

func (ourServer) start(ctx context.Context, s *peerSet, k knob.Settings) (*comparedServer, func() error, error) {
	engine := &modelServer{}
	var ready archiveReady
	var err error
	if engine.child, err = s.e.startChild(ctx, archiveServer, &ready, s.model.archive, filepath.Join(s.dir, "unpacked"), knob.Eager.String()); err != nil {
		return nil, nil, err
	}
	engine.modelServerAddrs = ready.modelServerAddrs
	err = engine.apply(ctx, s.model.name, k)
	var c *comparedServer
	if err == nil {
		c, err = newComparedServer("this program", engine.cmd.Process.Pid, "http://"+ready.Predict+"/predictions/"+s.model.name, s.bodies)
	}
	if err != nil {
		return nil, nil, engine.stop(err)
	}
	return c, func() error { return engine.stop(nil) }, nil
}

// torchServePeer is TorchServe, with the archive of the model.
type torchServePeer struct{}

func (torchServePeer) name() string { return "torchserve" }

func (torchServePeer) folder() (string, error) {
	cache, _ := os.UserCacheDir() // without it, the variable says where it is
	return findTorchServe(os.Getenv, cache)
}

func (t torchServePeer) find(ctx context.Context) (string, error) {
	dir, err := t.folder()
	if err != nil {
		return "", err
	}
	return packageVersion(ctx, dir, "torchserve")
}

// open starts a TorchServe with the model, and the target for it.
func (t torchServePeer) open(ctx context.Context, s *peerSet) (*torchServe, *torchserve.Target, error) {
	venv, err := t.folder()
	if err != nil {
		return nil, nil, err
	}
	server, err := startTorchServe(ctx, s.e, venv, s.dir, fmt.Sprintf("job_queue_size=%d\n", serverQueue), 200*time.Millisecond)
	if err != nil {
		return nil, nil, err
	}
	first := knob.Default(knob.TorchServe)
	first.BatchSize, first.BatchDelay = 8, time.Millisecond
	err = server.register(ctx, s.model.archive, s.model.name, first)
	var target *torchserve.Target
	if err == nil {
		target, err = torchserve.Open(ctx, torchserve.Config{
			Management: []string{server.management}, Inference: server.inference, Model: s.model.name, Bodies: s.bodies, Seed: s.e.seed, Cores: s.e.cores,
		})
	}
	if err != nil {
		return nil, nil, errors.Join(err, server.close())
	}
	return server, target, nil
}

func (t torchServePeer) tune(ctx context.Context, s *peerSet) (k tuning, err error) {
	server, target, err := t.open(ctx, s)
	if err != nil {
		return tuning{}, err
	}
	defer func() { err = errors.Join(err, server.close()) }()
	of := peersPlan(s.model.name, "auto", s.budget.sweep, s.e.seed)
	of.Target = server.management
	of.Knobs = map[knob.Name]string{knob.Workers: s.budget.workers, knob.BatchSize: s.budget.batch, knob.BatchDelay: s.budget.waitMS}
	return sweepTarget(ctx, of, target)
}

func (t torchServePeer) start(ctx context.Context, s *peerSet, k knob.Settings) (*comparedServer, func() error, error) {
	server, target, err := t.open(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	_, err = target.Apply(ctx, k)
	var c *comparedServer
	if err == nil {
		c, err = newComparedServer("TorchServe", server.pid(), server.inference+"/predictions/"+s.model.name, s.bodies)
	}
	if err != nil {
		return nil, nil, errors.Join(err, server.close())
	}
	return c, server.close, nil
}
