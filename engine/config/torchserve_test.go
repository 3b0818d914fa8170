package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/config"
	"sweetspot/engine/knob"
)

const example = `inference_address=http://0.0.0.0:8080
management_address: http://127.0.0.1:8081
metrics_address http://127.0.0.1:8082
grpc_inference_port=7070
model_store=/models
load_models=mlp=mlp.mar,other.mar
job_queue_size=50
number_of_gpu=0
models={\
  "mlp": {\
    "1.0": {\
      "defaultVersion": true,\
      "marName": "mlp.mar",\
      "minWorkers": 2,\
      "maxWorkers": 2,\
      "batchSize": 8,\
      "maxBatchDelay": 10,\
      "responseTimeout": 60\
    }\
  },\
  "other": {"2.0": {"batchSize": "4", "maxBatchDelay": "5"}}\
}
`

func TestTorchServe(t *testing.T) {
	f, err := config.Parse("config.properties", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	got, warnings, err := f.TorchServe()
	if err != nil || len(warnings) > 0 {
		t.Fatalf("TorchServe: %v, warnings %q", err, warnings)
	}
	want := config.TorchServe{
		InferenceAddress: "http://0.0.0.0:8080", ManagementAddress: "http://127.0.0.1:8081", MetricsAddress: "http://127.0.0.1:8082",
		GRPC: config.GRPC{GRPCInferencePort: 7070}, ModelStore: "/models", QueueSize: 50, NumberOfGPU: new(0),
		LoadModels: []config.Load{{Name: "mlp", File: "mlp.mar"}, {File: "other.mar"}},
		Models: []config.Model{
			{Name: "mlp", Version: "1.0", Line: 11, MarName: "mlp.mar", MinWorkers: 2, MaxWorkers: 2, BatchSize: 8, MaxBatchDelay: 10, ResponseTimeout: 60},
			{Name: "other", Version: "2.0", Line: 21, BatchSize: 4, MaxBatchDelay: 5},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("TorchServe (-want +got):\n%s", diff)
	}
	m, ok := got.Model("mlp", "1.0")
	if !ok {
		t.Fatal("Model(mlp, 1.0): none")
	}
	base := knob.Default(knob.TorchServe)
	over := base
	over.Workers, over.BatchSize, over.BatchDelay = 2, 8, 10*time.Millisecond
	if got := m.Over(base); got != over {
		t.Errorf("Over = %v, want %v", got, over)
	}
	if _, ok := got.Model("mlp", "1"); ok {
		t.Error(`Model(mlp, 1) was found; only "1.0" is there`)
	}
}

func TestTorchServeMessages(t *testing.T) {
	tests := []struct {
		name, in string
		warnings []string // each is the start of one warning, in order
		errs     []string
		hinders  []string // of Check
	}{
		{name: "clean", in: "load_models=all\nasync_logging=true\n"},
		{name: "duplicate", in: "job_queue_size=1\njob_queue_size=2\n", warnings: []string{"f:1: job_queue_size: line 2 has the key again, and the last one wins"}},
		{name: "trailing blank", in: "job_queue_size=5 \n", errs: []string{`f:1: job_queue_size: "5 " ends in blanks`}},
		{name: "trailing blank in a text", in: "model_store=/m \n", warnings: []string{`f:1: model_store: "/m " ends in blanks`}},
		{name: "number with a comment", in: "job_queue_size=5 # small\n", errs: []string{`f:1: job_queue_size: "5 # small" is not a whole number; a comment needs a line of its own`}},
		{name: "truth with a comment", in: "debug=true # yes\n", warnings: []string{`f:1: debug: "true # yes" reads as false`}},
		{name: "another word for true", in: "debug=yes\n", warnings: []string{`f:1: debug: "yes" reads as false: only true is true; write true`}},
		{name: "text with a comment", in: "model_store=/m # here\n", warnings: []string{`f:1: model_store: a comment needs a line of its own: the value is "/m # here"`}},
		{name: "unknown", in: "job_queue_sise=5\nNUM_WORKERS=2\nmetrics_format=prometheus\n", warnings: []string{
			"f:1: job_queue_sise: unknown key, which TorchServe ignores; did you mean job_queue_size?",
			"f:2: NUM_WORKERS: unknown key, which TorchServe ignores",
			"f:3: metrics_format: unknown key, which TorchServe ignores; did you mean metrics_mode?",
		}},
		{name: "out of range", in: "job_queue_size=0\ngrpc_inference_port=70000\nnumber_of_gpu=-1\nio_ratio=x", errs: []string{
			"f:1: job_queue_size: 0 is outside", "f:2: grpc_inference_port: 70000 is outside 1-65535", "f:3: number_of_gpu: -1 is outside", `f:4: io_ratio: "x" is no`,
		}},
		{name: "addresses", in: "inference_address=localhost:8080\nmanagement_address=http://h:1/\nmetrics_address=unix:/m\n", errs: []string{
			`f:1: inference_address: "localhost:8080" is not an address: TorchServe does not start; write http://localhost:8080`,
			`f:2: management_address: "http://h:1/" is not an address: TorchServe does not start; write http://h:1`,
		}},
		{name: "modes", in: "metrics_mode=json\ntoken_expiration_min=x\n", warnings: []string{`f:1: metrics_mode: TorchServe does not know "json"`, `f:2: token_expiration_min: "x" is not a number`}},
		{name: "life of keys", in: "token_expiration_min=1e300\n", errs: []string{`f:1: token_expiration_min: "1e300" is too large: TorchServe cannot compute when the keys expire; write a number up to 52560000`}},
		{name: "endless life of keys", in: "token_expiration_min=Infinity\n", errs: []string{`f:1: token_expiration_min: "Infinity" is too large`}},
		{name: "overflow of the life of keys", in: "token_expiration_min=1e999\n", errs: []string{`f:1: token_expiration_min: "1e999" is too large`}},
		{name: "no life of keys", in: "token_expiration_min=NaN\n", errs: []string{`f:1: token_expiration_min: "NaN" is no time: the keys would have expired when they are made; write a number of minutes, 0.0001 or more`}},
		{name: "negative life of keys", in: "token_expiration_min=-5\n", errs: []string{`f:1: token_expiration_min: "-5" is no time`}},
		{name: "life of keys of 0", in: "token_expiration_min=0\n", errs: []string{`f:1: token_expiration_min: "0" is no time`}},
		{name: "short life of keys", in: "token_expiration_min=0.02 \n"},
		{name: "start script", in: "model_store: /m\nvmargs=-Xmx1g\\\n -Da=b\n", warnings: []string{"f:1: model_store: the start script reads", "f:2: vmargs: the start script reads"}},
		{name: "load_models", in: "load_models=a=,=b\n", errs: []string{`f:1: load_models: "a="`, `f:1: load_models: "=b"`}},
		{name: "blanks in load_models", in: "load_models=a=a.mar, b=b.mar\n", warnings: []string{`f:1: load_models: blanks between the entries`}},
		{name: "snapshot", in: "load_models=a\nmodel_snapshot={}\n", warnings: []string{`f:1: load_models: TorchServe ignores it, because line 2 has model_snapshot`}},
		{name: "a model's key", in: "load_models=all\nbatch_size=4\n", warnings: []string{`f:2: batch_size: TorchServe reads batchSize only in the block of models`}},
		{name: "queue", in: "load_models=all\njob_queue_size=4\n" + `models={"m": {"1.0": {"batchSize": 8, "maxBatchDelay": 5}}}`, hinders: []string{`f:2: job_queue_size: the queue holds 4 requests, fewer than a batch of 8`}},
		{name: "envelope", in: "load_models=all\nservice_envelope=kserve\n" + `models={"m": {"1.0": {"batchSize": 8, "maxBatchDelay": 5}}}`, hinders: []string{`f:2: service_envelope: this envelope uses only the first request`}},
		{
			name: "block loads nothing", in: `models={"m": {"1.0": {"batchSize": 2, "maxBatchDelay": 1}}}`,
			warnings: []string{"f:1: models: the block loads nothing"},
		},
		{
			name: "block without its model", in: "load_models=n=m.mar\n" + `models={"m": {"1.0": {"batchSize": 2, "maxBatchDelay": 1}}}`,
			warnings: []string{`f:2: models.m.1.0: load_models loads no "m"`},
		},
		{
			name: "block's traps", in: "load_models=all\nmodels={\\\n\"m\": {\\\n\"1.0\": {\\\n\"minWorkers\": 2,\\\n\"maxBatchDelay\": 0,\\\n\"batch_size\": 4,\\\n\"jobQueueSize\": 4,\\\n\"batchSize\": 2.5}}}\n",
			warnings: []string{
				"f:4: models.m.1.0: minWorkers without maxWorkers", "f:6: models.m.1.0.maxBatchDelay: 0: TorchServe reads 0 and less as not set, so the delay is 100 ms",
				"f:7: models.m.1.0.batch_size: TorchServe does not read batch_size here; did you mean batchSize?",
				"f:8: models.m.1.0.jobQueueSize: TorchServe does not read jobQueueSize here, only in the model-config.yaml",
				"f:9: models.m.1.0.batchSize: 2.5 is not a whole number: TorchServe reads 2",
			},
		},
		{name: "text for a number", in: "load_models=all\n" + `models={"m": {"1.0": {"batchSize": "x"}}}`, errs: []string{`f:2: models.m.1.0.batchSize: "\"x\"" is not a whole number`}},
		{name: "min above max", in: "load_models=all\n" + `models={"m": {"1.0": {"minWorkers": 2, "maxWorkers": 1}}}`, hinders: []string{"f:2: models.m.1.0: minWorkers 2 is above maxWorkers 1"}},
		{name: "max without min", in: "load_models=all\n" + `models={"m": {"1.0": {"maxWorkers": 1}}}`, warnings: []string{"f:2: models.m.1.0: maxWorkers without minWorkers"}},
		{name: "forgotten backslash", in: "load_models=all\nmodels={\\\n\"m\": {\n\"1.0\": {}}}\n", errs: []string{"f:3: models: not a JSON object (does every line"}},
		{name: "twice", in: "load_models=all\n" + `models={"m": {"1.0": {}, "1.0": {}}}`, errs: []string{`f:2: models: "1.0" occurs twice`}},
		{name: "no object", in: "load_models=all\nmodels=[1]\n", errs: []string{"f:2: models: found [, want {"}},
		{name: "more", in: "load_models=all\nmodels={} {}\n", errs: []string{"f:2: models: text after"}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			f, err := config.Parse("f", []byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			_, warnings, err := f.TorchServe()
			var errs []string
			if err != nil {
				errs = strings.Split(err.Error(), "\n")
			}
			starts(t, "warnings", warnings, c.warnings)
			starts(t, "errors", errs, c.errs)
			var hinders []string
			_, list := f.Check(nil)
			for _, finding := range list {
				if finding.Severity == config.Hinders {
					hinders = append(hinders, finding.String())
				}
			}
			starts(t, "hinders", hinders, c.hinders)
		})
	}
}

// starts checks that got has one message for each start in want, in order.
func starts(t *testing.T, what string, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s = %q, want %q", what, got, want)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("%s[%d] = %q, want it to start with %q", what, i, got[i], want[i])
		}
	}
}

func TestModelsValueRoundTrips(t *testing.T) {
	want := []config.Model{
		{Name: "é \"x\"\\", Version: "1.0", MinWorkers: 1, MaxWorkers: 1},
		{Name: "b", Version: "1", MarName: "b&c.mar", StartupTimeout: 9},
	}
	f := &config.File{Name: "f"}
	f.Set("load_models", "all")
	f.Set("models", config.ModelsValue(want))
	read, err := config.Parse("f", f.Encode())
	if err != nil {
		t.Fatal(err)
	}
	got, warnings, err := read.TorchServe()
	if err != nil || len(warnings) > 0 {
		t.Fatalf("TorchServe: %v, warnings %q", err, warnings)
	}
	for i := range got.Models {
		got.Models[i].Line = 0
	}
	if diff := cmp.Diff(want, got.Models); diff != "" {
		t.Errorf("models (-want +got):\n%s", diff)
	}
}
