package profiles_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/profiles"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

func TestTwoWriters(t *testing.T) {
	path := profiles.Path(newDir(t), "a")
	var wg sync.WaitGroup
	writers, errs := make([]*profiles.Writer, 8), make([]error, 8)
	for i := range writers {
		wg.Go(func() { writers[i], errs[i] = profiles.Create(path, header("a"), profiles.Options{}) })
	}
	wg.Wait()
	var first *profiles.Writer
	for i, w := range writers {
		if w == nil {
			if !strings.Contains(errs[i].Error(), "another sweetspot") && !strings.Contains(errs[i].Error(), "never overwritten") {
				t.Errorf("refused with %v", errs[i])
			}
			continue
		}
		if first != nil {
			t.Fatal("two writers have one profile")
		}
		first = w
	}
	if p := read(t, path); p.State() != profiles.Running {
		t.Errorf("while it is written: state %s, want running", p.State())
	}
	_, err := profiles.Create(path, header("a"), profiles.Options{})
	if err == nil || !strings.Contains(err.Error(), "being written by another sweetspot") {
		t.Errorf("Create while it is written: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if p := read(t, path); p.State() != profiles.Interrupted {
		t.Errorf("closed without an end: state %s, want interrupted", p.State())
	}
	_, err = profiles.Create(path, header("a"), profiles.Options{})
	if err == nil || !strings.Contains(err.Error(), "never overwritten") {
		t.Errorf("Create over a profile: %v", err)
	}
}

func TestConcurrentLines(t *testing.T) {
	path := profiles.Path(newDir(t), "a")
	var tee bytes.Buffer
	w, err := profiles.Create(path, header("a"), profiles.Options{Tee: &tee})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := errors.Join(w.Trial(sampleTrial(i+1)), w.Event(trial.Event{What: "x"})); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(w.End(profiles.Stopped, 130), w.Close()); err != nil {
		t.Fatal(err)
	}
	p := read(t, path)
	if len(p.Trials) != 8 || len(p.Events) != 8 || p.End.Trials != 8 || p.End.Exit != 130 || p.End.Choice != nil {
		t.Errorf("read %d trials, %d events, end %+v", len(p.Trials), len(p.Events), p.End)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(data), tee.String()); diff != "" {
		t.Errorf("tee differs from the file:\n%s", diff)
	}
}

func TestNoLineAfterEnd(t *testing.T) {
	w, err := profiles.Create(profiles.Path(newDir(t), "a"), header("a"), profiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.End(profiles.Done, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.Trial(sampleTrial(1)); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("Trial after End: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Event(trial.Event{}); err == nil || !strings.Contains(err.Error(), "is closed") {
		t.Errorf("Event after Close: %v", err)
	}
}

// TestPrivate: only its owner can read a profile, and list its folder.
func TestPrivate(t *testing.T) {
	path := profiles.Path(newDir(t), "a")
	w, err := profiles.Create(path, header("a"), profiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has the mode %v, want %v (%v)", filepath.Base(name), info.Mode(), want, err)
		}
	}
}

func TestCreateChecksTheHeader(t *testing.T) {
	dir := newDir(t)
	_, err := profiles.Create(profiles.Path(dir, "x"), profiles.Header{ID: "../x", Plan: json.RawMessage("{")}, profiles.Options{})
	for _, want := range []string{`id "../x"`, `kind ""`, "model name: none", "plan: not valid JSON"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Create = %v, want %q in it", err, want)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a refused header left a folder")
	}
}

// TestRedacted: private values that are given to the writer are not in the profile.
func TestRedacted(t *testing.T) {
	h := header("a")
	h.Model.Source = "/home/alice/models/net.onnx"
	h.Plan = json.RawMessage(`{"model":"/home/alice/models/net.onnx","input":"../alice/images/","target":"http://alice:pw@box.corp.example:8081/x?token=t0ken","load":[{"mode":"trace","file":"C:\\Users\\alice\\a.csv"}],"also":"sim:/home/alice/t.json","own":"oip+http://127.0.0.1:9000/v2","device":["gpu:MIG-1a/1/0"],"seed":18446744073709551615}`)
	path := profiles.Path(newDir(t), "a")
	w, err := profiles.Create(path, h, profiles.Options{Secrets: []string{"t0ken", "", "box.corp.example"}})
	if err != nil {
		t.Fatal(err)
	}
	r := sampleTrial(1)
	r.Load = load.Spec{Mode: load.Trace, File: "/home/alice/a.csv"}
	r.Error = `open /home/alice/models/net.onnx: no such file`
	r.Reason = "see http://box.corp.example:8081/models, and (~alice/notes/x.md)"
	r.Warnings = []trial.Warning{{Text: "dial box.corp.example:8081: Bearer t0ken"}, {Text: "GET http://127.0.0.1:8080/ping: 503 after 1/2 of 10 req/s"}}
	r.Verdict.Why, r.Use.GPU.Reason = "/home/alice/x", "no /home/alice/lib/nvml.so"
	err = errors.Join(
		w.Trial(r),
		w.Event(trial.Event{What: "failed", Detail: "in '/home/alice/work/plan.yaml'"}),
		w.Choice(trial.Choice{Why: trial.Explanation{Text: "/home/alice/t", Skipped: []trial.Skip{{Reason: "no /home/alice/u"}}}}),
		w.HoldPeriod(trial.HoldPeriod{Error: "dial box.corp.example: t0ken", Verdict: trial.Verdict{Why: "/home/alice/v"}, Warnings: []trial.Warning{{Text: "t0ken"}}}),
		w.Hold(trial.Hold{Load: load.Spec{Mode: load.Trace, File: "/home/alice/a.csv"}, Why: "/home/alice/w", Ended: "box.corp.example is gone", ThrottledWhy: "t0ken"}),
		w.Close(),
	)
	if err != nil {
		t.Fatal(err)
	}
	if r.Warnings[0].Text != "dial box.corp.example:8081: Bearer t0ken" {
		t.Error("the caller's warnings were changed")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"alice", "home", "t0ken", "corp", "pw@"} {
		if strings.Contains(string(data), secret) {
			t.Errorf("%q is in the profile:\n%s", secret, data)
		}
	}
	p := read(t, path)
	got := []string{
		p.Header.Model.Source, string(p.Header.Plan), p.Trials[0].Load.File, p.Trials[0].Error, p.Trials[0].Reason,
		p.Trials[0].Warnings[0].Text, p.Trials[0].Warnings[1].Text, p.Events[0].Detail,
	}
	want := []string{
		"net.onnx",
		`{"also":"sim:t.json","device":["gpu:MIG-1a/1/0"],"input":"images","load":[{"file":"a.csv","mode":"trace"}],"model":"net.onnx","own":"oip+http://127.0.0.1:9000/v2","seed":18446744073709551615,"target":"http://remote:8081"}`,
		"a.csv", "open net.onnx: no such file", "see http://remote:8081, and (x.md)",
		"dial ***:8081: Bearer ***", "GET http://127.0.0.1:8080/ping: 503 after 1/2 of 10 req/s", "in 'plan.yaml'",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("redacted (-want +got):\n%s", diff)
	}
}

// TestServerSecrets: a profile has no values of variables and headers of its plan's server, and
// no secrets of its arguments.
func TestServerSecrets(t *testing.T) {
	path := profiles.Path(t.TempDir(), "20261122T091500Z-7f3a")
	h := header("20261122T091500Z-7f3a")
	h.Plan = json.RawMessage(`{"server":{"command":["/opt/alice/serve","--api-key","t0ken1","--api-key={max_batch}","--hf-token=t0ken2","--token","{word}","--port","{port}"],` +
		`"env":{"HF_TOKEN":"t0ken3","THREADS":"{threads}"},"request":{"url":"http://127.0.0.1:{port}/a?k=t0ken4","headers":{"Authorization":"Bearer t0ken5"}},` +
		`"live":[{"method":"PUT","url":"http://127.0.0.1:1/x","headers":{"X-Key":"t0ken6"}}]}}`)
	w, err := profiles.Create(path, h, profiles.Options{})
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	got := string(read(t, path).Header.Plan)
	if strings.Contains(got, "t0ken") || strings.Contains(got, "alice") {
		t.Errorf("a secret is in the profile: %s", got)
	}
	for _, want := range []string{`"--api-key","***","--api-key={max_batch}","--hf-token=***","--token","{word}","--port","{port}"`, `"THREADS":"{threads}"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

func TestNewID(t *testing.T) {
	id := profiles.NewID(time.Date(2026, 11, 22, 10, 15, 0, 0, time.FixedZone("", 3600)))
	if len(id) != len("20261122T091500Z-7f3a") || !strings.HasPrefix(id, "20261122T091500Z-") {
		t.Errorf("NewID = %q", id)
	}
}
