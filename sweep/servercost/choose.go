package servercost

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"sweetspot/engine/knob"
)

// Prediction is what a fitted server is predicted to do at settings.
type Prediction struct {
	Settings knob.Settings
	Rate     float64 // answers per second
	P99      float64 // request latency in ms; NaN with fewer than 100 answers
	Value    float64 // the percentile of the promise, likewise
	Batch    float64 // mean size of the batches
	Keeps    bool    // the promise is kept
}

// Promise is a percentile of the request latency and its limit, and the share of requests that may be refused. A Limit of
// 0 is kept by all that answer as many requests as arrive.
type Promise struct {
	Q      float64 // 0 to 1
	Limit  time.Duration
	Errors float64 // 0 to 1
}

// Predict predicts the settings under a load, best first: those that keep the promise, then by the
// rate, of which less than TieShare is no difference.
func (f Fitted) Predict(all []knob.Settings, l Load, p Promise) ([]Prediction, error) {
	out := make([]Prediction, 0, len(all))
	for _, s := range all {
		m, err := simulated(f.Server, s, l)
		if err != nil {
			return nil, err
		}
		figures := m.figures()
		r := Prediction{
			Settings: s, Rate: figures.Rate, Batch: figures.Batch, P99: figures.P99 * f.P99,
			Value: quantile(m.latencies, p.Q) * f.tailFactor(p.Q),
		}
		refused := float64(m.refused) / float64(max(m.refused+len(m.latencies), 1))
		r.Keeps = (p.Limit == 0 || r.Value <= float64(p.Limit)/float64(time.Millisecond)) && refused <= p.Errors
		if r.Keeps && l.Arrivals != nil {
			if r.Keeps, err = f.keepsUp(s, l.Arrivals); err != nil {
				return nil, err
			}
		}
		out = append(out, r)
	}
	sortBest(out)
	return out, nil
}

// maxUtilization is the highest utilization at which a server is considered to keep up, as in package predict.
const maxUtilization = .98

// keepsUp reports whether settings answer as many requests as arrive: their rate with as many clients as fill two batches
// of each worker is higher. The latencies of a few thousand requests do not show it, because a queue may grow for longer.
func (f Fitted) keepsUp(s knob.Settings, arrivals []time.Duration) (bool, error) {
	const requests = 3000
	span := arrivals[len(arrivals)-1] - arrivals[0]
	if span <= 0 {
		return true, nil
	}
	clients := 2 * s.Workers * s.BatchSize
	s.QueueSize = max(s.QueueSize, clients)
	full, err := Simulate(f.Server, s, Load{Clients: clients, Requests: max(requests, 10*clients)})
	return float64(len(arrivals)-1)/span.Seconds() <= maxUtilization*full.Rate, err
}

// tailFactor returns the factor of a percentile: none up to the median, P99 from .99 on.
func (f Fitted) tailFactor(q float64) float64 {
	return math.Pow(f.P99, min(max((q-.5)/(.99-.5), 0), 1))
}

// TieShare is the difference of two predicted rates that is none, as a share.
const TieShare = .02

// sortBest sorts predictions, best first. Of those whose rate is within TieShare of the best that keeps the promise,
// the longest batch delay is first, because there the batches of a server fill that answers late.
func sortBest(all []Prediction) {
	slices.SortStableFunc(all, func(a, b Prediction) int {
		if a.Keeps != b.Keeps {
			return map[bool]int{true: -1, false: 1}[a.Keeps]
		}
		return cmp.Compare(b.Rate, a.Rate)
	})
	n := 0
	for n < len(all) && all[n].Keeps == all[0].Keeps && all[n].Rate >= (1-TieShare)*all[0].Rate {
		n++
	}
	slices.SortStableFunc(all[:n], func(a, b Prediction) int {
		return cmp.Or(
			cmp.Compare(b.Settings.BatchDelay, a.Settings.BatchDelay),
			cmp.Compare(a.Settings.Workers, b.Settings.Workers),
			cmp.Compare(a.Settings.BatchSize, b.Settings.BatchSize),
		)
	})
}

// String describes the fitted cost for people.
func (f Fitted) String() string {
	return fmt.Sprintf("%s ms for a batch and %s ms for a request more than the model alone; %d loads, from which the simulation differs by %.0f%%",
		f.Batch, f.Request, f.Probes, 100*(math.Exp(f.Residual)-1))
}
