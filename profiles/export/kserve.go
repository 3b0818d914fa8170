package export

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"sweetspot/engine/config"
	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// Folders in the container: of the model, which KServe loads, and of the configuration.
const (
	mountModels = "/mnt/models"
	mountConfig = "/mnt/config"
)

var envelopes = []string{"body", "json", "kserve", "kservev2"}

// checkKServe refuses settings that TorchServe does not accept, and batches with an envelope
// that uses only their first request.
func checkKServe(s Source, force bool) error {
	if err := checkTorchServe(s, force); err != nil {
		return err
	}
	if s.Envelope != "" && !slices.Contains(envelopes, s.Envelope) {
		return fmt.Errorf("envelope %q: unknown%s", s.Envelope, knob.Suggest(s.Envelope, envelopes))
	}
	if objectName(forKServe(s)) == "" {
		return fmt.Errorf("model name %q: Kubernetes accepts only letters, digits and - in a name", s.Model.Name)
	}
	if strings.HasPrefix(s.Envelope, "kserve") && s.Settings.BatchSize > 1 && !force {
		return fmt.Errorf("batch_size %d with the envelope %s: it uses only the first request of a batch, so that TorchServe fails the batch; "+
			"choose a trial with batch size 1, the envelope json, or none; %w", s.Settings.BatchSize, s.Envelope, ErrRefused)
	}
	return nil
}

// forKServe is forTorchServe with the folder of the models in the container.
func forKServe(s Source) Source {
	s = forTorchServe(s)
	s.ModelStore = mountModels
	return s
}

// objectName returns the name of the model as a Kubernetes name: in lower case and at most
// 50 characters, because KServe appends to it.
func objectName(s Source) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(s.Model.Name))
	name = strings.TrimLeft(name, "-0123456789")
	return strings.TrimRight(name[:min(len(name), 50)], "-")
}

// containerProperties returns the configuration for a container. It listens on all
// interfaces, because access is controlled outside of the container.
func containerProperties(s Source) *config.File {
	f := properties(s)
	f.Set("inference_address", "http://0.0.0.0:8080")
	f.Set("metrics_address", "http://0.0.0.0:8082")
	f.Set("disable_token_authorization", "true")
	if s.Envelope != "" {
		f.Set("service_envelope", s.Envelope)
	}
	return f
}

func writeKServe(s Source) []byte {
	name := objectName(s)
	c := configMap{"v1", "ConfigMap", metadata{name + "-config"}, map[string]string{"config.properties": string(containerProperties(s).Encode())}}
	i := inferenceService{APIVersion: "serving.kserve.io/v1beta1", Kind: "InferenceService", Metadata: metadata{name}}
	i.Spec.Predictor = newPredictor(s)
	i.Spec.Predictor.Volumes = []volume{{"config", c.Metadata}}
	out := heading("KServe InferenceService for TorchServe", s, kserveNotes(s))
	for n, object := range []any{c, i} {
		if n > 0 {
			out = append(out, "---\n"...)
		}
		text, err := yaml.MarshalWithOptions(object, yaml.UseLiteralStyleIfMultiline(true), yaml.IndentSequence(true))
		if err != nil {
			panic("export: " + err.Error()) // numbers and strings can always be encoded
		}
		out = append(out, text...)
	}
	return out
}

func newPredictor(s Source) predictor {
	p := predictor{MinReplicas: 1, ContainerConcurrency: concurrency(s)}
	if s.Replicas != nil {
		p.MinReplicas = s.Replicas.Recommended
	}
	p.ScaleMetric, p.ScaleTarget = scale(s)
	c := container{
		Name: "kserve-container", Image: image(s), Command: []string{"torchserve"},
		Args: []string{"--start", "--foreground", "--ncs", "--ts-config", mountConfig + "/config.properties"},
		Env: []env{
			{"STORAGE_URI", "pvc://models/" + objectName(s)},
			{"OMP_NUM_THREADS", itoa(s.Settings.Threads)},
			{"MKL_NUM_THREADS", itoa(s.Settings.Threads)},
		},
		Ports:        []port{{"http1", 8080}},
		VolumeMounts: []mount{{"config", mountConfig}},
	}
	c.ReadinessProbe.HTTPGet.Path, c.ReadinessProbe.HTTPGet.Port = "/ping", 8080
	c.Resources.Requests, c.Resources.Limits = resources(s), resources(s)
	p.Containers = []container{c}
	return p
}

// concurrency returns the limit of requests in a pod: those that its workers execute and
// those in its queue. It is at least twice the number that they execute, so that the
// next batches can fill meanwhile, and at least the measured concurrency.
func concurrency(s Source) int {
	executing := s.Settings.Workers * s.Settings.BatchSize
	n := max(2*executing, executing+s.Settings.QueueSize)
	if metric, target := scale(s); metric == "concurrency" {
		n = max(n, target)
	}
	return n
}

// scale returns the load under which one replica kept the promise; "" if there is none.
func scale(s Source) (metric string, target int) {
	if s.Trial == nil || s.Trial.Verdict.Result != trial.Pass {
		return "", 0
	}
	switch l := s.Trial.Load; {
	case l.Mode == load.Closed && l.Concurrency > 0:
		return "concurrency", l.Concurrency
	case l.Mode == load.Open && l.Rate >= 1:
		return "rps", int(l.Rate)
	}
	return "", 0
}

// image returns the official image of the version of TorchServe for which the files are made.
func image(s Source) string {
	if gpus(s) > 0 {
		return "pytorch/torchserve:0.12.0-gpu"
	}
	return "pytorch/torchserve:0.12.0-cpu"
}

// resources returns the resources with which the workers were measured.
func resources(s Source) map[string]string {
	out := map[string]string{"cpu": itoa(s.Settings.Workers * s.Settings.Threads)}
	if cores := s.Machine.Cores; cores > 0 {
		out["cpu"] = itoa(min(cores, s.Settings.Workers*s.Settings.Threads))
	}
	if gpus(s) > 0 {
		out["nvidia.com/gpu"] = "1"
	}
	return out
}

// memoryNote says why there is no request of memory, with what was measured.
func memoryNote(s Source) string {
	text := "memory is not written: the memory of TorchServe itself was not measured. The default of KServe is 2 GiB."
	if s.Trial != nil {
		if mb, ok := s.Trial.Use.RSSMB.Get(); ok {
			text += fmt.Sprintf(" The engine that was measured used %.0f MB; TorchServe has a Python process for each worker in addition.", mb)
		}
	}
	return text
}

func kserveNotes(s Source) []string {
	out := append(torchServeNotes(s, true), sizeNotes(s, true)...)
	out = append(out, fmt.Sprintf("STORAGE_URI is a placeholder: it must contain %s, which KServe copies to %s.", archive(s), mountModels))
	switch s.Envelope {
	case "":
		out = append(out, fmt.Sprintf("Without an envelope clients call /predictions/%s. The envelopes of KServe, and its runtime for TorchServe, "+
			"work only at batch size 1: they use only the first request of a batch, so that TorchServe fails the batch.", s.Model.Name))
	case "kserve", "kservev2":
		out = append(out, fmt.Sprintf("The envelope %s works only at batch size 1: it uses only the first request of a batch, so that TorchServe fails the batch.", s.Envelope))
	}
	if _, target := scale(s); target > 0 {
		out = append(out, "scaleTarget is the load under which one replica was measured; autoscaling changes the load of each replica.")
	}
	if r := s.Replicas; r != nil {
		out = append(out, fmt.Sprintf("minReplicas %d carries %g requests/s with headroom and one that may be lost; %d are needed, each measured at its share. "+
			"Predicted: that the requests are spread evenly.", r.Recommended, r.RPS, r.Needed))
	}
	if id, on := gpu(s.Settings.Device); on && id != "" {
		out = append(out, fmt.Sprintf("device %s has no key: Kubernetes chooses the GPU.", s.Settings.Device))
	}
	return append(out,
		"containerConcurrency has an effect in Knative only; below workers x batch size batches could not fill. "+
			"Do not add the batcher of KServe: it would batch a second time.",
		memoryNote(s),
		"Tokens are disabled: access must be controlled outside of the container, for example by a service mesh.",
	)
}

func kserveFields(s Source) []field {
	out := append(propertiesFields(s),
		field{"inference_address", "http://0.0.0.0:8080"},
		field{"service_envelope", s.Envelope},
		field{"name", objectName(s)},
		field{"config", objectName(s) + "-config"},
		field{"containerConcurrency", itoa(concurrency(s))},
		field{"image", image(s)},
		field{"OMP_NUM_THREADS", itoa(s.Settings.Threads)},
		field{"MKL_NUM_THREADS", itoa(s.Settings.Threads)},
	)
	amounts := resources(s)
	for _, name := range slices.Sorted(maps.Keys(amounts)) {
		out = append(out, field{name, amounts[name]})
	}
	return out
}

func readKServe(data []byte, s Source) (map[string]string, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var c configMap
	var i inferenceService
	if err := dec.Decode(&c); err != nil {
		return nil, yamlError("ConfigMap", err)
	}
	if err := dec.Decode(&i); err != nil {
		return nil, yamlError("InferenceService", err)
	}
	p := i.Spec.Predictor
	if c.Kind != "ConfigMap" || i.Kind != "InferenceService" || len(p.Containers) != 1 || len(p.Volumes) != 1 {
		return nil, errors.New("want a ConfigMap, then an InferenceService with one container and one volume")
	}
	if p.Volumes[0].ConfigMap != c.Metadata {
		return nil, fmt.Errorf("the volume is of %q, the ConfigMap is %q", p.Volumes[0].ConfigMap.Name, c.Metadata.Name)
	}
	text := []byte(c.Data["config.properties"])
	out, err := readProperties(text, s)
	if err != nil {
		return nil, err
	}
	f, err := config.Parse("config.properties", text)
	if err != nil {
		return nil, err
	}
	out["inference_address"], out["service_envelope"] = f.Get("inference_address"), f.Get("service_envelope")
	out["name"], out["config"] = i.Metadata.Name, c.Metadata.Name
	out["containerConcurrency"], out["image"] = itoa(p.ContainerConcurrency), p.Containers[0].Image
	for _, e := range p.Containers[0].Env {
		out[e.Name] = e.Value
	}
	for name, n := range p.Containers[0].Resources.Requests {
		if p.Containers[0].Resources.Limits[name] != n {
			return nil, fmt.Errorf("resources: %s is requested as %s and limited to %s", name, n, p.Containers[0].Resources.Limits[name])
		}
		out[name] = n
	}
	return out, nil
}

// yamlError returns a YAML error in one line, or an error that says that the document is missing.
func yamlError(what string, err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("no %s", what)
	}
	return fmt.Errorf("%s: %s", what, strings.TrimSpace(yaml.FormatError(err, false, true)))
}
