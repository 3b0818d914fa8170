package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine"
	"sweetspot/engine/backend/onnx"
	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/engine/monitor"
	engineserver "sweetspot/engine/server"
)

// outcome is the result of one test.
type outcome uint8

const (
	unloaded outcome = iota // the runtime does not load the model
	right                   // all answers are the expected ones
	refused                 // the model or its inputs are refused, with a reason
	deviates                // the runtime alone has no expected values either
	wrong                   // an answer differs, or the process has ended
)

// nodeResult is the outcome of a test with its reason.
type nodeResult struct {
	Name    string `json:"-"`
	Outcome outcome
	Why     string
}

// measureNodes serves every model of the ONNX project's test data and sends it its own
// inputs over HTTP.
func measureNodes(ctx context.Context, e *env) error {
	tests, err := findNodeTests()
	if err != nil {
		return err
	}
	for _, over := range []string{overPredictions, overOIP, overGRPC} {
		for i := range tests {
			tests[i].over = over
		}
		all, err := runNodeTests(ctx, e, tests)
		if err != nil {
			return err
		}
		fmt.Fprintf(e.stderr, "over %s:\n", overNames[over])
		printNodes(e.stderr, all)
		reportNodes(e.report, over, all)
	}
	return measureNodeBatches(ctx, e, tests)
}

// The protocols over which a test is asked.
const (
	overPredictions = ""
	overOIP         = "oip"     // the Open Inference Protocol
	overGRPC        = "grpc"    // the same protocol over gRPC
	overBatches     = "batches" // both, a batched variant of the test
)

var overNames = map[string]string{overPredictions: "/predictions", overOIP: "the Open Inference Protocol", overGRPC: "gRPC", overBatches: "both, as batches"}

// runNodeTests runs the tests in a child process. A test that kills the process is wrong, and
// the next one gets another process.
func runNodeTests(ctx context.Context, e *env, tests []nodeTest) ([]nodeResult, error) {
	var all []nodeResult
	for len(all) < len(tests) {
		done, err := runNodeChild(ctx, e.self, tests[len(all):])
		all = append(all, done...)
		switch killed, _ := errors.AsType[*killedError](err); {
		case ctx.Err() != nil:
			return all, context.Cause(ctx)
		case err != nil && killed == nil:
			return all, err
		case len(all) < len(tests):
			all = append(all, nodeResult{tests[len(all)].name, wrong, killed.Error()})
		}
	}
	return all, nil
}

// killedError says how a process was killed.
type killedError struct{ how string }

func (k *killedError) Error() string { return "the process was killed: " + k.how }

// runNodeChild runs tests in one process until all are done or it is killed.
func runNodeChild(ctx context.Context, self string, tests []nodeTest) (done []nodeResult, err error) {
	cmd := exec.CommandContext(ctx, self, nodesCommand)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	from := json.NewDecoder(out)
	for _, t := range tests {
		r := nodeResult{Name: t.name}
		if _, err := fmt.Fprintln(in, t.over+":"+t.data); err != nil {
			break // the process has ended, and Wait returns how
		}
		if err := from.Decode(&r); err != nil {
			break
		}
		done = append(done, r)
	}
	_ = in.Close() // the process ends
	err = cmd.Wait()
	first, _, _ := strings.Cut(said.String(), "\n")
	switch {
	case cmd.ProcessState.ExitCode() == judge.ExitError:
		return done, errors.New(strings.TrimPrefix(first, "bench: "))
	case err != nil:
		return done, &killedError{cmp.Or(first, err.Error())}
	case len(done) < len(tests):
		return done, errors.New("the process of the tests ends before the last test")
	}
	return done, nil
}

// nodesCommand runs this program as the process of the tests. It reads the protocols and folders
// of inputs from stdin, one a line, and writes a result as JSON for each.
const nodesCommand = "nodes-server"

func runNodesServer(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	s, err := startNodeServer(ctx, monitor.Limits().Cores)
	if err != nil {
		return err
	}
	lines, results := bufio.NewScanner(stdin), json.NewEncoder(stdout)
	for err == nil && lines.Scan() {
		over, data, _ := strings.Cut(lines.Text(), ":")
		t := nodeTest{model: filepath.Join(filepath.Dir(data), "model.onnx"), data: data, over: over}
		if over == overBatches {
			err = results.Encode(s.runBatches(ctx, t))
			continue
		}
		err = results.Encode(s.run(ctx, t))
	}
	return errors.Join(err, lines.Err(), s.close(ctx))
}

// reportNodes adds the figures of a protocol.
func reportNodes(r *judge.Report, over string, all []nodeResult) {
	name := "nodes."
	if over != overPredictions {
		name += over + "-"
	}
	n := map[outcome]int{}
	for _, t := range all {
		n[t.Outcome]++
	}
	loaded := len(all) - n[unloaded]
	share := 0.0
	if loaded > 0 {
		share = float64(n[right]) / float64(loaded)
	}
	detail := fmt.Sprintf("%d tests, %d that the runtime loads, binary and JSON bodies and answers, tolerance %g + %g x value", len(all), loaded, nodeAbsolute, nodeRelative)
	r.Add(judge.Figure{Name: name + "wrong", Value: float64(n[wrong]), Unit: "count", Detail: detail})
	r.Add(judge.Figure{Name: name + "right", Value: share, Unit: "share", Detail: fmt.Sprintf("of those that the runtime loads: %d right, %d refused, %d that the runtime alone does not get right", n[right], n[refused], n[deviates])})
}

// printNodes prints the outcomes by folder, the reasons with their counts, and the names
// of the tests with wrong answers.
func printNodes(w io.Writer, all []nodeResult) {
	folders := map[string][wrong + 1]int{}
	reasons := map[outcome]map[string]int{unloaded: {}, refused: {}, deviates: {}}
	for _, t := range all {
		folder, _, _ := strings.Cut(t.Name, "/")
		n := folders[folder]
		n[t.Outcome]++
		folders[folder] = n
		if m := reasons[t.Outcome]; m != nil {
			m[t.Why]++
		}
	}
	fmt.Fprintf(w, "%-20s %7s %7s %9s %7s %11s\n", "tests", "right", "refused", "deviating", "wrong", "not loaded")
	for _, f := range slices.Sorted(maps.Keys(folders)) {
		n := folders[f]
		fmt.Fprintf(w, "%-20s %7d %7d %9d %7d %11d\n", f, n[right], n[refused], n[deviates], n[wrong], n[unloaded])
	}
	printReasons(w, "refused:", reasons[refused])
	printReasons(w, "deviating:", reasons[deviates])
	printReasons(w, "not loaded by the runtime:", reasons[unloaded])
	for _, t := range all {
		if t.Outcome == wrong {
			fmt.Fprintf(w, "wrong: %s: %s\n", t.Name, t.Why)
		}
	}
}

func printReasons(w io.Writer, title string, counts map[string]int) {
	fmt.Fprintln(w, title)
	byCount := func(a, b string) int { return cmp.Or(counts[b]-counts[a], strings.Compare(a, b)) }
	for _, why := range slices.SortedFunc(maps.Keys(counts), byCount) {
		fmt.Fprintf(w, "%5d %s\n", counts[why], why)
	}
}

// nodeRequest is the largest body: JSON of a megabyte of numbers is longer than TorchServe's
// limit.
const nodeRequest = 64 << 20

// nodeServer is an engine that serves one test after the other.
type nodeServer struct {
	engine  *engine.Engine
	backend *onnx.Backend
	address string
	rpc     *grpc.ClientConn
	stop    context.CancelFunc
	ended   chan error
}

func startNodeServer(ctx context.Context, cores int) (*nodeServer, error) {
	cache, _ := os.UserCacheDir() // without it, the library is searched elsewhere
	lib, err := ortlib.Find(ortlib.FromEnv(os.Getenv, cache))
	if err != nil {
		return nil, err
	}
	b, err := onnx.New(lib.Path, cores, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"onnx": b}, Cores: cores})
	const anyPort = "127.0.0.1:0"
	s, err := engineserver.Open(engineserver.Config{Inference: anyPort, Management: anyPort, MaxRequestSize: nodeRequest, GRPC: engineserver.GRPC{Inference: anyPort}}, e)
	if err != nil {
		return nil, err
	}
	rpc, err := grpc.NewClient("passthrough:"+s.Addrs().GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	ctx, stop := context.WithCancel(ctx)
	n := &nodeServer{engine: e, backend: b, address: s.Addrs().Inference, rpc: rpc, stop: stop, ended: make(chan error, 1)}
	go func() { n.ended <- s.Run(ctx) }()
	return n, nil
}

func (s *nodeServer) close(ctx context.Context) error {
	s.stop()
	return errors.Join(s.rpc.Close(), <-s.ended, s.engine.Close(context.WithoutCancel(ctx)))
}
