package session

import (
	"errors"
	"fmt"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// LiveRecording is the profile of live traffic being written. Its calls wait for
// the disk.
type LiveRecording interface {
	ID() string
	Path() string
	// Live records a stretch of traffic under one setting and one load, with
	// its seconds.
	Live(t trial.Trial, seconds []Second) error
	// Operators records where the time of a run goes.
	Operators(trial.Operators) error
	// End writes the last line and closes the file.
	End(state SweepState, exit int) error
}

// Recorded is where a live recording stands.
type Recorded struct {
	ID, Path string
	Since    time.Time
	Trials   int // stretches on disk or on their way
}

// A stretch ends at each change of settings or load, and at these bounds.
const (
	stretchTime    = 5 * time.Minute
	stretchSamples = 200_000
)

// recorder collects the live traffic of a recording, guarded by Session.mu. What
// is ready goes to the disk in order, by one goroutine.
type recorder struct {
	to      LiveRecording
	since   time.Time
	n       int
	begin   time.Time     // of the stretch
	samples []load.Sample // of the stretch
	seconds []Second      // of the stretch
	write   chan func()   // ends the writer when closed
}

// backlog is how many stretches may wait for the disk; people do not change
// settings faster.
const backlog = 256

// Record starts recording the live traffic, or ends it.
func (s *Session) Record(on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !on && s.rec == nil:
		return errors.New("nothing is being recorded")
	case !on:
		s.stopRecording()
		return nil
	case s.rec != nil:
		return errors.New("a recording is under way")
	}
	if err := s.serving(); err != nil {
		return err
	}
	to, err := s.cfg.RecordLive(s.state.Info)
	if err != nil {
		return err
	}
	now := s.now()
	r := &recorder{to: to, since: now, begin: now, write: make(chan func(), backlog)}
	s.rec = r
	s.spawn(func() {
		for f := range r.write {
			f()
		}
	})
	s.say(Note, "recording to %s", to.Path())
	return nil
}

// stopRecording ends the recording after what it holds. The lock is held.
func (s *Session) stopRecording() {
	s.cut()
	r := s.rec
	s.rec = nil
	s.say(Note, "recorded %d stretches to %s", r.n, r.to.Path())
	r.write <- func() {
		if err := r.to.End(Done, 0); err != nil {
			s.troubled(err)
		}
	}
	close(r.write)
}

func (s *Session) troubled(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.say(Trouble, "recording: %v", err)
}

// take keeps fresh samples for the recording. The generator's clock is not the
// session's: a request is placed by when it was seen to end, which is late by at
// most the tenth of a second between two looks. The lock is held.
func (s *Session) take(samples []load.Sample) {
	r := s.rec
	if r == nil {
		return
	}
	seen := s.now().Sub(r.begin)
	for _, x := range samples {
		x.Planned = max(0, seen-x.Latency)
		r.samples = append(r.samples, x)
	}
	if seen > stretchTime || len(r.samples) > stretchSamples {
		s.cut()
	}
}

// cut ends the stretch, if there is a recording, and begins the next. The lock
// is held.
func (s *Session) cut() {
	r := s.rec
	if r == nil {
		return
	}
	now := s.now()
	t, samples, seconds := s.stretch(r), r.samples, r.seconds
	took := now.Sub(r.begin)
	r.begin, r.samples, r.seconds = now, nil, nil
	if len(samples) == 0 || len(r.write) == backlog-1 {
		return
	}
	r.n++
	t.N = r.n
	sla := s.state.SLA
	r.write <- func() {
		use, bare := t.Use, t.BareRPS
		t.Result = sweep.Summarize(load.Result{Seconds: took.Seconds(), Samples: samples}, t.Load, sla, "live")
		t.Use, t.BareRPS = use, bare
		if err := r.to.Live(t, seconds); err != nil {
			s.troubled(err)
		}
	}
}

// stretch is the trial of the stretch that ends now, without its figures. The
// lock is held.
func (s *Session) stretch(r *recorder) trial.Trial {
	t := trial.Trial{
		At: r.begin.UTC(), Role: trial.RoleLive, Reason: fmt.Sprintf("live, stretch %d", r.n+1),
		Settings: s.state.Settings, Options: s.state.Info.Options,
		Load: s.state.Load.For(s.state.Settings.Workers * s.state.Settings.BatchSize),
	}
	t.Use, t.BareRPS = s.use(), s.state.Inside.BareFor(s.state.Settings)
	return t
}
