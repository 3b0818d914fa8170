package session

import (
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// SlowRequest is one of the slowest requests of a second, in ms. Phases that the server did not report
// are not known; all are unknown of a request that timed out.
type SlowRequest struct {
	Sent     time.Time // when it was planned to be sent; to about a quarter of a second
	MS       float64   // the request latency
	TimedOut bool

	Queue, Formation, Execution, Encode trial.Num
	Batch                               int // 0 is unknown
}

// maxSlowest is how many of the slowest requests a second keeps.
const maxSlowest = 5

// slowest keeps the slowest requests, the slowest first.
type slowest struct {
	list [maxSlowest]slowSample
	n    int
}

type slowSample struct {
	load.Sample
	sent time.Time
}

// add keeps a sample, which ended at the time at, if it is one of the slowest. Usually that is one
// comparison.
func (l *slowest) add(s *load.Sample, at time.Time) {
	if s.Outcome != load.OK && s.Outcome != load.Timeout {
		return
	}
	if l.n == maxSlowest && s.Latency <= l.list[maxSlowest-1].Latency {
		return
	}
	l.n = min(l.n+1, maxSlowest)
	i := l.n - 1
	for ; i > 0 && l.list[i-1].Latency < s.Latency; i-- {
		l.list[i] = l.list[i-1]
	}
	l.list[i] = slowSample{*s, at.Add(-s.Latency)}
}

// requests returns the requests, nil without any.
func (l *slowest) requests() []SlowRequest {
	var out []SlowRequest
	for i := range l.list[:l.n] {
		s := &l.list[i]
		r := SlowRequest{Sent: s.sent, MS: ms(s.Latency), TimedOut: s.Outcome == load.Timeout, Batch: int(s.Batch)}
		if s.Outcome == load.OK && s.Model > 0 { // else the server reported no phases
			r.Queue, r.Formation = trial.NumOf(ms(s.Queue)), trial.NumOf(ms(s.Formation))
			r.Execution, r.Encode = trial.NumOf(ms(s.Model)), trial.NumOf(ms(s.Encode))
		}
		out = append(out, r)
	}
	return out
}
