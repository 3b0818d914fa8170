//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/target/process"
	"sweetspot/sweep/trial"
)

// sweepOIP searches the highest load up to 100 requests/s of a server of the Open Inference Protocol.
func sweepOIP(t *testing.T, dir string, args ...string) (trials []trial.Trial, messages string) {
	t.Helper()
	env := []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_STATE_HOME=" + dir}
	common := []string{"sweetspot", "--sweep", "--question", "capacity", "--percentile", "50", "--sla", "400ms", "--max-rate", "100", "--budget", "90s", "--json"}
	var res struct {
		Trials []trial.Trial `json:"trials"`
	}
	// On a machine that is busy with other work "cannot tell" is right.
	code := exitCannotTell
	for n := 0; n < 3 && code == exitCannotTell; n++ {
		var stdout, stderr bytes.Buffer
		code = run(append(common, args...), env, nil, &stdout, &stderr)
		messages, res.Trials = stderr.String(), nil
		if err := json.Unmarshal(stdout.Bytes(), &res); err != nil {
			t.Fatalf("exit %d, %v: %s%s", code, err, stdout.String(), messages)
		}
	}
	if code != exitYes && code != exitCannotTell || len(res.Trials) < 2 {
		t.Fatalf("exit %d, %d trials: %s", code, len(res.Trials), messages)
	}
	t.Logf("exit %d: %s", code, messages)
	for _, r := range res.Trials {
		t.Logf("trial %d, %s, %v: %v/s, P50 %v, P99 %v, breakdown %+v, batches %+v, memory %v, %s %v", r.N, r.Role, r.Load, r.Throughput.Value, r.Latency.P50, r.Latency.P99, r.Breakdown, r.Batches, r.Use.RSSMB, r.Verdict.Label(), r.Warnings)
	}
	return res.Trials, messages
}

// checkOnlyAnswers fails if a trial claims a setting that the protocol does not have, or has an error.
func checkOnlyAnswers(t *testing.T, trials []trial.Trial) {
	t.Helper()
	for _, r := range trials {
		if r.Settings != (knob.Settings{}) || r.Options.Rule != knob.RuleUnreported || r.Error != "" || r.Use.RSSMB.OK() || r.Counts.OK == 0 {
			t.Errorf("trial %d: settings %+v, options %+v, error %q, counts %+v", r.N, r.Settings, r.Options, r.Error, r.Counts)
		}
		if !r.Lag.P50.OK() {
			t.Errorf("trial %d does not report how late requests were sent", r.N)
		}
	}
}

// TestOIPTarget: our own server swept to a choice over HTTP and over gRPC; what the protocol does not tell is n/a.
func TestOIPTarget(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("sweeps take several seconds")
	}
	inference, _, printed := startServerIn(t, t.TempDir(), "builtin:mlp", "--disable-token-auth")
	at := regexp.MustCompile(`, gRPC ([^, ]+)`).FindStringSubmatch(strings.Join(printed, "\n"))
	if at == nil {
		t.Fatalf("no address of gRPC in %s", printed)
	}
	for _, c := range []struct{ name, target, how string }{
		{"HTTP", "oip+" + inference, "sent as application/octet-stream"},
		{"gRPC", "oip+grpc://" + at[1], "sent over gRPC"},
	} {
		t.Run(c.name, func(t *testing.T) {
			trials, messages := sweepOIP(t, t.TempDir(), "mlp", "--target", c.target)
			checkOnlyAnswers(t, trials)
			contains(t, c.target, messages, "made for x FP32 [64], one row each, "+c.how)
			last := trials[len(trials)-1]
			if !last.Breakdown.Execution.OK() { // our server reports it in the header, and over gRPC in the trailer
				t.Errorf("%s: breakdown %+v", c.target, last.Breakdown)
			}
		})
	}
}

// TestOIPErrors: what can be wrong with such a target is said before the first request.
func TestOIPErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--target", "oip+ftp://127.0.0.1:1"}, "oip+grpc://HOST:PORT"},
		{[]string{"--target", "oip+http://127.0.0.1:1"}, "is an Open Inference Protocol server running there?"},
		{[]string{"--target", "oip+grpc://192.0.2.1:1"}, "is not on this machine"},
		{[]string{"--target", "oip+http://127.0.0.1:1", "--metrics", "x"}, "--metrics has no effect on target oip+http://"},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(append([]string{"sweetspot", "m", "--sweep", "--sla", "10ms"}, c.args...), []string{"HOME=" + t.TempDir()}, nil, &stdout, &stderr); code != exitError || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%v: exit %d, %s, want %q", c.args, code, stderr.String(), c.want)
		}
	}
}

// TestMLServer: MLServer swept to a choice over HTTP and over gRPC. It reports nothing but its answers.
func TestMLServer(t *testing.T) {
	venv := os.Getenv("SWEETSPOT_MLSERVER")
	if venv == "" {
		t.Skip("needs MLServer: make test-mlserver installs it and runs this test")
	}
	overHTTP, overRPC := startMLServer(t, venv)
	for _, c := range []struct{ name, target string }{{"HTTP", "oip+http://" + overHTTP}, {"gRPC", "oip+grpc://" + overRPC}} {
		t.Run(c.name, func(t *testing.T) {
			trials, messages := sweepOIP(t, t.TempDir(), "sum", "--target", c.target)
			checkOnlyAnswers(t, trials)
			contains(t, c.target, messages, "made for x FP32 [64], one row each")
			for _, r := range trials {
				if r.Breakdown.Execution.OK() || r.Batches.Mean.OK() || r.Model.P50.OK() {
					t.Errorf("trial %d claims figures of the server: %+v", r.N, r.Breakdown)
				}
			}
		})
	}
}

// startMLServer starts MLServer on free ports and returns its addresses of HTTP and gRPC.
func startMLServer(t *testing.T, venv string) (overHTTP, overRPC string) {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "testdata", "mlserver"))
	if err != nil {
		t.Fatal(err)
	}
	var ports [3]string
	for i := range ports {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
		ln.Close() // MLServer takes it a moment later
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // until it is ready
	defer cancel()
	self, err := exec.LookPath("sweetspot") // installed by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	// Its supervisor ends it, with the processes that it starts, also if the test is killed.
	server, err := process.Start(process.Config{
		Supervisor: []string{self, "supervise"}, Folder: t.TempDir(), Dir: t.TempDir(), Argv: []string{filepath.Join(venv, "bin", "mlserver"), "start", dir},
		Env: append(os.Environ(), "MLSERVER_HTTP_PORT="+ports[0], "MLSERVER_GRPC_PORT="+ports[1], "MLSERVER_METRICS_PORT="+ports[2], "PYTHONDONTWRITEBYTECODE=1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	for at := "http://127.0.0.1:" + ports[0] + "/v2/models/sum/ready"; ; time.Sleep(100 * time.Millisecond) {
		resp, err := http.Get(at)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return "127.0.0.1:" + ports[0], "127.0.0.1:" + ports[1]
			}
		}
		if ctx.Err() != nil || server.HasEnded() {
			t.Fatalf("MLServer does not become ready: %s", strings.Join(server.LastLines(), "\n"))
		}
	}
}
