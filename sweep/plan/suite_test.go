package plan_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
)

// files are files that a test reads by name; other names do not exist.
type files map[string]string

func (f files) read(path string) ([]byte, error) {
	if s, ok := f[path]; ok {
		return []byte(s), nil
	}
	return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
}

// suiteOf returns files of a suite with model files.
func suiteOf(hardware string, models files) files {
	out := files{"suite.yaml": "models: [" + strings.Join(slices.Sorted(maps.Keys(models)), ", ") + "]\nhardware: " + hardware + "\n"}
	for name, text := range models {
		out["models_config/"+name] = text
	}
	return out
}

// trialNames returns the names of all points of the plans, in their order.
func trialNames(plans []plan.Plan) []string {
	var out []string
	for _, p := range plans {
		base := knob.Default(p.Options.Rule)
		points, _ := p.Points(knob.Limits{Rule: p.Options.Rule, BatchAxis: true}, base, nil)
		for _, pt := range points {
			out = append(out, p.Suite.TrialName(pt.Settings))
		}
	}
	return out
}

// TestSuiteOrder: the trials have the names and the order of the suite, which sorts the names of
// its JSON files as text.
func TestSuiteOrder(t *testing.T) {
	f := suiteOf("cpu", files{
		"b.yaml": "net:\n  scripted: {url: a.mar, workers: [1, 2, 16], batch_size: [1, 2, 10], concurrency: 20, requests: 10, processors: [cpu]}\n",
		"a.yaml": "net:\n  eager: {url: a.mar, workers: [4], batch_size: [8], processors: [cpu, gpus: all]}\n" +
			"net_b:\n  scripted: {url: b.mar, workers: 4, batch_size: 8, processors: [cpu]}\n" +
			"far:\n  scripted: {url: b.mar, workers: 4, batch_size: 8, processors: [gpu]}\n",
	})
	plans, err := plan.Load("suite.yaml", f.read)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"eager_net_w4_b8", "scripted_net_b_w4_b8"}
	for _, w := range []string{"16", "1", "2"} {
		for _, b := range []string{"1", "10", "2"} {
			want = append(want, "scripted_net_w"+w+"_b"+b)
		}
	}
	if diff := cmp.Diff(want, trialNames(plans)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSuiteProcessors: of several GPU entries the last one counts, as in the suite, and a processor
// without an engine can be listed but not run here.
func TestSuiteProcessors(t *testing.T) {
	for _, c := range []struct {
		name, hardware, processors string
		device, refusal, note      string
	}{
		{"cpu", "cpu", "[cpu, gpu]", "cpu", "", ""},
		{"the last GPU", "gpu", "[gpus: 0, gpus: 1]", "gpu:1", "", "processor gpus 0 is not used: as in the suite, gpus 1 replaces it"},
		{"all GPUs", "gpu", `[{gpus: all}]`, "gpu", "", ""},
		{"neuron", "neuron", "[neuron, cpu]", "", "there is no engine for the processor neuron here", ""},
		{"an instance type", "m6i.4xlarge", "[cpu, gpu]", "cpu", "", `hardware "m6i.4xlarge" is a label here`},
		{"both", `""`, "[cpu, neuronx]", "cpu", "", "processor neuronx is not used: there is no engine for it here"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := suiteOf(c.hardware, files{"m.yaml": "m: {eager: {url: a.mar, workers: 1, batch_size: 1, processors: " + c.processors + "}}\n"})
			plans, err := plan.Load("suite.yaml", f.read)
			if err != nil || len(plans) != 1 {
				t.Fatalf("%d plans, %v", len(plans), err)
			}
			p := plans[0]
			if got := p.Knobs[knob.Device]; got != c.device {
				t.Errorf("device %q, want %q", got, c.device)
			}
			if got := p.Refusal(); !strings.HasPrefix(got, c.refusal) || (c.refusal == "") != (got == "") {
				t.Errorf("refusal %q, want %q", got, c.refusal)
			}
			if notes := strings.Join(p.Notes, "\n"); !strings.Contains(notes, c.note) {
				t.Errorf("notes without %q:\n%s", c.note, notes)
			}
			if p.Target = "torchserve"; p.Refusal() != "" {
				t.Errorf("with a running TorchServe: refused, %s", p.Refusal())
			}
		})
	}
}

// TestSuiteKeys: every key of the suite changes the plan, or a note names it with the reason.
func TestSuiteKeys(t *testing.T) {
	const text = `m:
  eager:
    benchmark_engine: locust
    exec_env: docker
    backend_profiling: true
    handler_profiling: true
    retry_attempts: 3
    timeout_ms: 5000
    content_type: application/json
    colour: red
    url: a.war
    workers: [1]
    batch_size: [1]
`
	plans, err := plan.Load("m.yaml", files{"m.yaml": text}.read)
	if err != nil {
		t.Fatal(err)
	}
	notes := strings.Join(plans[0].Notes, "\n")
	for _, key := range []string{
		"benchmark_engine", "exec_env docker", "backend_profiling", "handler_profiling", "retry_attempts", "timeout_ms", "colour",
	} {
		if !strings.Contains(notes, key+" is not used: ") {
			t.Errorf("%s is not in the notes:\n%s", key, notes)
		}
	}
	if got := plans[0].ContentType; got != "application/json" {
		t.Errorf("content type %q", got)
	}
	if got := plans[0].Refusal(); !strings.Contains(got, "workflow") {
		t.Errorf("a workflow archive: refusal %q", got)
	}
}

func TestSuiteCommands(t *testing.T) {
	f := files{"models_config/m.yaml": "m: {eager: {url: a.mar, workers: 1}}\n", "suite.yaml": `
models: [m.yaml]
hardware: &hw cpu
metrics_cmd:
  - "cmd": "put metric-data"
  - "--namespace": ["nightly_", *hw]
  - "--data": 'file:///tmp/benchmark/logs/stats_metrics.json'
report_cmd:
  - "cmd": "copy"
  - "source": '/tmp/ts_benchmark/'
  - "dest": ['s3://bucket', "today()", *hw]
`}
	plans, err := plan.Load("suite.yaml", f.read)
	if err != nil {
		t.Fatal(err)
	}
	c := plans[0].Suite.Commands
	if want := "put metric-data --namespace nightly_cpu --data file:///tmp/benchmark/logs/stats_metrics.json"; c.Metrics != want {
		t.Errorf("metrics_cmd: %s, want %s", c.Metrics, want)
	}
	day := time.Date(2026, 3, 7, 0, 0, 0, 0, time.UTC)
	if got, want := c.Report(day, "0.12.0"), "copy /tmp/ts_benchmark/ s3://bucket/2026-3-7/cpu/0.12.0"; got != want {
		t.Errorf("report_cmd: %s, want %s", got, want)
	}
	if got := (plan.SuiteCommands{}).Report(day, "0.12.0"); got != "" {
		t.Errorf("without report_cmd: %q", got)
	}
	f["suite.yaml"] = "models: [m.yaml]\nmetrics_cmd: [a]\n"
	if _, err := plan.Load("suite.yaml", f.read); err == nil || !strings.Contains(err.Error(), "suite.yaml:2:15: metrics_cmd: want a map with one key") {
		t.Errorf("a command without a key: %v", err)
	}
}

// TestTrialFile reads the JSON of benchmark-ab.py.
func TestTrialFile(t *testing.T) {
	f := files{
		"jobs/scripted_mode_bert_w4_b8.json": `{"url": "bert.mar", "requests": 5000, "concurrency": 100, "input": "a.txt", "content_type": "application/json",
			"batch_size": 8, "workers": 4, "gpus": "all", "benchmark_backend": "locust", "report_location": "/tmp", "image": "", "backend_profiling": false}`,
		"few.json":     `{"url": "bert.mar"}`,
		"explain.json": `{"url": "bert.mar", "inference_model_url": "explanations/benchmark"}`,
	}
	plans, err := plan.Load("jobs/scripted_mode_bert_w4_b8.json", f.read)
	if err != nil {
		t.Fatal(err)
	}
	want := plan.Default()
	want.Model, want.Input, want.ContentType, want.Strategy = "bert.mar", "a.txt", "application/json", "grid"
	want.Knobs = map[knob.Name]string{knob.Workers: "4", knob.BatchSize: "8", knob.BatchDelay: "200", knob.Device: "gpu"}
	want.Loads = []load.Spec{{Concurrency: 100}}
	want.Budget.Time, want.Trial = 0, plan.Trial{Requests: 5000}
	if diff := cmp.Diff(want, plans[0], samePlan); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := trialNames(plans); !slices.Equal(got, []string{"scripted_mode_bert_w4_b8"}) {
		t.Errorf("names %v", got)
	}
	notes := strings.Join(plans[0].Notes, "\n")
	if !strings.Contains(notes, "benchmark_backend is not used") || !strings.Contains(notes, "report_location is not used") || strings.Contains(notes, "image") {
		t.Errorf("notes:\n%s", notes)
	}
	if plans, err = plan.Load("few.json", f.read); err != nil || plans[0].Trial.Requests != 100 || plans[0].Loads[0].Concurrency != 10 {
		t.Errorf("defaults of benchmark-ab.py: %+v, %v", plans, err)
	}
	if _, err = plan.Load("explain.json", f.read); err == nil || !strings.Contains(err.Error(), "want predictions/NAME") {
		t.Errorf("explanations: %v", err)
	}
}

// TestTestPlans: the named test plans have an effect, unlike in benchmark-ab.py.
func TestTestPlans(t *testing.T) {
	for _, name := range plan.TestPlans() {
		plans, err := plan.Load(name, files{}.read)
		if err != nil || len(plans) != 1 {
			t.Fatalf("%s: %d plans, %v", name, len(plans), err)
		}
		if got := plans[0].Refusal(); (name == "workflow_nmt") != (got != "") {
			t.Errorf("%s: refusal %q", name, got)
		}
	}
	plans, _ := plan.Load("resnet152_batch", files{}.read)
	if p := plans[0]; p.Knobs[knob.BatchSize] != "4" || p.Trial.Requests != 1000 || !strings.HasSuffix(p.Model, "/resnet-152-batch.mar") {
		t.Errorf("resnet152_batch: %+v", p)
	}
	plans, err := plan.Load("soak", files{"soak": "version: 1\nmodel: mine.onnx\n"}.read)
	if err != nil || plans[0].Model != "mine.onnx" {
		t.Errorf("a file of that name has priority: %+v, %v", plans, err)
	}
	if _, err := plan.Load("soakk", files{}.read); err == nil {
		t.Error("no error for a name that is neither")
	}
}

// FuzzLoad: any suite file and model file give plans or an error, and each plan is valid.
func FuzzLoad(f *testing.F) {
	f.Add("models: [m.yaml]\nhardware: gpu\nmetrics_cmd: [cmd: a]\n", "m: {eager: {url: a.mar, workers: [1, 2], processors: [gpus: 1]}}\n")
	f.Add(`{"url": "a.mar", "workers": 4, "gpus": ""}`, "")
	f.Fuzz(func(t *testing.T, suite, model string) {
		plans, err := plan.Load("suite.yaml", files{"suite.yaml": suite, "models_config/m.yaml": model}.read)
		if err != nil {
			return
		}
		for _, p := range plans {
			if err := p.Validate(); err != nil {
				t.Errorf("an invalid plan: %v", err)
			}
		}
	})
}
