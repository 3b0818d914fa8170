package protocol

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Metric is a measurement that a worker prints as a line:
//
//	[METRICS]PredictionTime.Milliseconds:0.18|#ModelName:m,Level:Model|#type:GAUGE|#hostname:vm,1795334374,id-1,id-2
type Metric struct {
	Name, Unit string
	Value      float64
	Dimensions []Dimension
	Type       string // COUNTER, GAUGE, HISTOGRAM
	Host       string
	Time       int64    // seconds since 1970
	Requests   []string // IDs of the requests of the batch
}

// Dimension is a label of a metric.
type Dimension struct{ Name, Value string }

// metricMark begins a line with a metric.
const metricMark = "[METRICS]"

// IsMetric reports whether a line of a worker is a metric.
func IsMetric(line string) bool {
	return strings.HasPrefix(line, metricMark) || strings.HasPrefix(line, "INFO > "+metricMark)
}

// ParseMetric reads a line that IsMetric reports.
func ParseMetric(line string) (Metric, error) {
	var m Metric
	_, text, ok := strings.Cut(line, metricMark)
	if !ok {
		return m, fmt.Errorf("metric %.60q: want %s first", line, metricMark)
	}
	// Dimensions may have any text, so that the sections are looked for from the end.
	text, host, ok := cutLast(text, "|#hostname:")
	if !ok {
		return m, fmt.Errorf("metric %.60q: want |#hostname: and a host", line)
	}
	if text, m.Type, ok = cutLast(text, "|#type:"); !ok {
		return m, fmt.Errorf("metric %.60q: want |#type: and a type", line)
	}
	if m.Type != "COUNTER" && m.Type != "GAUGE" && m.Type != "HISTOGRAM" {
		return m, fmt.Errorf("metric %.60q: the type %.20q; want COUNTER, GAUGE or HISTOGRAM", line, m.Type)
	}
	head, dimensions, ok := strings.Cut(text, "|#")
	if !ok {
		return m, fmt.Errorf("metric %.60q: want |# and dimensions", line)
	}
	if err := m.readHead(head); err != nil {
		return m, fmt.Errorf("metric %.60q: %w", line, err)
	}
	for d := range strings.SplitSeq(dimensions, ",") {
		if name, value, ok := strings.Cut(d, ":"); ok && name != "" {
			m.Dimensions = append(m.Dimensions, Dimension{name, value})
		} else if d != "" {
			return m, fmt.Errorf("metric %.60q: the dimension %.20q; want NAME:VALUE", line, d)
		}
	}
	parts := strings.Split(host, ",")
	if len(parts) < 2 {
		return m, fmt.Errorf("metric %.60q: want a time behind the host name", line)
	}
	m.Host, m.Requests = parts[0], parts[2:]
	var err error
	if m.Time, err = strconv.ParseInt(parts[1], 10, 64); err != nil {
		return m, fmt.Errorf("metric %.60q: the time %.20q; want seconds", line, parts[1])
	}
	return m, nil
}

// readHead reads NAME.UNIT:VALUE. The name may have dots.
func (m *Metric) readHead(text string) error {
	name, value, ok := cutLast(text, ":")
	if !ok {
		return errors.New("want NAME.UNIT:VALUE")
	}
	if m.Name, m.Unit, ok = cutLast(name, "."); !ok || m.Name == "" {
		return fmt.Errorf("the name %.40q; want NAME.UNIT", name)
	}
	v, err := strconv.ParseFloat(value, 64)
	if err != nil || v-v != 0 {
		return fmt.Errorf("the value %.20q; want a finite number", value)
	}
	m.Value = v
	return nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
