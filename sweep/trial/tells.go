package trial

// Tells is what a target tells of itself beside its answers. What it does not tell
// is not measured: it is shown as n/a, nobody waits for it, and nothing is judged by
// it. The zero value is a server that only answers.
type MetricSet struct {
	ModelLatency bool `json:"model_latency"` // execution time of the batch that each request rode in
	Batches      bool `json:"batches"`       // how many requests that batch held
	Breakdown    bool `json:"breakdown"`     // decode, queue, formation, execution, encode
	Utilization  bool `json:"utilization"`   // processor and GPU
	Memory       bool `json:"memory"`
}

// TellsAll is what an engine of our own tells on this machine.
func AllMetrics() MetricSet { return MetricSet{true, true, true, true, true} }

// ServiceTimes tells whether the time of a full batch can be seen from outside, which
// probes take and predictions rest on.
func (t MetricSet) HasServiceTimes() bool { return t.ModelLatency && t.Batches }
