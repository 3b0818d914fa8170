package main

import (
	"math"
	"sync/atomic"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/search"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// The traffic of a feed.
const (
	feedRate = 1000 // requests per second
	polls    = 10   // snapshots per second
	feedSpan = 3 * session.HistorySeconds
)

// feed is the Workbench of a screen whose snapshots change like those of a session under load, at any speed: each has
// other figures, each tenth a new second, and each fiftieth a new trial of a recorded grid. Its other methods are those
// of a session that was never started: only keys that change the view may be pressed.
type feed struct {
	*session.Session
	seconds []session.Second
	base    session.Snapshot
	sweep   session.Sweep
	steady  bool // no new trials
	polled  atomic.Int64
}

var feedEpoch = time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)

// newFeed makes the seconds of the feed and reads the recorded grid.
func newFeed() (*feed, error) {
	grid, _, p, err := openGrid()
	if err != nil {
		return nil, err
	}
	f := &feed{Session: session.New(session.Config{Plan: p})}
	for i := range feedSpan {
		wave := math.Sin(float64(i)/7) + .3*math.Sin(float64(i)*1.7)
		p99 := 15 + 6*wave
		f.seconds = append(f.seconds, session.Second{
			At: feedEpoch.Add(time.Duration(i+1) * time.Second), Window: time.Second, P50: trial.NumOf(p99 / 2), P99: trial.NumOf(p99),
			ModelP99: trial.NumOf(p99 * .8), OK: int(feedRate * (1 - wave/20)), CPU: trial.NumOf(120 + 20*wave), Latencies: bins(p99),
		})
	}
	s := knob.Default(knob.TorchServe)
	f.base = session.Snapshot{
		Phase: session.Serving, SLA: p.SLA, LoadOn: true, Load: load.Spec{Mode: load.Open, Rate: feedRate}, Settings: s, Baseline: s, Plan: p,
		Info: sweep.Info{
			Model: sweep.ModelInfo{Name: "mlp-wide"}, Runtime: "onnxruntime cpu", Cores: 2, Current: s, Options: p.Options,
			Limits: knob.Limits{Rule: p.Options.Rule, Cores: 2, BatchAxis: true}, Metrics: trial.AllMetrics(),
		},
		Messages: []session.Message{{At: feedEpoch, Text: "serving mlp-wide"}},
	}
	f.sweep = session.Sweep{State: session.Running, ID: "20261122T140000Z-7f3a", Plan: p, Trials: grid.Profile().Trials, Unconfirmed: -1}
	f.sweep.Total = len(f.sweep.Trials)
	for _, t := range f.sweep.Trials {
		f.sweep.Predictions = append(f.sweep.Predictions, search.Prediction{Settings: t.Settings, Load: t.Load, Throughput: t.Throughput, ValueMS: t.Latency.P99, Pass: .5})
	}
	return f, nil
}

// bins is a distribution of latencies with this P99.
func bins(p99 float64) []session.LatencyBin {
	var out []session.LatencyBin
	for i, low := 0, p99/4; low < 1.5*p99; i, low = i+1, low*1.09 {
		out = append(out, session.LatencyBin{LowMS: low, HighMS: low * 1.09, N: 1 + int(200*math.Exp(-math.Pow(float64(i)-6, 2)/12))})
	}
	return out
}

// Snapshot is the next snapshot. It keeps a full history from the first one on, and begins again at its end, so that no
// call allocates more than the snapshot itself.
func (f *feed) Snapshot() *session.Snapshot { return f.at(f.polled.Add(1)) }

// now is the time of the last snapshot.
func (f *feed) now() time.Time { return f.time(f.polled.Load()) }

func (f *feed) time(n int64) time.Time {
	return feedEpoch.Add(time.Duration(f.second(n))*time.Second + time.Duration(n%polls)*time.Second/polls)
}

// second is how many seconds a snapshot knows.
func (f *feed) second(n int64) int {
	return session.HistorySeconds + int(n/polls)%(feedSpan-session.HistorySeconds)
}

func (f *feed) at(n int64) *session.Snapshot {
	s, w := f.base, f.sweep
	s.At = f.time(n)
	end := f.second(n)
	last := f.seconds[end-1]
	shift := 1 + float64(n%polls)/100
	p99 := last.P99.Or(0) * shift
	s.Live = session.Live{
		Seconds: f.seconds[end-session.HistorySeconds : end], Window: 10 * time.Second, Answers: 10 * feedRate, Sent: 10 * feedRate,
		P50: trial.NumOf(p99 / 2), P99: trial.NumOf(p99), ModelP99: trial.NumOf(.8 * p99), RPS: trial.NumOf(float64(last.OK) * shift), Batch: trial.NumOf(4 * shift),
		Verdict: trial.Verdict{Result: trial.Pass, Percentile: 99, LimitMS: 20, ValueMS: trial.NumOf(p99), LowMS: trial.NumOf(.97 * p99), HighMS: trial.NumOf(1.03 * p99)},
		Totals:  trial.Counts{Sent: int(n) * feedRate / polls, OK: int(n) * feedRate / polls},
		Use:     trial.ResourceUse{CPUPercent: last.CPU, RSSMB: trial.NumOf(400)},
	}
	if !f.steady {
		w.Trials = w.Trials[:1+int(n/(5*polls))%len(w.Trials)]
	}
	w.Elapsed, w.ETA = time.Duration(n)*time.Second/polls, time.Hour
	w.Best = len(w.Trials) - 1
	w.Current = &sweep.Current{N: len(w.Trials) + 1, Stage: sweep.StageApply, RPS: s.Live.RPS, P99MS: s.Live.P99}
	w.Current.Point.Settings, w.Current.Point.Load = s.Settings, s.Load
	s.Sweep = &w
	return &s
}
