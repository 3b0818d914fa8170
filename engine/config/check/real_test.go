package check_test

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sweetspot/engine/config"
	"sweetspot/engine/config/check"
	"sweetspot/engine/torchservetest"
)

// TestRealTorchServeProperties starts a real TorchServe with each broken config.properties. It
// compares what the report says is in force with the describe answers, and that a file which
// the report says is refused serves no model.
func TestRealTorchServeProperties(t *testing.T) {
	torchservetest.Find(t)
	for _, b := range readBroken(t) {
		if b.name != string(check.Properties) {
			continue
		}
		t.Run(b.title(), func(t *testing.T) { b.start(t, b.data) })
		fixed, n, err := check.Fix(b.name, b.data, b.options())
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 && !bytes.Contains(fixed, []byte("management_address")) { // on a port of its own
			t.Run(b.title()+" fixed", func(t *testing.T) { b.start(t, fixed) })
		}
	}
}

// start starts TorchServe with a config.properties and compares it with the report.
func (b broken) start(t *testing.T, data []byte) {
	t.Helper()
	r, err := check.Run(b.name, data, b.options())
	if err != nil {
		t.Fatal(err)
	}
	// The report is about the file alone: --model-store is given for p20 too.
	s, err := torchservetest.Start(t, torchservetest.Options{Config: string(data), Store: b.makeStore(t)})
	switch {
	case !r.Starts() && err == nil:
		if found, err := s.Describe(t.Context(), "m"); err == nil {
			t.Errorf("TorchServe serves %v; the report says that it does not:\n%s", found, r.Lines())
		}
	case !r.Starts():
	case err != nil:
		t.Fatal(err)
	default:
		compare(t, s, r.Effects)
	}
}

// TestRealTorchServeModelConfig loads archives with the broken model-config.yaml files into one
// real TorchServe and compares in the same way.
func TestRealTorchServeModelConfig(t *testing.T) {
	torchservetest.Find(t)
	store := t.TempDir()
	var names []string
	reports := map[string]check.Report{}
	for _, b := range readBroken(t) {
		if b.name != string(check.ModelConfig) || b.title() == "y13-empty" {
			continue
		}
		name, _, _ := strings.Cut(b.title(), "-")
		torchservetest.Archive(t, store, name, "1.0", string(b.data))
		r, err := check.Run(b.name, b.data, b.options())
		if err != nil {
			t.Fatal(err)
		}
		names, reports[name] = append(names, name), r
	}
	s, err := torchservetest.Start(t, torchservetest.Options{Store: store, Config: "load_models=" + strings.Join(names, ",")})
	if err != nil {
		t.Fatal(err)
	}
	var effects []config.Effect
	for _, name := range names {
		r := reports[name]
		if !r.Starts() { // the frontend ignores the file, and the worker cannot read it
			r.Effects = []config.Effect{config.ConfigEffect("model-config.yaml", nil)}
			if err := s.WaitOutput(t.Context(), "yaml.composer.ComposerError"); err != nil {
				t.Error(err)
			}
		}
		r.Effects[0].Model = name
		effects = append(effects, r.Effects...)
	}
	compare(t, s, effects)
}

// TestRealTorchServeEmptyConfig shows that a model-config.yaml without keys ends the server.
func TestRealTorchServeEmptyConfig(t *testing.T) {
	torchservetest.Find(t)
	store := t.TempDir()
	torchservetest.Archive(t, store, "m", "1.0", "# nothing\n")
	if _, err := torchservetest.Start(t, torchservetest.Options{Store: store, Config: "load_models=m"}); err == nil {
		t.Error("TorchServe starts")
	}
}

// makeStore makes the archives of a case: those beside it, and m.mar and n.mar.
func (b broken) makeStore(t *testing.T) string {
	t.Helper()
	store := t.TempDir()
	for _, file := range []string{"m.mar", "n.mar"} {
		a, err := b.Archive(file)
		if err != nil {
			a.Version = "1.0"
		}
		torchservetest.Archive(t, store, file, a.Version, string(a.Config))
	}
	return store
}

// compare compares effects with the answers of describe, and that no other model is there.
func compare(t *testing.T, s *torchservetest.Server, want []config.Effect) {
	t.Helper()
	names, err := s.Models(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !slices.ContainsFunc(want, func(e config.Effect) bool { return e.Model == name }) {
			t.Errorf("TorchServe serves %q; the report does not have it", name)
		}
	}
	for _, e := range want {
		found, err := s.Describe(t.Context(), e.Model)
		if err != nil {
			t.Errorf("%s: %v", e.Model, err)
			continue
		}
		i := slices.IndexFunc(found, func(m map[string]any) bool { return m["modelVersion"] == e.Version })
		if i < 0 {
			t.Errorf("%s: TorchServe has %v, want version %q", e.Model, found, e.Version)
			continue
		}
		for _, v := range e.Values {
			if got, want := described(found[i], v.Name), inForce(v); got != want {
				t.Errorf("%s %s: TorchServe has %s %s, the report says %s (%s)", e.Model, e.Version, v.Name, got, want, v.From)
			}
		}
	}
}

func described(m map[string]any, name string) string {
	if name == "jobQueueSize" {
		queue, _ := m["jobQueueStatus"].(map[string]any)
		return fmt.Sprint(queue["remainingCapacity"])
	}
	return fmt.Sprint(m[name])
}

// inForce returns a value as TorchServe writes it on this machine, which has no GPU for it.
func inForce(v config.Value) string {
	switch {
	case v.Value == config.DefaultWorkers:
		return strconv.Itoa(runtime.NumCPU())
	case v.Name == "deviceType":
		return "cpu"
	}
	return v.Value
}

// TestRealTorchServePriority starts a real TorchServe with values in the environment, on the
// command line and in the file, and compares with what Resolve makes of them.
func TestRealTorchServePriority(t *testing.T) {
	torchservetest.Find(t)
	env := map[string]string{
		"TS_DEFAULT_WORKERS_PER_MODEL": "1", "TS_JOB_QUEUE_SIZE": "33", "TS_MODELS": "{}", "WAIT": "44",
		"TS_LOAD_MODELS": "n=n.mar", "TS_DEFAULT_STARTUP_TIMEOUT": "55",
	}
	const lines = "load_models=m=m.mar\ndefault_workers_per_model=2\njob_queue_size=22\ndefault_response_timeout=$$WAIT$$\n" +
		"models={\"m\": {\"1.0\": {\"batchSize\": 3, \"maxBatchDelay\": 5}}, \"n\": {\"1.0\": {\"batchSize\": 6, \"maxBatchDelay\": 7}}}\n"
	for _, c := range []struct {
		name, text string
		flags      map[string]config.Override
		args       []string
	}{
		{"file", lines, nil, nil},
		{"environment", lines + "enable_envvars_config=true\n", nil, nil},
		{"command line", lines, map[string]config.Override{"load_models": {Value: "n=m.mar,o=n.mar", From: "--models"}}, []string{"--models", "n=m.mar", "o=n.mar"}},
		{"environment over command line", lines + "enable_envvars_config=TRUE\n", map[string]config.Override{"load_models": {Value: "o=m.mar", From: "--models"}}, []string{"--models", "o=m.mar"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := config.Parse("config.properties", []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			getenv := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
			if f, err = f.Resolve(getenv, c.flags); err != nil {
				t.Fatal(err)
			}
			values, _ := f.Check(nil)
			var vars []string
			for name, value := range env {
				vars = append(vars, name+"="+value)
			}
			s, err := torchservetest.Start(t, torchservetest.Options{Config: c.text, Store: broken{}.makeStore(t), Env: vars, Args: c.args})
			if err != nil {
				t.Fatal(err)
			}
			compare(t, s, f.Effects(values, nil))
		})
	}
	if _, err := torchservetest.Start(t, torchservetest.Options{Config: "job_queue_size=$$SWEETSPOT_NOWHERE$$", Store: t.TempDir()}); err == nil {
		t.Error("TorchServe starts although a variable is not set")
	}
}
