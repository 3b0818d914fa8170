package torchserve

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"sweetspot/sweep/load"
	"sweetspot/sweep/target/drive"
)

// The counters of TorchServe, with the labels model_name and model_version.
const (
	requestsTotal = "ts_inference_requests_total"
	latencySum    = "ts_inference_latency_microseconds"
	queueSum      = "ts_queue_latency_microseconds"
)

// scraper reads the metrics of the modes prometheus and legacy.
type scraper struct {
	api           *client
	at            string
	name, version string
}

func (s *scraper) batches() bool { return false }
func (s *scraper) close()        { s.api.http.CloseIdleConnections() }

func (s *scraper) read(ctx context.Context) (reading, error) {
	text, err := s.api.do(ctx, drive.ReadLimit, http.MethodGet, s.at, s.api.infer, load.Body{})
	if err != nil {
		return reading{}, err
	}
	r, found, err := parseMetrics(text, s.name, s.version)
	switch {
	case err != nil:
		return r, fmt.Errorf("%s: %w", s.at, err)
	case !found:
		return r, fmt.Errorf("%s has no %s of %s %s: TorchServe writes its metrics to log files unless metrics_mode is prometheus; give the folder of ts_metrics.log with --metrics FOLDER, or start it with metrics_mode=prometheus",
			s.at, requestsTotal, s.name, s.version)
	}
	return r, nil
}

// parseMetrics reads the counters of a version of a model from the text format of Prometheus. found is false if there is
// none of its requests.
func parseMetrics(text []byte, name, version string) (r reading, found bool, err error) {
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return r, false, err
	}
	for family, into := range map[string]*float64{requestsTotal: &r.requests, latencySum: &r.latency, queueSum: &r.queue} {
		f := families[family]
		if f == nil {
			continue
		}
		for _, m := range f.GetMetric() {
			is := map[string]string{}
			for _, l := range m.GetLabel() {
				is[l.GetName()] = l.GetValue()
			}
			if is["model_name"] != name || is["model_version"] != version {
				continue
			}
			v := m.GetUntyped().GetValue() // of a metric without a type; 0 of others
			if c := m.GetCounter(); c != nil {
				v = c.GetValue()
			} else if m.GetUntyped() == nil {
				return reading{}, false, fmt.Errorf("%s is no counter", family)
			}
			if v < 0 || v-v != 0 {
				return reading{}, false, fmt.Errorf("%s is %v, want a number from 0 on", family, v)
			}
			*into += v
			found = found || family == requestsTotal
		}
	}
	return r, found, nil
}
