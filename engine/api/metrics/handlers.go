package metrics

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"sweetspot/engine"
)

// handlers sends the metrics that handlers in Python have measured. They have the names, units and
// dimensions that the handlers give them. Prometheus wants the same kind and labels for all series of a name:
// those that differ from the first are left out, and so are names that this package has.
func (c *collector) handlers(all []measured) {
	if c.line != nil {
		return
	}
	first := map[string]string{}
	for _, s := range all {
		for _, m := range s.service.HandlerMetrics() {
			if !c.handlerWanted(m) {
				continue
			}
			names, values := []string{}, []string{}
			for _, l := range m.Labels {
				names, values = append(names, l.Name), append(values, l.Value)
			}
			shape := fmt.Sprint(m.Kind, names, m.Unit)
			if seen, ok := first[m.Name]; ok && seen != shape {
				continue
			}
			if sent := c.handler(m, names, values); sent {
				first[m.Name] = shape
			}
		}
	}
}

// handlerWanted reports whether a metric of a handler may be sent, and is asked for.
func (c *collector) handlerWanted(m engine.HandlerMetric) bool {
	ours := strings.HasPrefix(m.Name, "sweetspot_") || slices.ContainsFunc(torchserveFamilies, func(f *family) bool { return f.name == m.Name })
	return !ours && c.Selection.handlers(m.Name) && c.wanted(&family{name: m.Name})
}

// handler sends one metric, if its names are legal.
func (c *collector) handler(m engine.HandlerMetric, names, values []string) bool {
	if !isLegal(m.Name) || slices.ContainsFunc(names, func(n string) bool { return !isLegal(n) || strings.HasPrefix(n, "__") }) {
		return false
	}
	desc := prometheus.NewDesc(m.Name, strings.TrimSpace("Measured by the handler of a model. "+m.Unit), names, nil)
	var out prometheus.Metric
	var err error
	switch m.Kind {
	case engine.HandlerCounter:
		out, err = prometheus.NewConstMetric(desc, prometheus.CounterValue, m.Value, valid(values)...)
	case engine.HandlerHistogram:
		out, err = prometheus.NewConstSummary(desc, uint64(m.Count), m.Value, nil, valid(values)...) //nolint:gosec // it is not negative
	default:
		out, err = prometheus.NewConstMetric(desc, prometheus.GaugeValue, m.Value, valid(values)...)
	}
	if err == nil {
		c.out(out)
	}
	return err == nil
}

// isLegal reports whether Prometheus takes the name of a metric or a label in any version.
func isLegal(name string) bool {
	digit := func(r rune) bool { return r >= '0' && r <= '9' }
	return name != "" && !digit(rune(name[0])) && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !digit(r) && r != '_'
	})
}
