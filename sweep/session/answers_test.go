package session_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// mixer is a device whose answers differ in batches above 2.
type mixer struct {
	*device
	alone     int // calls of AskAlone
	underLoad bool
}

func (m *mixer) Bare(context.Context) (trial.Bare, error) { return trial.Bare{}, nil }

func (m *mixer) AskAlone(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.alone++; m.liveLoads > 0 {
		m.underLoad = true
	}
	return nil
}

func (m *mixer) CompareAnswers(context.Context) (*trial.AnswerCheck, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch size := m.settings.BatchSize; {
	case size == 1 || m.alone == 0:
		return nil, nil
	case size == 2:
		return &trial.AnswerCheck{Compared: 8, Tolerance: .001}, nil
	}
	return &trial.AnswerCheck{Compared: 8, Differ: 3, Tolerance: .001}, nil
}

// TestLiveAnswersAreCompared: after each change the answers in batches are compared with those
// alone, and settings with other answers fail.
func TestLiveAnswersAreCompared(t *testing.T) {
	m := &mixer{device: newDevice()}
	runSession(t, m, func(s *session.Session, _, _ *memoryRecordings) {
		for _, tc := range []struct{ size, compared, differ int }{{1, 0, 0}, {2, 8, 0}, {4, 8, 3}, {1, 0, 0}} {
			if to := s.Snapshot().Settings; to.BatchSize != tc.size {
				to.BatchSize = tc.size
				if err := s.Apply(to); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(3 * time.Second)
			n := s.Snapshot()
			if a := n.Answers; (a != nil) != (tc.compared > 0) || a != nil && (a.Compared != tc.compared || a.Differ != tc.differ) {
				t.Errorf("batch size %d: %+v", tc.size, a)
			}
			wrong := n.Live.Verdict.Result == trial.Fail && n.Live.Verdict.Why == "answers differ in batches: 3 of 8"
			if wrong != (tc.differ > 0) {
				t.Errorf("batch size %d: verdict %+v", tc.size, n.Live.Verdict)
			}
		}
		warned := 0
		for _, x := range s.Snapshot().Messages {
			if x.Level == session.Warning && strings.HasPrefix(x.Text, "answers differ in batches: 3 of 8: the model mixes") {
				warned++
			}
		}
		if warned != 1 || m.alone != 1 || m.underLoad {
			t.Errorf("%d warnings, asked alone %d times, want 1 each; under load: %t", warned, m.alone, m.underLoad)
		}
	})
}

// divider is a device with requests of different lengths: each reading has one more run a batch.
type divider struct {
	*device
	watches, readings int
}

func (d *divider) WatchLengths(context.Context) func(context.Context) *trial.Lengths {
	d.watches++
	d.readings = 0
	return func(context.Context) *trial.Lengths {
		d.readings++
		return &trial.Lengths{Split: trial.NumOf(.5), Runs: trial.NumOf(float64(d.readings)), Padding: trial.NumOf(0)}
	}
}

// TestLiveLengths: the shares of batches of different lengths are those since the last change.
func TestLiveLengths(t *testing.T) {
	d := &divider{device: newDevice()}
	runSession(t, d, func(s *session.Session, _, _ *memoryRecordings) {
		time.Sleep(5 * time.Second)
		before := s.Snapshot().Lengths
		if before == nil || before.Runs.Or(0) < 3 || d.watches != 1 {
			t.Fatalf("%+v after 5 s, %d watches", before, d.watches)
		}
		to := s.Snapshot().Settings
		to.BatchSize = 2
		if err := s.Apply(to); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		if l := s.Snapshot().Lengths; l == nil || l.Runs.Or(9) >= before.Runs.Or(0) || d.watches != 2 {
			t.Errorf("%+v after a change, %d watches", l, d.watches)
		}
	})
}
