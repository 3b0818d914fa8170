package export

import (
	"fmt"
	"math"
	"strings"

	"sweetspot/engine/knob"
)

// server has the settings with the names and units of one server, for the JSON format.
type server struct {
	Server  string      `json:"server"`
	Keys    []serverKey `json:"keys"`
	Without []string    `json:"without_key"` // settings for which the server has no key, and what to do instead
}

// serverKey is one setting of a server. Value is a number or a string, in the unit of the
// server.
type serverKey struct {
	Setting knob.Name `json:"setting"` // the knob from which it is derived; "sla" is the promise
	Key     string    `json:"key"`
	Value   any       `json:"value"`
	Unit    string    `json:"unit,omitempty"`
}

// servers returns the settings for all servers. It is empty if a common knob is not known.
func servers(s Source) []server {
	if checkComplete(s) != nil {
		return []server{}
	}
	return []server{bentoML(s), rayServe(s), litServe(s)}
}

// noFP16 is for servers that run code of their user.
const noFP16 = "FP16: load the model in FP16 in your own code."

// withoutKey returns the sentences for all servers, after those of one server.
func withoutKey(s Source, more ...string) []string {
	out := append([]string{}, more...)
	if own := s.Settings.Own; own != "" {
		out = append(out, fmt.Sprintf("%s: own knobs of the measured server.", own.Describe()))
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
	delay := "batch delay: BentoML chooses it itself; max_latency_ms limits the latency, not the delay, and drops requests that it expects to be late."
	if s.SLA != nil {
		out.Keys = append(out.Keys, serverKey{"sla", "@bentoml.api(max_latency_ms)", float64(s.SLA.Limit) / 1e6, "ms"})
		delay += " It is set to the promise."
	}
	out.Without = withoutKey(s, delay, threadsNote(s))
	return out
}

func rayServe(s Source) server {
	k := s.Settings
	gpuShare := 0.
	if gpus(s) > 0 { // rounded down, so that all replicas fit on the GPU
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
	}, Without: withoutKey(s, "max_ongoing_requests is twice max_batch_size: below max_batch_size it would limit the batches.")}
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
	}, Without: withoutKey(s, fmt.Sprintf("queue size %d: the queue of LitServe is unbounded.", k.QueueSize), threadsNote(s))}
}

// jsonNotes returns the sentences of all servers.
func jsonNotes(s Source) []string {
	out := verdictNotes(s)
	if err := checkComplete(s); err != nil {
		out = append(out, "The settings of other servers are left out: "+strings.TrimSuffix(err.Error(), "; "+ErrIncomplete.Error())+".")
	}
	for _, v := range servers(s) {
		for _, w := range v.Without {
			out = append(out, v.Server+": "+w)
		}
	}
	return out
}
