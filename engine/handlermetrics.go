package engine

import "sweetspot/engine/payload"

// HandlerMetric is a metric that the handler of a model has measured itself.
type HandlerMetric struct {
	Name   string
	Unit   string // as the handler says; "" is none
	Kind   HandlerMetricKind
	Labels []payload.Field
	Value  float64 // of a counter the sum, of a gauge the last value, of a histogram the sum of its values
	Count  int64   // of values
}

// HandlerMetricKind is the kind of a HandlerMetric.
type HandlerMetricKind uint8

// The kinds.
const (
	HandlerGauge HandlerMetricKind = iota
	HandlerCounter
	HandlerHistogram
)

// HandlerMeasurer is a Backend whose handlers measure metrics of their own.
type HandlerMeasurer interface {
	// HandlerMetrics returns the metrics of all workers of a model so far, sorted.
	HandlerMetrics(m *Model) []HandlerMetric
}

// HandlerMetrics returns the metrics that the handler has measured; nil if the backend has none.
func (s *ModelService) HandlerMetrics() []HandlerMetric {
	if b, ok := s.backend.(HandlerMeasurer); ok {
		return b.HandlerMetrics(s.model)
	}
	return nil
}
