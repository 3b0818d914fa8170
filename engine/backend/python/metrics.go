package python

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"sweetspot/engine"
	"sweetspot/engine/backend/python/protocol"
	"sweetspot/engine/payload"
)

// mostSeries bounds the series of one version of a model: a handler may put anything into a
// dimension.
const mostSeries = 1000

// series adds up the metrics that the workers of one version print.
type series struct {
	mu  sync.Mutex
	all map[string]*engine.HandlerMetric // by name and dimensions
}

// add adds one value.
func (s *series) add(m protocol.Metric) {
	words := []string{m.Name}
	for _, d := range m.Dimensions {
		words = append(words, d.Name, d.Value)
	}
	key := strings.Join(words, "\x00")
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.all[key]
	if v == nil {
		if len(s.all) >= mostSeries {
			return
		}
		v = &engine.HandlerMetric{Name: m.Name, Unit: m.Unit, Kind: kindOf(m.Type)}
		for _, d := range m.Dimensions {
			v.Labels = append(v.Labels, payload.Field{Name: d.Name, Value: d.Value})
		}
		if s.all == nil {
			s.all = map[string]*engine.HandlerMetric{}
		}
		s.all[key] = v
	}
	v.Count++
	if v.Kind == engine.HandlerGauge {
		v.Value = m.Value
		return
	}
	v.Value += m.Value
}

func kindOf(name string) engine.HandlerMetricKind {
	switch name {
	case "COUNTER":
		return engine.HandlerCounter
	case "HISTOGRAM":
		return engine.HandlerHistogram
	}
	return engine.HandlerGauge
}

// list returns copies, sorted by name and dimensions.
func (s *series) list() []engine.HandlerMetric {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []engine.HandlerMetric
	for _, key := range slices.Sorted(maps.Keys(s.all)) {
		out = append(out, *s.all[key])
	}
	return out
}

// seriesOf returns the series of a version, which all its workers share.
func (b *Backend) seriesOf(m *engine.Model) *series {
	key := versionKey(m)
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.metrics[key]
	if s == nil {
		s = &series{}
		if b.metrics == nil {
			b.metrics = map[string]*series{}
		}
		b.metrics[key] = s
	}
	return s
}

// HandlerMetrics returns the metrics that the handler of a model has measured, but for its time of a
// batch, which the engine measures.
func (b *Backend) HandlerMetrics(m *engine.Model) []engine.HandlerMetric {
	return slices.DeleteFunc(b.seriesOf(m).list(), func(v engine.HandlerMetric) bool {
		return slices.Contains(strings.Fields("PredictionTime HandlerTime"), v.Name)
	})
}
