package search

import (
	"fmt"

	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// ExplainNone says in words why no trial kept the promise, where arithmetic
// tells: with n clients that each wait for their answer, mean latency is n over
// the throughput (Little's law), whatever the settings. It is "" where that does
// not forbid the promise.
func ExplainNone(trials []trial.Trial, sla trial.SLA) string {
	if sla.Latency != trial.Request {
		return ""
	}
	clients, most := 0, 0.0
	for _, t := range trials {
		if t.Load.Mode != load.Closed || t.Load.Matched {
			return "" // the clients differ, or do not wait
		}
		if rate := t.Throughput.Value.Or(0); rate > most {
			clients, most = t.Load.Concurrency, rate
		}
	}
	limit := float64(sla.Limit) / 1e6
	mean := 1000 * float64(clients) / most
	if most == 0 || mean <= limit {
		return ""
	}
	return fmt.Sprintf("%d requests in flight at %.1f requests/s, the most that any setting did, take %.0f ms on average (Little's law), above %g ms: "+
		"load it with fewer clients, or let them follow the settings with --concurrency matched", clients, most, mean, limit)
}
