package export_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/profiles/export"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// render writes and verifies an export.
func render(t *testing.T, format string, s export.Source) string {
	t.Helper()
	d, err := export.Write(format, s, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := export.Verify(d, s); err != nil {
		t.Fatal(err)
	}
	return string(d.Data)
}

func TestTriton(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*export.Source)
		want   []string
		not    []string
	}{
		{
			"no batch axis", func(s *export.Source) { s.Model.BatchAxis, s.Settings.BatchSize = new(false), 1 },
			[]string{"max_batch_size: 0\n", "queue size 100 has no key"},
			[]string{"\ndynamic_batching"},
		},
		{
			"batch size 1", func(s *export.Source) { s.Settings.BatchSize = 1 },
			[]string{"max_batch_size: 1\n", "\n    max_queue_size: 100\n", "At batch size 1"},
			nil,
		},
		{
			"eager, part of a ms", func(s *export.Source) { s.Settings.BatchDelay, s.Options.Rule = 500*time.Microsecond, knob.Eager },
			[]string{"max_queue_delay_microseconds: 500\n"},
			[]string{"Measured under the torchserve rule"},
		},
		{"no delay", func(s *export.Source) { s.Settings.BatchDelay = 0 }, []string{"max_queue_delay_microseconds: 0\n"}, nil},
		{"any GPU", func(s *export.Source) { s.Settings.Device = "gpu" }, []string{"KIND_GPU\n    gpus: [ 0 ]"}, nil},
		{
			"a GPU by its UUID", func(s *export.Source) { s.Settings.Device = "gpu:GPU-1a" },
			[]string{"gpus: [ 0 ]", "CUDA_VISIBLE_DEVICES=GPU-1a"},
			nil,
		},
		{
			"another runtime", func(s *export.Source) { s.Machine.Runtime, s.Model.Source = "torch 2", "net.mar" },
			[]string{"backend and threads 1 are not written"},
			[]string{"\nbackend", "\nparameters", "model.onnx"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := source(t, 0)
			c.change(&s)
			text := render(t, "triton", s)
			flat := strings.ReplaceAll(text, "\n# ", " ")
			for _, w := range c.want {
				if !strings.Contains(text, w) && !strings.Contains(flat, w) {
					t.Errorf("no %q in\n%s", w, text)
				}
			}
			for _, w := range c.not {
				if strings.Contains(text, w) {
					t.Errorf("%q in\n%s", w, text)
				}
			}
		})
	}
}

func TestTritonRefusals(t *testing.T) {
	for _, c := range []struct {
		change func(*export.Source)
		want   string
	}{
		{func(s *export.Source) { s.Settings.Workers = 0 }, "the measured server does not report its workers"},
		{func(s *export.Source) { s.Model.BatchAxis = new(false) }, "batch_size: 8 needs a batch axis"},
		{func(s *export.Source) { s.Model.Name = "///" }, `model name "///"`},
		{func(s *export.Source) {
			s.Model.Inputs = []profiles.Tensor{{Name: "x", Type: "FP8"}}
			s.Model.Outputs = s.Model.Inputs
		}, `"x": unknown type "FP8"`},
	} {
		s := source(t, 0)
		c.change(&s)
		if _, err := export.Write("triton", s, true); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Write = %v, want %q", err, c.want)
		}
	}
}

// TestTritonReader reads files as people write them: with another order, other brackets,
// comments and other fields. Errors name the field.
func TestTritonReader(t *testing.T) {
	s := source(t, 0)
	s.Settings.BatchDelay = 0
	const handwritten = `# mine
max_batch_size : 8 name: 'mlp' "-wide"
dynamic_batching < default_queue_policy { max_queue_size: 100 } preferred_batch_size: 8 >
version_policy: { latest { num_versions: 2 } }
instance_group { kind: KIND_CPU, count: 2; secondary_devices { kind: 1 } }
backend: "onnxruntime" parameters: { key: "intra_op_thread_count" value: { string_value: "1" } }
`
	d := export.Document{Format: "triton", Data: []byte(handwritten)}
	if err := export.Verify(d, s); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{"count: 2", "count: 3", `instance_group[0].count reads back as "3", want "2"`},
		{"preferred_batch_size: 8", "preferred_batch_size: [8, 4]", `reads back as "8, 4"`},
		{"< default", "< max_queue_delay_microseconds: 5 default", `max_queue_delay_microseconds reads back as "5", want "0"`},
		{"KIND_CPU", "KIND_TPU", "cannot be read back"},
		{"max_batch_size : 8", "max_batch_size : x", "cannot be read back"},
	} {
		d.Data = []byte(strings.Replace(handwritten, c.old, c.new, 1))
		if err := export.Verify(d, s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Verify = %v, want %q", c.new, err, c.want)
		}
	}
}

func TestKServeEnvelope(t *testing.T) {
	s := source(t, 0)
	for _, envelope := range []string{"kserve", "kservev2"} {
		s.Envelope = envelope
		_, err := export.Write("kserve", s, false)
		if !errors.Is(err, export.ErrRefused) || !strings.Contains(err.Error(), "batch_size 8 with the envelope "+envelope) {
			t.Errorf("batch 8 with %s: %v", envelope, err)
		}
		d, err := export.Write("kserve", s, true)
		if err != nil || !strings.Contains(strings.Join(d.Notes, "\n"), "works only at batch size 1") {
			t.Errorf("forced: %v, notes %q", err, d.Notes)
		}
		one := s
		one.Settings.BatchSize = 1
		if text := render(t, "kserve", one); !strings.Contains(text, "service_envelope="+envelope+"\n") {
			t.Errorf("batch 1 with %s:\n%s", envelope, text)
		}
	}
	s.Envelope = "jsn"
	if _, err := export.Write("kserve", s, true); err == nil || !strings.Contains(err.Error(), `envelope "jsn": unknown; did you mean json?`) {
		t.Errorf("an unknown envelope: %v", err)
	}
	s.Envelope, s.Model.Name = "", "123"
	if _, err := export.Write("kserve", s, true); err == nil || !strings.Contains(err.Error(), "Kubernetes accepts only letters") {
		t.Errorf("a name of digits: %v", err)
	}
	s.Model.Name = "MLP_" + strings.Repeat("x", 80)
	if text := render(t, "kserve", s); !strings.Contains(text, "\n  name: mlp-"+strings.Repeat("x", 46)+"\n") {
		t.Errorf("a long name:\n%s", text)
	}
}

func TestKServeConcurrency(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*export.Source)
		want   []string
	}{
		{"short queue", func(s *export.Source) { s.Settings.QueueSize = 2 }, []string{"containerConcurrency: 32\n"}},
		{"long queue", func(s *export.Source) { s.Settings.QueueSize = 500 }, []string{"containerConcurrency: 516\n"}},
		{"much load", func(s *export.Source) { s.Trial.Load.Concurrency = 900 }, []string{"containerConcurrency: 900\n", "scaleMetric: concurrency\n    scaleTarget: 900\n"}},
		{"open load", func(s *export.Source) { s.Trial.Load = load.Spec{Mode: load.Open, Rate: 80.7} }, []string{"scaleMetric: rps\n    scaleTarget: 80\n"}},
		{"one client", func(s *export.Source) { s.Trial.Load = load.Spec{Concurrency: 1} }, []string{"scaleMetric: concurrency\n    scaleTarget: 1\n"}},
		{"one request a second", func(s *export.Source) { s.Trial.Load = load.Spec{Mode: load.Open, Rate: 1} }, []string{"scaleMetric: rps\n    scaleTarget: 1\n"}},
		{"more threads than cores", func(s *export.Source) { s.Settings.Threads, s.Machine.Cores = 8, 4 }, []string{"limits:\n            cpu: \"4\"\n"}},
		{"cores unknown", func(s *export.Source) { s.Settings.Threads, s.Machine.Cores = 8, 0 }, []string{"limits:\n            cpu: \"16\"\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := source(t, 0)
			u := *s.Trial
			s.Trial = &u
			c.change(&s)
			text := render(t, "kserve", s)
			for _, w := range c.want {
				if !strings.Contains(text, w) {
					t.Errorf("no %q in\n%s", w, text)
				}
			}
		})
	}
	s := source(t, 0)
	u := *s.Trial
	u.Verdict.Result = trial.Fail
	s.Trial = &u
	if text := render(t, "kserve", s); strings.Contains(text, "scaleTarget:") {
		t.Errorf("a load that broke the promise is no target:\n%s", text)
	}
}

// TestKServeReplicas: the recommended number of replicas and the measured memory are in the export of
// the choice, and not in that of another trial.
func TestKServeReplicas(t *testing.T) {
	p := profile()
	p.Trials[1].Use.RSSMB = trial.NumOf(412)
	p.Choices[0].Why.Replicas = &trial.Replicas{RPS: 1500, Needed: 3, Recommended: 5}
	for n, want := range map[int]string{0: "minReplicas: 5\n", 2: "minReplicas: 1\n"} {
		s, err := export.From(p, n)
		if err != nil {
			t.Fatal(err)
		}
		text := render(t, "kserve", s)
		if !strings.Contains(text, want) || !strings.Contains(text, "used 412 MB") {
			t.Errorf("trial %d: no %q, or no memory, in\n%s", n, want, text)
		}
		if strings.Contains(text, "minReplicas 5 carries 1500 requests/s") != (n == 0) {
			t.Errorf("trial %d: the note on replicas:\n%s", n, text)
		}
	}
}

func TestKServeReader(t *testing.T) {
	s := source(t, 0)
	text := render(t, "kserve", s)
	for _, c := range []struct{ old, new, want string }{
		{"\"maxBatchDelay\": 10", "\"maxBatchDelay\": 11", `maxBatchDelay reads back as "11"`},
		{"containerConcurrency: 116", "containerConcurrency: 8", `containerConcurrency reads back as "8", want "116"`},
		{"          limits:\n            cpu: \"2\"", "          limits:\n            cpu: \"4\"", "cpu is requested as 2 and limited to 4"},
		{"---\n", "", "InferenceService"},
		{"          name: mlp-wide-config", "          name: other", `the volume is of "other"`},
		{"job_queue_size=100", "job_queue_size=x", "job_queue_size"},
	} {
		wrong := strings.Replace(text, c.old, c.new, 1)
		if wrong == text {
			t.Errorf("no %q to change", c.old)
		}
		if err := export.Verify(export.Document{Format: "kserve", Data: []byte(wrong)}, s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Verify = %v, want %q", c.new, err, c.want)
		}
	}
}

// TestOVMSNotes: the notes name the folder of the model, its name if that cannot be one, and what a GPU
// means.
func TestOVMSNotes(t *testing.T) {
	for _, c := range []struct {
		name, device string
		want, not    []string
	}{
		{"mlp", "cpu", []string{"the model is in the folder /models/mlp/1 there (base_path)."}, []string{"is not a suitable name", "GPU is a GPU of Intel"}},
		{"some net", "gpu", []string{`the model is in the folder /models/some-net/1 there (base_path); "some net" is not a suitable name for a folder.`, "GPU is a GPU of Intel in OpenVINO, and threads 1 has no meaning there."}, nil},
	} {
		s := source(t, 0)
		s.Model.Name, s.Settings.Device = c.name, c.device
		d, err := export.Write("ovms", s, true)
		if err != nil {
			t.Fatal(err)
		}
		notes := strings.Join(d.Notes, "\n")
		for _, want := range c.want {
			if !strings.Contains(notes, want) {
				t.Errorf("%s: no %q in\n%s", c.name, want, notes)
			}
		}
		for _, not := range c.not {
			if strings.Contains(notes, not) {
				t.Errorf("%s: %q in\n%s", c.name, not, notes)
			}
		}
	}
}

// TestTritonWithoutTensors: inputs without outputs are no description, and are not written.
func TestTritonWithoutTensors(t *testing.T) {
	s := source(t, 0)
	s.Model.Inputs = []profiles.Tensor{{Name: "x", Type: "FP32", Shape: []int64{4}}}
	if text := render(t, "triton", s); strings.Contains(text, "\ninput") {
		t.Errorf("inputs alone are written:\n%s", text)
	}
}

// TestModelWithoutVersion: TorchServe's files need a version; that of a model without one is 1.0.
func TestModelWithoutVersion(t *testing.T) {
	s := source(t, 0)
	s.Model.Version = ""
	if text := render(t, "config.properties", s); !strings.Contains(text, `"1.0": {`) {
		t.Errorf("no version 1.0 in\n%s", text)
	}
}

var manyRuns = regexp.MustCompile(`in \d+ runs`)

// TestRunsAreCounted: the comment says how many runs the figures are from, if there are several.
func TestRunsAreCounted(t *testing.T) {
	for runs, want := range map[int]bool{0: false, 1: false, 2: true, 3: true} {
		s := source(t, 0)
		s.Runs = runs
		if text := render(t, "config.properties", s); manyRuns.MatchString(text) != want || want && !strings.Contains(text, fmt.Sprintf("in %d runs", runs)) {
			t.Errorf("%d runs:\n%s", runs, text)
		}
	}
}

// TestNotesAreComplete: a setting for which a format has no key is in its notes.
func TestNotesAreComplete(t *testing.T) {
	s := source(t, 3)
	for _, f := range export.Formats() {
		d, err := export.Write(f.Name, s, true)
		if err != nil {
			t.Fatal(err)
		}
		notes := strings.Join(d.Notes, "\n")
		for _, want := range []string{"FP16", "verdict of these settings is fail"} {
			if !strings.Contains(notes, want) {
				t.Errorf("%s: no note about %s: %q", f.Name, want, d.Notes)
			}
		}
	}
}
