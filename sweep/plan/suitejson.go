package plan

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"sweetspot/engine/knob"
)

// isTrialFile reports whether root is a JSON file of benchmark-ab.py: options with one value each,
// and none of the keys of a plan.
func isTrialFile(root *node) bool {
	if root.kind != mapping || root.find("version") != nil || root.find("model") != nil {
		return false
	}
	known := false
	for _, e := range root.keys {
		if e.value.kind == mapping {
			return false
		}
		known = known || slices.Contains([]string{"url", "workers", "batch_size", "batch_delay", "concurrency", "requests"}, e.name)
	}
	return known
}

// trialPlan reads a JSON file of benchmark-ab.py, for which its options have defaults.
func trialPlan(name string, root *node) (Plan, error) {
	base := strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
	r := newEntryReader(name, suiteFile{}, group(base))
	p := &r.plan
	p.Name = base
	p.Knobs = map[knob.Name]string{knob.Workers: "1", knob.BatchSize: "1", knob.BatchDelay: "200"}
	p.Trial.Requests = 100
	r.mapping("", root, append(r.commonFields(),
		field{"gpus", func(_ string, n *node) {
			if n.text != "" {
				r.gpus(n)
			}
		}},
		field{"inference_model_url", r.inferenceURL},
	))
	r.setDevices()
	p.Notes = append(p.Notes, "read as the options of TorchServe's benchmark-ab.py; workers, batch_size, batch_delay, concurrency and requests have its defaults if the file does not have them")
	err := r.finish()
	return *p, err
}

// group returns the group of a JSON file of the suite: its name without the numbers of workers
// and batch size.
func group(base string) string {
	for range 2 {
		if i := strings.LastIndexByte(base, '_'); i > 0 && len(base) > i+2 && strings.ContainsRune("wb", rune(base[i+1])) && allDigits(base[i+2:]) {
			base = base[:i]
		}
	}
	return base
}

func allDigits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// inferenceURL reads the path of the requests. A sweep sends predictions to the model of the plan.
func (r *entryReader) inferenceURL(path string, n *node) {
	switch first, _, _ := strings.Cut(n.text, "/"); first {
	case "predictions":
	case "wfpredict":
		r.plan.Suite.workflow = "a workflow chains several models; a sweep tunes one model: give each model of it a plan of its own"
	default:
		r.addError(n.at, path, "%q: a sweep sends predictions; want predictions/NAME", n.text)
	}
}

// TestPlans returns the names of the test plans of benchmark-ab.py that [Load] reads like files.
func TestPlans() []string {
	names := make([]string, len(testPlans))
	for i, p := range testPlans {
		names[i] = p.name
	}
	return names
}

// testPlan returns the options of a test plan as a JSON file.
func testPlan(name string) (text string, ok bool) {
	for _, p := range testPlans {
		if p.name == name {
			return p.options, true
		}
	}
	return "", false
}

// testPlans are the test plans of benchmark-ab.py. There they have no effect since 2024, because
// the defaults of all options replace their values; here their values count.
var testPlans = []struct{ name, options string }{
	{"soak", `{"requests": 100000, "concurrency": 10}`},
	{"vgg11_1000r_10c", trialOptions("vgg11.mar", 1000, 10, "")},
	{"vgg11_10000r_100c", trialOptions("vgg11.mar", 10000, 100, "")},
	{"resnet152_batch", trialOptions("resnet-152-batch.mar", 1000, 10, `, "batch_size": 4`)},
	{"resnet152_batch_docker", trialOptions("resnet-152-batch.mar", 1000, 10, `, "batch_size": 4, "exec_env": "docker"`)},
	{"bert_batch", trialOptions("BERTSeqClassification.mar", 1000, 10,
		`, "batch_size": 4, "input": "../examples/Huggingface_Transformers/Seq_classification_artifacts/sample_text.txt"`)},
	{"workflow_nmt", `{"requests": 100, "inference_model_url": "wfpredict/benchmark"}`},
	{"custom", `{"requests": 100}`},
}

// trialOptions returns the options of a test plan with one of TorchServe's public archives.
func trialOptions(archive string, requests, clients int, more string) string {
	return fmt.Sprintf(`{"url": "https://torchserve.pytorch.org/mar_files/%s", "requests": %d, "concurrency": %d%s}`, archive, requests, clients, more)
}
