package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/target/remotetest"
	"sweetspot/sweep/trial"
)

// elsewhere is a server that answers and tells nothing else, with two knobs of its
// own, and the program with a kind of target more for it.
type elsewhere struct {
	*remotetest.Server
	t   *testing.T
	env []string
}

func newElsewhere(t *testing.T) elsewhere {
	s := remotetest.NewServer(true)
	t.Cleanup(s.Close)
	dir := t.TempDir()
	return elsewhere{s, t, []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_STATE_HOME=" + dir}}
}

// run is the program with these arguments: its output, what it said beside it, and its
// exit code.
func (e elsewhere) run(args ...string) (out, said string, code int) {
	var stdout, stderr bytes.Buffer
	code = run(append([]string{"sweetspot"}, args...), e.env, nil, &stdout, &stderr, targetKind{
		"https://", "the server at an address", true,
		func(ctx context.Context, _ *app, p plan.Plan, _ knob.Config) (sweep.Target, error) {
			t, err := remotetest.Open(ctx, p.Target, e.TLS())
			if err != nil {
				return nil, err
			}
			return t, nil
		},
	})
	return stdout.String(), stderr.String(), code
}

// holds fails where a text lacks one of these.
func holds(t *testing.T, what, text string, all ...string) {
	t.Helper()
	for _, want := range all {
		if !strings.Contains(text, want) {
			t.Errorf("%s: no %q in\n%s", what, want, text)
		}
	}
}

// TestElsewhere: a server that tells nothing but its answers and has two knobs of its
// own goes from the first line of a sweep to the comparison of two profiles.
func TestElsewhere(t *testing.T) {
	e := newElsewhere(t)
	dir := t.TempDir()
	a, b, file := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "plan.yaml")
	text := "version: 1\ntarget: " + e.URL + "\nsla: {percentile: 50, limit: 150ms}\nload: {concurrency: 20}\nbudget: {time: 0s}\ntrial: {duration: 1500ms}\nknobs: {max_batch_size: [1, 8]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sweepIt := []string{"--sweep=" + file, "--knob", "instances=2"}

	out, said, code := e.run(append(sweepIt, "--dry-run")...)
	if code != exitYes {
		t.Fatalf("dry run: exit %d\n%s", code, said)
	}
	holds(t, "dry run", out, "  instances: 2\n  max_batch_size: [1, 8]\n", "  1  instances 2, max_batch_size 1, concurrency 20",
		"auto: nothing is predicted, because the target does not report the times and sizes of its batches: all points in this order")

	out, said, code = e.run(append(sweepIt, "--out", a)...)
	if code != exitYes {
		t.Fatalf("sweep: exit %d\n%s%s", code, out, said)
	}
	holds(t, "sweep", said, "model    cat, some server", "knobs    instances, max_batch_size, the target's own", "n/a: model latency, batches, breakdown, utilization, memory, workers")
	holds(t, "sweep", said, "config.properties not written: export: config.properties: the measured server does not tell its workers")
	holds(t, "sweep", out, "instances  max_batch_size", "best: instances 2, max_batch_size 8", "choice.json")
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

	out, _, code = e.run("--sweep", "--target", e.URL, "--percentile", "50", "--sla", "1ms", "--budget", "8s", "--knob", "max_batch_size=8", "-q", "--json")
	var res struct {
		Trials []trial.Trial `json:"trials"`
		Exit   int           `json:"exit"`
	}
	if err := json.Unmarshal([]byte(out), &res); err != nil || code != exitNo || res.Exit != exitNo || len(res.Trials) == 0 || res.Trials[0].Settings.Own != "instances=1 max_batch_size=8" {
		t.Errorf("a promise that nobody keeps: exit %d, %v, %.300s", code, err, out)
	}

	if _, said, code = e.run(append(sweepIt, "--out", b, "-q", "--requests", "150")...); code == exitError {
		t.Fatalf("second sweep: exit %d\n%s", code, said)
	}
	out, said, code = e.run("profiles", "show", a)
	if code != exitYes {
		t.Fatalf("show: exit %d\n%s", code, said)
	}
	holds(t, "show", out, "machine   remote ", "instances  max_batch_size", "n/a")
	out, said, code = e.run("profiles", "compare", a, b, "--tolerance", "100%")
	if code == exitError {
		t.Fatalf("compare: exit %d\n%s", code, said)
	}
	holds(t, "compare", out, "settings  instances 2", "max_batch_size 8")
	out, _, code = e.run("report", a, "--format", "csv")
	if code != exitYes {
		t.Errorf("report: exit %d", code)
	}
	holds(t, "report", out, ",instances,max_batch_size,")
	if _, said, code = e.run("export", a); code != exitError {
		t.Errorf("export: exit %d", code)
	}
	holds(t, "export", said, "does not tell its workers", "--format json has what is known")
	if out, _, code = e.run("export", a, "--format", "json"); code != exitYes {
		t.Errorf("export as JSON: exit %d", code)
	}
	holds(t, "export as JSON", out, `"max_batch_size": 8`)
}

// TestElsewhereRefused: what cannot be is an error before the first request.
func TestElsewhereRefused(t *testing.T) {
	e := newElsewhere(t)
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--target", e.URL, "--knob", "max_batchsize=8"}, []string{`knobs: "max_batchsize": unknown knob; did you mean max_batch_size? The target has workers, `, "instances, max_batch_size"}},
		{[]string{"--target", e.URL, "--knob", "max_batch_size=64"}, []string{`max_batch_size: "64" is not one of its values: 1, 8, 32`}},
		{[]string{"--target", e.URL, "--latency", "model"}, []string{"does not report model latency", "use request latency (--latency request)"}},
		{[]string{"--target", "torchserve"}, []string{`target "torchserve" is not available; there is local (`, "virtual (", "https:// (the server at an address)", "hint: leave target out"}},
		{[]string{"sim:animated-drawings", "--target", "virtual", "--knob", "streams=8"}, []string{`knobs: "streams": unknown knob; known: workers`}},
		{[]string{"sim:animated-drawings", "--target", "virtual", "--knob", "streams"}, []string{`--knob: "streams" is not NAME=VALUES`, "hint: write: --knob max_batch_size=1,8,32"}},
	} {
		_, said, code := e.run(append([]string{"--sweep"}, c.args...)...)
		if code != exitError {
			t.Errorf("%q: exit %d", c.args, code)
		}
		holds(t, strings.Join(c.args, " "), said, c.want...)
	}
	if served, _ := e.Served(); served > 0 {
		t.Errorf("%d requests were sent", served)
	}
}

// TestAddressLost: a profile does not tell where a server is, so that it cannot be
// gone on with unless the address is given.
func TestAddressLost(t *testing.T) {
	for target, want := range map[string]bool{
		"http://remote:8000": true, "oip+https://remote": true, "http://127.0.0.1:8000": false, "local": false, "": false, "http://remotely:80": false,
	} {
		if got := addressLost(target); got != want {
			t.Errorf("addressLost(%q) = %t, want %t", target, got, want)
		}
	}
}
