package tui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"

	"sweetspot/sweep"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// scenes are snapshots with keys whose frames are compared with goldens.
func scenes() []scene {
	return []scene{
		{"live pass", serving, nil},
		{"live fail", failing, []string{"down", "right", "right", "right"}},
		{"live fp16", serving, []string{"up"}},
		{"live starting", starting, nil},
		{"live down", down, nil},
		{"live gpu", withGPU, []string{"up", "right"}},
		{"live gpus", withGPUs, nil},
		{"live sweeping", sweeping, nil},
		{"live just changed", justChanged, nil},
		{"live measured", swept, []string{"right"}},
		{"live applying", applying, []string{"right", "right"}},
		{"live no answers", noAnswers, nil},
		{"live errors", refusing, nil},
		{"live undecided", undecided, nil},
		{"live silent", silent, nil},
		{"live held", held, nil},
		{"sweep running", sweeping, []string{"2", "down"}},
		{"sweep done", swept, []string{"2"}},
		{"sweep failed", failedSweep, []string{"2"}},
		{"sweep empty", serving, []string{"2"}},
		{"quit", sweeping, []string{"q"}},
		{"live slowest", withSlowest, []string{"v", "v"}},
		{"value", serving, []string{"=", "backspace", "x", "enter"}},
		{"help", failing, []string{"?"}},
		{"live operators", withOperators, []string{"t"}},
		{"live operators first", measuringOperators, []string{"t"}},
		{"messages", down, []string{"!"}},
		{"remote live", remoteServing, []string{"down", "right"}},
		{"remote sweep", remoteSwept, []string{"2"}},
	}
}

type scene struct {
	name string
	snap func() *session.Snapshot
	keys []string
}

// applying is serving while a change of workers is applied.
func applying() *session.Snapshot {
	s := serving()
	to := s.Settings
	to.Workers = 4
	s.Applying = &session.Applying{To: to, Since: epoch.Add(-1200 * time.Millisecond)}
	return s
}

// refusing is live traffic whose requests are all refused.
func refusing() *session.Snapshot {
	s := noAnswers()
	s.Live.Answers, s.Live.Totals = 0, trial.Counts{Sent: 7420, Refused: 7420}
	s.Live.Sent, s.Live.Errors = 7420, 7420
	s.Live.Verdict = trial.Verdict{Result: trial.Fail, ErrorRate: trial.NumOf(1)}
	return s
}

// undecided is live traffic whose P99 is close to the limit.
func undecided() *session.Snapshot {
	s := serving()
	s.Live.Window, s.Live.Answers, s.Live.Over, s.Live.More = 12*time.Second, 7680, 84, 20*time.Second
	s.Live.Host = sweep.Host{Cores: 2, Others: trial.NumOf(63), Steal: trial.NumOf(0), Load: trial.NumOf(5.2)}
	s.Live.HostBusy = true
	s.Live.Verdict = trial.Verdict{ValueMS: trial.NumOf(20.2), LowMS: trial.NumOf(19.1), HighMS: trial.NumOf(21.6)}
	return s
}

// silent is live traffic of which nothing has been answered for 12 s, and one request has timed out.
func silent() *session.Snapshot {
	s := serving()
	s.CanKill, s.Live.Silent = true, 12*time.Second
	s.Live.Window = 27 * time.Second
	s.Live.Verdict.Result = trial.Undecided
	s.Messages = append(s.Messages, session.Message{At: epoch, Level: session.Warning, Text: "no answer for 10s: the model or its server hangs; R ends the engine and starts it again", Short: "no answer for 10s: the model or its server hangs"})
	for i := range s.Live.Seconds[len(s.Live.Seconds)-12:] {
		sec := &s.Live.Seconds[len(s.Live.Seconds)-12+i]
		sec.P50, sec.P99, sec.OK, sec.Latencies = trial.Num{}, trial.Num{}, 0, nil
	}
	return s
}

// held is a load that has been held for 15 s.
func held() *session.Snapshot {
	s := serving()
	s.LoadOn, s.HeldSince = false, epoch.Add(-15*time.Second)
	s.Live.Window, s.Live.Answers, s.Live.P50, s.Live.P99, s.Live.RPS, s.Live.Batch = 14*time.Second, 0, trial.Num{}, trial.Num{}, trial.NumOf(0), trial.Num{}
	s.Live.Verdict = trial.Verdict{}
	for i := range s.Live.Seconds[75:] {
		sec := &s.Live.Seconds[75+i]
		sec.P50, sec.P99, sec.OK = trial.Num{}, trial.Num{}, 0
	}
	return s
}

// noAnswers is live traffic with too few answers for a P99.
func noAnswers() *session.Snapshot {
	s := serving()
	s.Changes = nil
	s.Live = session.Live{Window: 3 * time.Second, Answers: 62, Use: trial.ResourceUse{GPU: trial.GPUUse{Reason: "no NVML library"}}}
	return s
}

func TestGolden(t *testing.T) {
	sizes := []struct{ w, h int }{{120, 36}, {80, 24}, {60, 16}, {40, 10}}
	for _, s := range scenes() {
		for _, size := range sizes {
			t.Run(fmt.Sprintf("%s %dx%d", s.name, size.w, size.h), func(t *testing.T) {
				sc := newScreen(t, size.w, size.h, s.snap())
				sc.press(s.keys...)
				sc.notice.at = epoch
				golden.RequireEqual(t, sc.plainFrame()+"\n")
			})
		}
	}
	t.Run("too small 39x9", func(t *testing.T) {
		golden.RequireEqual(t, newScreen(t, 39, 9, serving()).plainFrame()+"\n")
	})
	t.Run("ascii 80x24", func(t *testing.T) {
		sc := newScreen(t, 80, 24, sweeping())
		sc.ASCII = true
		sc.press("2")
		out := sc.plainFrame() + "\n"
		if i := strings.IndexFunc(out, func(r rune) bool { return r >= 0x80 }); i >= 0 {
			t.Errorf("not ASCII: %q", out[i:i+3])
		}
		golden.RequireEqual(t, out)
	})
	t.Run("colours 80x24", func(t *testing.T) {
		sc := newScreen(t, 80, 24, failing())
		golden.RequireEqual(t, sc.View().Content+"\n")
	})
}
