package trial

// MetricSet says which metrics a target reports in addition to its answers. The others
// are missing in results and shown as n/a, and no verdict depends on them. The zero
// value is a server that only answers.
type MetricSet struct {
	ModelLatency bool `json:"model_latency"` // execution time of the batch of each request
	Batches      bool `json:"batches"`       // size of the batch of each request
	Breakdown    bool `json:"breakdown"`     // decode, queue, formation, execution and encode times
	Utilization  bool `json:"utilization"`   // of processor and GPU
	Memory       bool `json:"memory"`
}

// AllMetrics returns the set of all metrics, which our own engine on this machine reports.
func AllMetrics() MetricSet { return MetricSet{true, true, true, true, true} }

// HasServiceTimes reports whether the service time of full batches can be measured, which
// probes and predictions need.
func (m MetricSet) HasServiceTimes() bool { return m.ModelLatency && m.Batches }
