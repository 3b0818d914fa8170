package metrics

import (
	"fmt"
	"slices"
	"strings"
)

// Named is a metric of TorchServe's metrics.yaml.
type Named struct {
	Name    string
	Counter bool
	Unit    string
	Labels  []string // with the hostname
	From    string   // file and line
}

// Selection says which of TorchServe's metrics there are, with their units and the names of their
// labels. The zero value is all of them, as TorchServe's own file has them.
type Selection struct {
	families map[string]*family // nil: all
	others   []string           // names that handlers may measure
}

// handlers reports whether a metric of a handler is selected.
func (s Selection) handlers(name string) bool {
	return s.families == nil || slices.Contains(s.others, name)
}

// torchserveFamilies are the metrics that a metrics.yaml may have.
var torchserveFamilies = []*family{
	&inferenceRequests, &inferenceLatency, &queueLatency, &requests2XX, &requests4XX, &requests5XX,
	&queueTime, &workerLoadTime, &predictionTime, &handlerTime,
	&cpuUtilization, &memoryUsed, &memoryAvailable, &memoryUtilization, &diskUsage, &diskAvailable, &diskUtilization,
	&gpuUtilization, &gpuMemoryUsed,
}

// Select returns the selection of a metrics.yaml. The warnings name the metrics that are not
// measured, and what is not as the file says.
func Select(list []Named) (Selection, []string) {
	s := Selection{families: map[string]*family{}}
	var warnings []string
	for _, n := range list {
		i := slices.IndexFunc(torchserveFamilies, func(f *family) bool { return f.name == n.Name })
		if i < 0 {
			s.others = append(s.others, n.Name)
			warnings = append(warnings, fmt.Sprintf("%s: %s is measured only if a handler in Python does so", n.From, n.Name))
			continue
		}
		f := *torchserveFamilies[i]
		f.unit = n.Unit
		if counter := slices.Contains(counters, torchserveFamilies[i]); counter != n.Counter {
			warnings = append(warnings, fmt.Sprintf("%s: %s is always a %s", n.From, n.Name, kindText(counter)))
		}
		if len(n.Labels) == len(f.labels) {
			f.labels = n.Labels
		} else {
			warnings = append(warnings, fmt.Sprintf("%s: %s has the dimensions %s, and not %s", n.From, n.Name, strings.Join(f.labels, ", "), strings.Join(n.Labels, ", ")))
		}
		s.families[n.Name] = &f
	}
	return s, warnings
}

// counters are the families that are counters; the others are gauges.
var counters = []*family{&inferenceRequests, &inferenceLatency, &queueLatency, &requests2XX, &requests4XX, &requests5XX}

func kindText(counter bool) string {
	if counter {
		return "counter"
	}
	return "gauge"
}

// of returns a family as it is selected; nil if it is not.
func (s Selection) of(f *family) *family {
	if s.families == nil || f.unit == "" {
		return f
	}
	return s.families[f.name]
}
