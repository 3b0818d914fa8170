package sweep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// A hold measures one setting for a long time, in periods: each is a run of its own, so that memory, throttling and
// disturbances are known for each, and only one has its samples in memory. Between two periods the load stops until its last
// answers are in, usually for a few latencies.
const (
	longPeriod    = time.Minute
	shortPeriod   = 10 * time.Second
	periodsOfHold = 20 // at least, unless a period would be shorter than shortPeriod or have too few answers
	leastPeriods  = 6  // with a slow model
	periodAnswers = 3  // a period has at least this many answers over the percentile
	holdWarmup    = 10 * time.Second
	brokenInARow  = 3 // periods in which the promise is certainly broken, after which it is broken for good
	lostInARow    = 3 // periods without figures
	holdSeed      = 0x686f6c64
)

// HoldRecorder writes the results of a hold. Each method returns when the line is on disk.
type HoldRecorder interface {
	HoldPeriod(trial.HoldPeriod) error
	Hold(trial.Hold) error
}

// Hold keeps one setting under a load for a long time and finds out whether the promise is kept all the time, and what
// drifts. Set the fields and call Run once.
type Hold struct {
	Target   Target
	Recorder HoldRecorder
	SLA      trial.SLA
	N        int // number of the trial with the settings
	Settings knob.Settings
	Load     load.Spec
	Time     time.Duration // under load
	Rate     float64       // expected answers per second; 0 is unknown
	Seed     uint64

	// BeforePeriod is called before each period. An error ends the hold; [ErrAborted] keeps what was measured. nil is allowed.
	BeforePeriod func(context.Context) error
	// OnProgress is called after each step, on the goroutine of Run; nil is allowed.
	OnProgress func(HoldProgress)
}

// HoldProgress is the state of a hold that runs.
type HoldProgress struct {
	Settings knob.Settings
	Load     load.Spec
	Periods  []trial.HoldPeriod // must not be changed
	Planned  int
	Left     time.Duration // time under load that remains
	Elapsed  time.Duration // of the period that runs; 0 before the first answers
	Length   time.Duration // of the period that runs
	Answers  int           // of the period that runs
}

// holding is the state of one Run.
type holding struct {
	*Hold
	periods []trial.HoldPeriod
	planned int
	elapsed time.Duration
}

// Run applies the settings and measures the periods. The result has those that were measured in all cases; it is recorded unless the
// recorder fails. The error is not nil if ctx ended or the recorder failed.
func (h *Hold) Run(ctx context.Context) (trial.Hold, error) {
	s := &holding{Hold: h, planned: PeriodsOf(h.Time, h.SLA, h.rate(), h.Load)}
	ended, err := s.prepare(ctx)
	if err == nil && ended == "" {
		ended, err = s.measure(ctx)
	}
	if errors.Is(err, ErrAborted) {
		ended, err = "stopped", nil
	}
	if err != nil {
		ended = "stopped"
	}
	out := JudgeHold(h.SLA, s.periods, s.planned, ended)
	out.At, out.N, out.Settings, out.Load = time.Now().UTC(), h.N, h.Settings, h.Load
	out.AskedS, out.PeriodS = h.Time.Seconds(), (h.Time / time.Duration(s.planned)).Seconds()
	return out, errors.Join(err, h.Recorder.Hold(out))
}

// rate returns the answers per second that can be expected.
func (h *Hold) rate() float64 {
	if h.Load.Mode == load.Open {
		return h.Load.Rate
	}
	return h.Rate
}

// PeriodsOf returns the number of periods of a hold. A period lasts a minute; in a hold of less than 20 minutes it lasts a twentieth,
// but at least ten seconds. It is longer if a model is so slow that it would have too few answers for the percentile. A trace
// is one period.
func PeriodsOf(d time.Duration, sla trial.SLA, rate float64, l load.Spec) int {
	length := min(longPeriod, max(d/periodsOfHold, shortPeriod))
	if l.Mode == load.Trace {
		length = max(l.Over, time.Second)
	} else if rate > 0 {
		needed := periodAnswers / (1 - sla.Percentile/100) / rate * answerMargin
		length = max(length, min(time.Duration(min(needed, maxNeeded.Seconds())*float64(time.Second)), d/leastPeriods))
	}
	return max(1, int((d+length/2)/length))
}

// prepare applies the settings and sends load that is not measured, because the settings may be new to the server.
func (s *holding) prepare(ctx context.Context) (ended string, err error) {
	if _, err := applyExactly(ctx, s.Target, s.Settings); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "the settings could not be applied: " + err.Error(), nil
	}
	if s.Load.Mode == load.Trace {
		return "", nil // it would be sent completely
	}
	if _, err := s.run(ctx, 0, min(holdWarmup, s.Time/periodsOfHold)); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "the load before the first period failed: " + err.Error(), nil
	}
	return "", nil
}

// measure measures all periods. ended is why it stopped before the last one, or "".
func (s *holding) measure(ctx context.Context) (ended string, err error) {
	for len(s.periods) < s.planned {
		if s.BeforePeriod != nil {
			if err := s.BeforePeriod(ctx); err != nil {
				return "", err
			}
		}
		p, err := s.period(ctx)
		if err != nil {
			return "", err
		}
		s.periods = append(s.periods, p)
		if err := s.Recorder.HoldPeriod(p); err != nil {
			return "", err
		}
		s.report(0, 0, 0)
		if ended := s.endsEarly(); ended != "" {
			return ended, nil
		}
	}
	return "", nil
}

// endsEarly returns why the hold ends before its time, or "".
func (s *holding) endsEarly() string {
	n := len(s.periods)
	if n == s.planned {
		return ""
	}
	broken, lost := 0, 0
	for i := n - 1; i >= 0 && s.periods[i].Broken; i-- {
		broken++
	}
	for i := n - 1; i >= 0 && s.periods[i].Error != ""; i-- {
		lost++
	}
	switch {
	case broken >= brokenInARow:
		return fmt.Sprintf("certainly broken in %d periods in a row", broken)
	case lost >= lostInARow:
		return fmt.Sprintf("%d periods in a row could not be measured: %s", lost, s.periods[n-1].Error)
	}
	return ""
}

// period measures the next period. The rest of the time is divided among the periods that remain, so that the time that
// last answers took does not make the hold longer.
func (s *holding) period(ctx context.Context) (trial.HoldPeriod, error) {
	n := len(s.periods) + 1
	length := max((s.Time-s.elapsed)/time.Duration(s.planned-len(s.periods)), shortPeriod/10)
	p := trial.HoldPeriod{N: n, At: time.Now().UTC(), FromS: s.elapsed.Seconds(), Warnings: []trial.Warning{}}
	s.report(0, length, 0)
	r, err := s.run(ctx, n, length)
	switch {
	case ctx.Err() != nil:
		return p, context.Cause(ctx)
	case err != nil:
		p.Error, p.Died, p.Seconds = err.Error(), errors.Is(err, ErrEngineDied), length.Seconds()
		p.Verdict = JudgeInterval(s.SLA, unmeasured, 0, "not measured: "+err.Error())
		p.Broken = p.Died
	default:
		p = periodOf(p, r)
		p.Broken = BrokenPeriod(s.SLA, p, s.planned)
	}
	s.elapsed += time.Duration(p.Seconds * float64(time.Second))
	return p, nil
}

// run sends the load of a period.
func (s *holding) run(ctx context.Context, n int, length time.Duration) (trial.Result, error) {
	sla := s.SLA
	sla.Horizon = 0 // a period is a part of the time
	return s.Target.Measure(ctx, Measurement{
		Load: s.Load, Seed: s.Seed ^ holdSeed + uint64(n), SLA: sla, Time: length,
		Stop: func(elapsed time.Duration, _ []load.Sample) (bool, string) { return elapsed >= length, "" },
		Progress: func(elapsed time.Duration, samples []load.Sample) {
			if n > 0 {
				s.report(elapsed, length, len(samples))
			}
		},
	})
}

func (s *holding) report(elapsed, length time.Duration, answers int) {
	if s.OnProgress != nil {
		s.OnProgress(HoldProgress{
			Settings: s.Settings, Load: s.Load,
			Periods: s.periods[:len(s.periods):len(s.periods)], Planned: s.planned,
			Left: max(0, s.Time-s.elapsed-elapsed), Elapsed: elapsed, Length: length, Answers: answers,
		})
	}
}

// periodOf sets the figures of a period from its result.
func periodOf(p trial.HoldPeriod, r trial.Result) trial.HoldPeriod {
	p.Seconds = r.Seconds + r.WarmupSeconds
	p.Counts, p.Throughput, p.Verdict = r.Counts, r.Throughput, r.Verdict
	p.CPUPercent, p.GPU, p.Blocks, p.Limited = r.Use.CPUPercent, r.Use.GPU, r.Blocks, r.GeneratorLimited
	p.MemoryMB = r.Use.RSSDuringMB
	if !p.MemoryMB.OK() && !r.Use.RSSIsBound {
		p.MemoryMB = r.Use.RSSMB
	}
	if r.Warnings != nil {
		p.Warnings = r.Warnings
	}
	if h := r.Held; h != nil {
		p.Undisturbed, p.All, p.Failed, p.Backlog = h.Undisturbed, h.All, h.Failed, h.Backlog
	}
	return p
}

// heldOf returns what a hold must know of a run. requests are those on which the verdict is based.
func heldOf(samples []load.Sample, warm time.Duration, requests Requests, sla trial.SLA) *trial.Held {
	all := RequestsOf(plannedAfter(samples, warm), load.Spec{}, sla.Latency)
	every := RequestsOf(samples, load.Spec{}, sla.Latency)
	failed := make([]float64, len(every.Failed))
	for i, f := range every.Failed {
		if f {
			failed[i] = 1
		}
	}
	limit := ms(sla.Limit)
	return &trial.Held{
		Undisturbed: trial.Tail(stat.TailOf(requests.Values, requests.Times, limit, allowedOver(sla))),
		All:         trial.Tail(stat.TailOf(all.Values, all.Times, limit, allowedOver(sla))),
		Failed:      trial.Tail(stat.TailOf(failed, every.Sent, failedLimit, sla.MaxErrorRate)),
		Backlog:     requests.keepsUp().Answer == stat.Fail,
	}
}

// failedLimit is between the values of a request with and without an error.
const failedLimit = .5
