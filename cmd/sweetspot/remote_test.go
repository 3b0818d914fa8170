package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/target/remotetest"
	"sweetspot/sweep/trial"
)

// remote is a server that reports nothing but answers and has two own knobs. Its method run
// runs the program with an additional kind of target for it.
type remote struct {
	*remotetest.Server
	t   *testing.T
	env []string
}

func newRemote(t *testing.T) remote {
	s := remotetest.NewServer(true)
	t.Cleanup(s.Close)
	dir := t.TempDir()
	return remote{s, t, []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_STATE_HOME=" + dir}}
}

// run runs the program with these arguments. It returns its stdout, its stderr and its exit
// code.
func (r remote) run(args ...string) (out, messages string, code int) {
	var stdout, stderr bytes.Buffer
	code = run(append([]string{"sweetspot"}, args...), r.env, nil, &stdout, &stderr, targetKind{
		"https://", "the server at an address", true, nil,
		func(ctx context.Context, _ *app, p plan.Plan, _ knob.Config) (sweep.Target, error) {
			t, err := remotetest.Open(ctx, p.Target, r.TLS())
			if err != nil {
				return nil, err
			}
			return t, nil
		},
	})
	return stdout.String(), stderr.String(), code
}

// contains fails if the text of a step does not have all of these parts.
func contains(t *testing.T, step, text string, all ...string) {
	t.Helper()
	for _, want := range all {
		if !strings.Contains(text, want) {
			t.Errorf("%s: no %q in\n%s", step, want, text)
		}
	}
}

// TestRemote: all commands from a sweep to the comparison of two profiles work with a server
// that reports nothing but answers and has two own knobs.
func TestRemote(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	dir := t.TempDir()
	a, b, file := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "plan.yaml")
	text := "version: 1\ntarget: " + r.URL + "\nsla: {percentile: 50, limit: 150ms}\nload: {concurrency: 20}\nbudget: {time: 0s}\ntrial: {duration: 1500ms}\nknobs: {max_batch_size: [1, 8]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sweepArgs := []string{"--sweep=" + file, "--knob", "instances=2"}

	out, messages, code := r.run(append(sweepArgs, "--dry-run")...)
	if code != exitYes {
		t.Fatalf("dry run: exit %d\n%s", code, messages)
	}
	contains(t, "dry run", out, "  instances: 2\n  max_batch_size: [1, 8]\n", "  1  instances 2, max_batch_size 1, concurrency 20",
		"auto: nothing is predicted, because the target does not report the times and sizes of its batches: all points in this order")

	// On a machine that is busy with other work, "cannot tell" is right, but it is not what this
	// test is about.
	for n := range 5 {
		a = filepath.Join(dir, "a"+strconv.Itoa(n))
		if out, messages, code = r.run(append(sweepArgs, "--out", a)...); code != exitCannotTell {
			break
		}
	}
	if code != exitYes {
		t.Fatalf("sweep: exit %d\n%s%s", code, out, messages)
	}
	contains(t, "sweep", messages, "model    cat, some server", "knobs    instances, max_batch_size, own knobs of the target", "n/a: model latency, batches, breakdown, utilization, memory, batching rule, workers")
	contains(t, "sweep", messages, "config.properties not written: export: config.properties: the measured server does not report its workers")
	contains(t, "sweep", out, "instances  max_batch_size", "best: instances 2, max_batch_size 8", "choice.json")
	var choice struct {
		Settings map[string]any `json:"settings"`
	}
	data, err := os.ReadFile(filepath.Join(a, "choice.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &choice); err != nil || choice.Settings["max_batch_size"] != 8. || choice.Settings["instances"] != 2. {
		t.Errorf("choice.json: %v, %v", choice, err)
	}

	r.checkNothingClaimed(filepath.Join(a, "profile.jsonl"), filepath.Join(a, "choice.json"))

	out, _, code = r.run("--sweep", "--target", r.URL, "--percentile", "50", "--sla", "1ms", "--budget", "8s", "--knob", "max_batch_size=8", "-q", "--json")
	var res struct {
		Trials []trial.Trial `json:"trials"`
		Exit   int           `json:"exit"`
	}
	if err := json.Unmarshal([]byte(out), &res); err != nil || code != exitNo || res.Exit != exitNo || len(res.Trials) == 0 || res.Trials[0].Settings.Own != "instances=1 max_batch_size=8" {
		t.Errorf("a promise that no setting keeps: exit %d, %v, %.300s", code, err, out)
	}

	if _, messages, code = r.run(append(sweepArgs, "--out", b, "-q", "--requests", "150")...); code == exitError {
		t.Fatalf("second sweep: exit %d\n%s", code, messages)
	}
	r.checkReaders(a, b)
}

// checkReaders: what reads the profiles of two sweeps shows what was measured, and claims nothing else.
func (r remote) checkReaders(a, b string) {
	t := r.t
	t.Helper()
	out, messages, code := r.run("profiles", "show", a)
	if code != exitYes {
		t.Fatalf("show: exit %d\n%s", code, messages)
	}
	contains(t, "show", out, "machine   remote ", "instances  max_batch_size", "n/a")
	out, _, code = r.run("profiles", "show", a, "--json")
	if code != exitYes {
		t.Errorf("show --json: exit %d", code)
	}
	claimsNothing(t, "show --json", out)
	out, messages, code = r.run("profiles", "compare", a, b, "--tolerance", "100%")
	if code == exitError {
		t.Fatalf("compare: exit %d\n%s", code, messages)
	}
	contains(t, "compare", out, "settings  instances 2", "max_batch_size 8")
	claimsNothing(t, "compare", out)
	out, _, code = r.run("report", a, "--format", "csv")
	if code != exitYes {
		t.Errorf("report: exit %d", code)
	}
	contains(t, "report", out, ",instances,max_batch_size,")
	if _, messages, code = r.run("export", a); code != exitError {
		t.Errorf("export: exit %d", code)
	}
	contains(t, "export", messages, "does not report its workers", "--format json writes the known ones")
	if out, _, code = r.run("export", a, "--format", "json"); code != exitYes {
		t.Errorf("export as JSON: exit %d", code)
	}
	contains(t, "export as JSON", out, `"max_batch_size": 8`)
	claimsNothing(t, "export as JSON", out)
}

// claimsNothing fails if a text has a value that the server does not report.
func claimsNothing(t *testing.T, step, text string) {
	t.Helper()
	for _, name := range []string{
		"fp32", "fp16", "torchserve", "eager", "batch_axis", `"sha256"`, `"cores"`, `"gpus"`, `"os"`, `"device"`, `"queue_size"`, `"threads"`, `"batch_delay_ms":0`,
	} {
		if strings.Contains(text, name) {
			t.Errorf("%s has %s:\n%s", step, name, text)
		}
	}
}

// checkNothingClaimed checks the files of a sweep, line by line.
func (r remote) checkNothingClaimed(paths ...string) {
	r.t.Helper()
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			r.t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			claimsNothing(r.t, path, line)
			var trial struct {
				Kind     string          `json:"t"`
				Settings json.RawMessage `json:"settings"`
				Options  json.RawMessage `json:"options"`
			}
			if strings.HasPrefix(line, `{"t":`) && json.Unmarshal([]byte(line), &trial) == nil && trial.Kind == "trial" &&
				(!strings.HasPrefix(string(trial.Settings), `{"instances":2,"max_batch_size":`) || string(trial.Options) != "{}") {
				r.t.Errorf("trial with settings %s, options %s", trial.Settings, trial.Options)
			}
		}
	}
}

// TestRemoteDefaultKnobs: without --knob the dry run says which own knobs are varied.
func TestRemoteDefaultKnobs(t *testing.T) {
	r := newRemote(t)
	out, messages, code := r.run("--sweep", "--target", r.URL, "--dry-run")
	if code != exitYes {
		t.Fatalf("exit %d\n%s", code, messages)
	}
	contains(t, "messages", messages, "varied   instances, max_batch_size, because no own knob is named and these change without a reload; --knob NAME=VALUES names others")
	contains(t, "plan", out, "  instances: [1, 2, 4]\n  max_batch_size: [1, 8, 32]\n", "  9  instances 4, max_batch_size 32, concurrency 10")
	if _, messages, _ = r.run("--sweep", "--target", r.URL, "--dry-run", "--knob", "instances=1,2"); strings.Contains(messages, "varied ") {
		t.Errorf("with --knob: %s", messages)
	}
	if served, _ := r.Served(); served > 0 {
		t.Errorf("%d requests were sent", served)
	}
}

// TestRemoteErrors: impossible arguments are messages before the first request.
func TestRemoteErrors(t *testing.T) {
	r := newRemote(t)
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--target", r.URL, "--knob", "max_batchsize=8"}, []string{`knobs: "max_batchsize": unknown knob; did you mean max_batch_size? The target has workers, `, "instances, max_batch_size"}},
		{[]string{"--target", r.URL, "--knob", "max_batch_size=64"}, []string{`max_batch_size: "64" is not one of its values: 1, 8, 32`}},
		{[]string{"--target", r.URL, "--latency", "model"}, []string{"does not report model latency", "use request latency (--latency request)"}},
		{[]string{"--target", "kserve+http://127.0.0.1:1"}, []string{`target: "kserve+http://127.0.0.1:1": want local, virtual, command, torchserve, http://HOST:PORT, oip+http://HOST:PORT`}},
		{[]string{"sim:animated-drawings", "--target", "virtual", "--knob", "streams=8"}, []string{`knobs: "streams": unknown knob; known: workers`}},
		{[]string{"sim:animated-drawings", "--target", "virtual", "--knob", "streams"}, []string{`--knob: "streams" is not NAME=VALUES`, "hint: write: --knob max_batch_size=1,8,32"}},
	} {
		_, messages, code := r.run(append([]string{"--sweep"}, c.args...)...)
		if code != exitError {
			t.Errorf("%q: exit %d", c.args, code)
		}
		contains(t, strings.Join(c.args, " "), messages, c.want...)
	}
	if served, _ := r.Served(); served > 0 {
		t.Errorf("%d requests were sent", served)
	}
}

// TestAddressLost: a profile does not have the address of a remote server, so that its sweep
// can be resumed only with another --target.
func TestAddressLost(t *testing.T) {
	for target, want := range map[string]bool{
		"http://remote:8000": true, "oip+https://remote": true, "http://127.0.0.1:8000": false, "local": false, "": false, "http://remotely:80": false,
	} {
		if got := addressLost(target); got != want {
			t.Errorf("addressLost(%q) = %t, want %t", target, got, want)
		}
	}
}
