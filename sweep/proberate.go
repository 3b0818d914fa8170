package sweep

import (
	"context"
	"fmt"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// A probe of the throughput ends after rateProbeTime with rateProbeAnswers answers for each client, or after
// maxRateProbeTime with fewer.
const (
	rateProbeTime    = time.Second
	rateProbeAnswers = 4
	maxRateProbeTime = 10 * time.Second
)

// probeThroughput measures how many answers per second the clients of the point's load get, and sets the throughput of
// out. The clients wait for their answers, so that the server never has more requests than clients.
func (s *run) probeThroughput(ctx context.Context, p plan.Point, out *trial.Probe) error {
	limit := min(s.probeLimit(), maxRateProbeTime)
	ctx, cancel := context.WithTimeout(ctx, 2*limit+s.SLA.RequestTimeout())
	defer cancel()
	var samples []load.Sample
	elapsed := time.Duration(0)
	enough := func(at time.Duration, seen []load.Sample) bool {
		return at >= rateProbeTime && load.Count(seen).OK >= rateProbeAnswers*p.Load.Concurrency
	}
	_, err := s.Target.Measure(ctx, Measurement{
		Load: p.Load, Seed: s.Seed, SLA: s.SLA, Time: limit,
		Stop:     func(at time.Duration, seen []load.Sample) (bool, string) { return enough(at, seen), "" },
		Progress: func(at time.Duration, seen []load.Sample) { elapsed, samples = at, seen },
	})
	if err != nil {
		return err
	}
	answers := load.Count(samples).OK
	if answers == 0 || elapsed <= 0 {
		return fmt.Errorf("no request was answered within %v", limit.Round(100*time.Millisecond))
	}
	out.Clients, out.Throughput = p.Load.Concurrency, trial.NumOf(float64(answers)/elapsed.Seconds())
	return nil
}
