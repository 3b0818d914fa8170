package profiles_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

// received has the profiles with which Follow called its function.
type received struct {
	mu  sync.Mutex
	all []*profiles.Profile
}

func (s *received) add(p *profiles.Profile) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, p)
	return nil
}

// get returns all received profiles, and the last one.
func (s *received) get() (all []*profiles.Profile, last *profiles.Profile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all, s.all[len(s.all)-1]
}

// follow runs Follow in a synctest bubble.
func follow(t *testing.T, path string) (*received, <-chan error) {
	t.Helper()
	s, done := &received{}, make(chan error, 1)
	go func() { done <- profiles.Follow(t.Context(), path, s.add) }()
	return s, done
}

// poll waits until Follow has read the file.
func poll() { time.Sleep(time.Second); synctest.Wait() }

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := profiles.Path(newDir(t), "a")
		w, err := profiles.Create(path, header("a"), profiles.Options{})
		if err != nil {
			t.Fatal(err)
		}
		calls, done := follow(t, path)
		poll()
		for n := range 3 {
			if err := w.Trial(sampleTrial(n + 1)); err != nil {
				t.Fatal(err)
			}
			poll()
		}
		poll() // without a new line
		all, last := calls.get()
		var got []int
		for _, p := range all {
			got = append(got, len(p.Trials))
		}
		if !slices.Equal(got, []int{0, 1, 2, 3}) || last.State() != profiles.Running {
			t.Errorf("numbers of trials: %v, state %s, want 0 1 2 3, running", got, last.State())
		}
		if err := errors.Join(w.Trial(sampleTrial(4)), w.End(profiles.Done, 0), w.Close()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("Follow = %v", err)
		}
		_, last = calls.get()
		if last.State() != profiles.Done || len(last.Trials) != 4 || len(all[1].Trials) != 1 || all[1].Trials[0].N != 1 {
			t.Errorf("at the end: state %s, %d trials; an earlier one has %d", last.State(), len(last.Trials), len(all[1].Trials))
		}
	})
}

// TestFollowRemovedLine acts as a writer whose disk fails: it writes half a line, the other
// half, removes the line, and writes another one.
func TestFollowRemovedLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := profiles.Path(newDir(t), "a")
		w, err := profiles.Create(path, header("a"), profiles.Options{})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		write := func(text string) {
			if _, err := raw.WriteString(text); err != nil {
				t.Fatal(err)
			}
			poll()
		}
		if err := w.Trial(sampleTrial(1)); err != nil {
			t.Fatal(err)
		}
		info, err := raw.Stat()
		if err != nil {
			t.Fatal(err)
		}
		calls, done := follow(t, path)
		poll()
		write(`{"t":"trial","n":2,`)
		write(`"reason":"lost"}` + "\n")
		if _, p := calls.get(); len(p.Trials) != 2 || p.Trials[1].Reason != "lost" {
			t.Errorf("a complete line was not read: %+v", p.Trials)
		}
		if err := raw.Truncate(info.Size()); err != nil {
			t.Fatal(err)
		}
		write(`{"t":"trial","n":2,"reason":"another, and longer than the removed line"}` + "\n")
		if _, p := calls.get(); len(p.Trials) != 2 || !strings.HasPrefix(p.Trials[1].Reason, "another") {
			t.Errorf("the line after the removed one: %+v", p.Trials)
		}
		write("damaged\n")
		write(`{"t":"trial","n":3}` + "\n" + `{"t":"tr`)
		if _, p := calls.get(); len(p.Trials) != 3 || len(p.Warnings) != 1 {
			t.Errorf("%d trials, warnings %q, want 3 and the damaged line", len(p.Trials), p.Warnings)
		}
		if err := w.Close(); err != nil { // without an end line, as if it was killed
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("Follow = %v", err)
		}
		if _, p := calls.get(); p.State() != profiles.Interrupted || len(p.Warnings) != 2 {
			t.Errorf("at the end: state %s, warnings %q", p.State(), p.Warnings)
		}
	})
}

func TestFollowErrors(t *testing.T) {
	dir := t.TempDir()
	if err := profiles.Follow(t.Context(), filepath.Join(dir, "none"), nil); err == nil {
		t.Error("Follow of a missing file: no error")
	}
	for name, text := range map[string]string{"empty": "", "other": "hello\n"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			if err := profiles.Follow(t.Context(), path, nil); err == nil || !strings.Contains(err.Error(), "profiles:") {
				t.Errorf("Follow of %s = %v", name, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		path := profiles.Path(newDir(t), "a")
		w, err := profiles.Create(path, header("a"), profiles.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		enough := errors.New("enough")
		if err := profiles.Follow(t.Context(), path, func(*profiles.Profile) error { return enough }); !errors.Is(err, enough) {
			t.Errorf("Follow = %v, want fn's error", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := profiles.Follow(ctx, path, func(*profiles.Profile) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Follow = %v, want the context's", err)
		}
	})
}

func TestLive(t *testing.T) {
	path := profiles.Path(newDir(t), "a")
	h := header("a")
	h.Kind = profiles.Live
	w, err := profiles.Create(path, h, profiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	none := trial.Num{}
	s := profiles.Series{
		StepS: .5, P99MS: []trial.Num{none, trial.NumOf(12.5), trial.NumOf(9)},
		RPS: []trial.Num{trial.NumOf(500), trial.NumOf(510), none}, GPUPercent: []trial.Num{none, none, none},
	}
	live := sampleTrial(1)
	live.Role = trial.RoleLive
	short := s
	short.StepS, short.RPS = 0, s.RPS[:1]
	err = w.Recording(live, short)
	for _, want := range []string{"step_s: 0 is not above 0", "have 3, 1 and 3 figures"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Recording = %v, want %q", err, want)
		}
	}
	if err := errors.Join(w.Recording(live, s), w.Trial(sampleTrial(2)), w.End(profiles.Done, 0), w.Close()); err != nil {
		t.Fatal(err)
	}
	p := read(t, path)
	if len(p.Trials) != 2 || p.End.Trials != 2 || p.Trials[0].Role != trial.RoleLive || len(p.Series) != 1 {
		t.Fatalf("read %d trials, %d series", len(p.Trials), len(p.Series))
	}
	if got, want := p.Series[1].String(), "3 steps of 0.5 s, P99 9.00-12.5 ms, 500.0-510.0 req/s"; got != want {
		t.Errorf("series = %q, want %q", got, want)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), `"series":{"step_s":0.5,"p99_ms":[null,12.5,9],"rps":[500,510,null],"gpu_percent":[null,null,null]}`) {
		t.Errorf("other text in the file: %v\n%s", err, text)
	}
	var b strings.Builder
	if err := profiles.WriteShow(&b, p, profiles.Style{}); err != nil || !strings.Contains(b.String(), "series    trial 1: 3 steps") {
		t.Errorf("show: %v\n%s", err, b.String())
	}
}

func TestInvalidSeries(t *testing.T) {
	p, err := profiles.Decode("a", []byte(head+`{"t":"trial","n":1,"series":{"step_s":1,"p99_ms":[1],"rps":[],"gpu_percent":[]}}`+"\n"))
	if err != nil || len(p.Trials) != 1 || len(p.Series) != 0 || len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "ignored") {
		t.Errorf("%+v, %v", p, err)
	}
}
