package metrics

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"sweetspot/engine"
)

// collector makes the metrics of one scrape.
type collector struct {
	Config
	only []string // names of metrics; empty means all
	out  func(prometheus.Metric)
	// line takes the values instead of out, for log files.
	line func(f *family, counter bool, v float64, labels []string)
	// order gets the labels of TorchServe's metrics in their order, if it is not nil.
	order map[string][]string
}

// Describe sends nothing: which metrics there are depends on the models that are served.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the metrics.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	if c.Mode == Log {
		return
	}
	scrape := *c
	scrape.out = func(m prometheus.Metric) { out <- m }
	scrape.collect()
}

// collect sends the metrics.
func (c *collector) collect() {
	var all []measured // once, so that the figures of a scrape fit together
	for _, s := range c.Engine.Services() {
		all = append(all, measured{s, s.Model(), s.Measurements()})
	}
	for _, s := range all {
		c.torchserve(s)
	}
	if c.Mode == Legacy {
		return
	}
	for _, s := range all {
		c.model(s)
	}
	c.lastSamples(all)
	c.handlers(all)
	c.answers()
	c.memory()
	c.host()
}

// measured is a version of a model with its measurements.
type measured struct {
	service *engine.ModelService
	model   *engine.Model
	engine.Measurements
}

// family is a metric: its name, help and labels.
type family struct {
	name, help string
	labels     []string

	unit    string // of TorchServe's log lines; "" if the metric is ours
	backend bool   // its lines are in model_metrics.log
	system  bool   // it is written at every interval, and not at a change
}

// wanted reports whether the filter has the metric, or one of its series.
func (c *collector) wanted(f *family) bool {
	if len(c.only) == 0 {
		return true
	}
	return slices.ContainsFunc(c.only, func(name string) bool {
		suffix, ok := strings.CutPrefix(name, f.name)
		return ok && (suffix == "" || suffix == "_bucket" || suffix == "_sum" || suffix == "_count")
	})
}

func (c *collector) send(f *family, kind prometheus.ValueType, v float64, labels ...string) {
	f = c.Selection.of(f)
	switch {
	case f == nil, !c.wanted(f):
	case c.line != nil:
		c.line(f, kind == prometheus.CounterValue, v, labels)
	default:
		if f.unit != "" && c.order != nil {
			c.order[f.name] = f.labels
		}
		c.out(prometheus.MustNewConstMetric(prometheus.NewDesc(f.name, f.help, f.labels, nil), kind, v, valid(labels)...))
	}
}

// valid returns the labels as UTF-8, which Prometheus requires. The name of a model may be any
// text if a program embeds the engine.
func valid(labels []string) []string {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "?")
	}
	return labels
}

func (c *collector) counter(f *family, v float64, labels ...string) {
	c.send(f, prometheus.CounterValue, v, labels...)
}

func (c *collector) gauge(f *family, v float64, labels ...string) {
	c.send(f, prometheus.GaugeValue, v, labels...)
}

// histogram sends a histogram; counts are those of the bounds and of what is above all.
func (c *collector) histogram(f *family, bounds []float64, counts []int64, sum float64, labels ...string) {
	if !c.wanted(f) || c.line != nil {
		return
	}
	buckets, total := make(map[float64]uint64, len(bounds)), uint64(0)
	for i, n := range counts {
		total += uint64(n)
		if i < len(bounds) {
			buckets[bounds[i]] = total
		}
	}
	c.out(prometheus.MustNewConstHistogram(prometheus.NewDesc(f.name, f.help, f.labels, nil), total, sum, buckets, valid(labels)...))
}

// durations sends a histogram of durations in seconds.
func (c *collector) durations(f *family, h engine.Histogram, labels ...string) {
	bounds := make([]float64, len(h.Bounds))
	for i, b := range h.Bounds {
		bounds[i] = b.Seconds()
	}
	c.histogram(f, bounds, h.Counts, h.Sum.Seconds(), labels...)
}

// answers sends the counts of answers by status.
func (c *collector) answers() {
	if c.Answers == nil {
		return
	}
	var by [3]int64 // TorchServe's classes
	for _, n := range c.Answers() {
		c.counter(&responses, float64(n.N), n.Route.String(), statusText(n.Status))
		by[classOf(n.Status)] += n.N
	}
	for i, f := range []*family{&requests2XX, &requests4XX, &requests5XX} {
		c.counter(f, float64(by[i]), hostLevel, c.Hostname)
	}
}

// classOf returns TorchServe's class of a status: 2XX, 4XX, and everything else, which it
// counts as 5XX. Our 206 and 503 are where TorchServe's are.
func classOf(status int) int {
	switch {
	case status >= 200 && status < 300:
		return 0
	case status >= 400 && status < 500:
		return 1
	}
	return 2
}

// memory sends the memory of requests.
func (c *collector) memory() {
	if c.Budget == nil {
		return
	}
	c.gauge(&requestMemory, float64(c.Budget.Used()))
	c.gauge(&requestMemoryLimit, float64(c.Budget.Limit()))
	c.counter(&memoryRefusals, float64(c.Budget.Refused()))
}

// statusText is a status as a label.
func statusText(status int) string {
	digits := [3]byte{byte('0' + status/100), byte('0' + status/10%10), byte('0' + status%10)}
	return string(digits[:])
}
