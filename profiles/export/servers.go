package export

import (
	"fmt"
	"math"
	"strings"

	"sweetspot/engine/knob"
)

// server is how one server calls the settings, for the plain JSON export.
type server struct {
	Server  string      `json:"server"`
	Keys    []serverKey `json:"keys"`
	Without []string    `json:"without_key"` // what has no key there and what to do instead
}

// serverKey is one setting in a server's words. Value is a number or a text, in
// Unit where it has one: units differ from server to server.
type serverKey struct {
	Setting knob.Name `json:"setting"` // what it comes from; "sla" for the promise
	Key     string    `json:"key"`
	Value   any       `json:"value"`
	Unit    string    `json:"unit,omitempty"`
}

// servers is the mapping table. It is empty where the settings are not all known.
func servers(s Source) []server {
	if untold(s) != nil {
		return []server{}
	}
	return []server{bentoML(s), rayServe(s), litServe(s)}
}

const noFP16 = "FP16: load the model in FP16 in your own code."

// without are the sentences that every server needs.
func without(s Source, more ...string) []string {
	out := append([]string{}, more...)
	if own := s.Settings.Own; own != "" {
		out = append(out, fmt.Sprintf("%s: knobs of the measured server's own.", own.Describe()))
	}
	if s.Settings.Precision == knob.HalfPrecision {
		out = append(out, noFP16)
	}
	return out
}

func threadsNote(s Source) string {
	return fmt.Sprintf("threads: start with OMP_NUM_THREADS=%d, or set intra_op_num_threads in your own code.", s.Settings.Threads)
}

func bentoML(s Source) server {
	k := s.Settings
	out := server{Server: "BentoML 1", Keys: []serverKey{
		{knob.Workers, "@bentoml.service(workers)", k.Workers, ""},
		{knob.BatchSize, "@bentoml.api(batchable=True, max_batch_size)", k.BatchSize, ""},
		{knob.QueueSize, "@bentoml.service(traffic.max_concurrency)", k.Workers*k.BatchSize + k.QueueSize, "requests waiting and executing"},
	}}
	if gpus(s) > 0 {
		out.Keys = append(out.Keys, serverKey{knob.Device, "@bentoml.service(resources.gpu)", 1, ""})
	} else {
		out.Keys = append(out.Keys, serverKey{knob.Device, "@bentoml.service(resources.cpu)", k.Workers * k.Threads, ""})
	}
	delay := "batch delay: BentoML waits as long as it sees fit; max_latency_ms bounds the latency, not the wait, and drops what it expects to be late."
	if s.SLA != nil {
		out.Keys = append(out.Keys, serverKey{"sla", "@bentoml.api(max_latency_ms)", float64(s.SLA.Limit) / 1e6, "ms"})
		delay += " It is set to the promise."
	}
	out.Without = without(s, delay, threadsNote(s))
	return out
}

func rayServe(s Source) server {
	k := s.Settings
	gpuShare := 0.
	if gpus(s) > 0 { // rounded down, or the last replica finds no place
		gpuShare = math.Floor(1e4/float64(k.Workers)) / 1e4
	}
	return server{Server: "Ray Serve", Keys: []serverKey{
		{knob.Workers, "@serve.deployment(num_replicas)", k.Workers, ""},
		{knob.BatchSize, "@serve.batch(max_batch_size)", k.BatchSize, ""},
		{knob.BatchSize, "@serve.deployment(max_ongoing_requests)", 2 * k.BatchSize, "requests a replica"},
		{knob.BatchDelay, "@serve.batch(batch_wait_timeout_s)", k.BatchDelay.Seconds(), "s"},
		{knob.QueueSize, "@serve.deployment(max_queued_requests)", k.QueueSize, "requests"},
		{knob.Threads, "@serve.deployment(ray_actor_options.num_cpus)", k.Threads, ""},
		{knob.Device, "@serve.deployment(ray_actor_options.num_gpus)", gpuShare, "GPUs a replica"},
	}, Without: without(s, "max_ongoing_requests below max_batch_size would cap the batches: it is twice as much.")}
}

func litServe(s Source) server {
	k := s.Settings
	accelerator := "cpu"
	if gpus(s) > 0 {
		accelerator = "gpu"
	}
	return server{Server: "LitServe", Keys: []serverKey{
		{knob.Workers, "LitServer(workers_per_device)", k.Workers, ""},
		{knob.BatchSize, "LitAPI(max_batch_size)", k.BatchSize, ""},
		{knob.BatchDelay, "LitAPI(batch_timeout)", k.BatchDelay.Seconds(), "s"},
		{knob.Device, "LitServer(accelerator)", accelerator, ""},
		{knob.Device, "LitServer(devices)", 1, ""},
	}, Without: without(s, fmt.Sprintf("queue size %d: LitServe's queue has no bound.", k.QueueSize), threadsNote(s))}
}

// jsonNotes are the mapping's sentences, by server.
func jsonNotes(s Source) []string {
	out := verdictNotes(s)
	if err := untold(s); err != nil {
		out = append(out, "What the settings are called in other servers is left out: "+strings.TrimSuffix(err.Error(), "; "+ErrUntold.Error())+".")
	}
	for _, v := range servers(s) {
		for _, w := range v.Without {
			out = append(out, v.Server+": "+w)
		}
	}
	return out
}
