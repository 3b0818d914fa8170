package session

import (
	"errors"
	"fmt"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// LiveRecording is the open profile of live traffic. Its methods wait for the disk.
type LiveRecording interface {
	ID() string
	Path() string
	// Live records a segment of traffic, which has one setting and one load, and its seconds.
	Live(t trial.Trial, seconds []Second) error
	// Operators records operator times.
	Operators(trial.Operators) error
	// End writes the last line and closes the file.
	End(state SweepState, exit int) error
}

// RecordingStatus is the status of a live recording.
type RecordingStatus struct {
	ID, Path string
	Since    time.Time
	Trials   int // segments that are written or will be
}

// A segment ends at each change of settings or load, and at these limits.
const (
	segmentTime    = 5 * time.Minute
	segmentSamples = 200_000
)

// recorder collects the live traffic of a recording. Session.mu guards it. One goroutine writes the
// segments in order.
type recorder struct {
	to       LiveRecording
	since    time.Time
	segments int
	begin    time.Time     // of the segment
	samples  []load.Sample // of the segment
	seconds  []Second      // of the segment
	writes   chan func()   // calls for the writing goroutine, which ends when the channel is closed
}

// maxPending is the largest number of segments that wait to be written. Users do not change
// settings faster than they are written.
const maxPending = 256

// Record starts or ends the recording of the live traffic.
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
		return errors.New("the session is being recorded already")
	}
	if err := s.checkServing(); err != nil {
		return err
	}
	to, err := s.cfg.RecordLive(s.state.Info)
	if err != nil {
		return err
	}
	now := s.now()
	r := &recorder{to: to, since: now, begin: now, writes: make(chan func(), maxPending)}
	s.rec = r
	s.spawn(func() {
		for f := range r.writes {
			f()
		}
	})
	s.addMessage(Note, "recording to %s", to.Path())
	return nil
}

// stopRecording ends the recording after its last segment. The lock is held.
func (s *Session) stopRecording() {
	s.endSegment()
	r := s.rec
	s.rec = nil
	segments := "1 segment"
	if r.segments != 1 {
		segments = fmt.Sprintf("%d segments", r.segments)
	}
	s.addMessage(Note, "recorded %s to %s", segments, r.to.Path())
	r.writes <- func() {
		if err := r.to.End(Done, 0); err != nil {
			s.recordingFailed(err)
		}
	}
	close(r.writes)
}

// recordingFailed reports an error of the recording.
func (s *Session) recordingFailed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addMessage(Error, "recording: %v", err)
}

// recordSamples adds samples to the recording. The generator's times are relative to its own start.
// A request's planned time is therefore computed from the time at which the session receives its
// sample, at most .1 s after the answer. The lock is held.
func (s *Session) recordSamples(samples []load.Sample) {
	r := s.rec
	if r == nil {
		return
	}
	seen := s.now().Sub(r.begin)
	for _, x := range samples {
		x.Planned = max(0, seen-x.Latency)
		r.samples = append(r.samples, x)
	}
	if seen > segmentTime || len(r.samples) > segmentSamples {
		s.endSegment()
	}
}

// endSegment ends the segment and begins the next, if there is a recording. The lock is held.
func (s *Session) endSegment() {
	r := s.rec
	if r == nil {
		return
	}
	now := s.now()
	t, samples, seconds := s.segment(r), r.samples, r.seconds
	took := now.Sub(r.begin)
	r.begin, r.samples, r.seconds = now, nil, nil
	switch {
	case len(samples) == 0:
		return
	case len(r.writes) == maxPending-1:
		s.addMessage(Error, "recording: a segment of %d requests is lost: %d segments wait for the disk", len(samples), len(r.writes))
		return
	}
	r.segments++
	t.N = r.segments
	sla := s.state.SLA
	r.writes <- func() {
		use, bare, answers := t.Use, t.BareRPS, t.Answers
		t.Result = sweep.Summarize(load.Result{Seconds: took.Seconds(), Samples: samples}, t.Load, sla, "live")
		t.Use, t.BareRPS, t.Answers = use, bare, answers
		answers.Judge(&t.Verdict)
		if err := r.to.Live(t, seconds); err != nil {
			s.recordingFailed(err)
		}
	}
}

// segment returns the trial of the segment that ends now, without its figures. The lock is held.
func (s *Session) segment(r *recorder) trial.Trial {
	t := trial.Trial{
		At: r.begin.UTC(), Role: trial.RoleLive, Reason: fmt.Sprintf("live, segment %d", r.segments+1),
		Settings: s.state.Settings, Options: s.state.Info.Options,
		Load: s.state.Load.For(s.state.Settings.Workers * s.state.Settings.BatchSize),
	}
	t.Use, t.BareRPS, t.Answers = s.utilization(), s.state.Internals.BareRate(s.state.Settings), s.state.Answers
	return t
}
