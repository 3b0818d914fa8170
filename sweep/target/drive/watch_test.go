package drive_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/target/drive"
)

// sums is a reading.
type sums struct {
	at       time.Time
	requests float64
}

func (s sums) Time() time.Time   { return s.at }
func (s sums) Requests() float64 { return s.requests }

// The server is read at the beginning, more and more rarely during the run, at its end, and then until it counts no more.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, n := time.Now(), 0.0
		w := drive.Watch(t.Context(), func(context.Context) (sums, error) {
			n = min(n+1, 20)
			return sums{time.Now(), n}, nil
		})
		time.Sleep(4 * time.Second)
		w.End(t.Context())
		w.Settle(t.Context(), time.Minute, func(a, b sums) bool { return a.requests == b.requests })
		if first := w.Readings[0].at; !first.Equal(begin) {
			t.Errorf("the first reading is at %v, want the beginning, %v", first, begin)
		}
		last := w.Readings[len(w.Readings)-1]
		if got := last.at.Sub(begin); last.requests != 20 || got < 4*time.Second || got > 5*time.Second {
			t.Errorf("the last reading has %v after %v, want 20 after 4 s and until the number is the same", last.requests, got)
		}
		for i, r := range w.Readings[1:] {
			if gap := r.at.Sub(w.Readings[i].at); gap > time.Second/2 {
				t.Errorf("reading %d comes %v after the one before", i+1, gap)
			}
		}
	})
}

// The window begins after the warm-up, and readings that say nothing about the run give none.
func TestWindow(t *testing.T) {
	begin := time.Unix(1000, 0)
	at := func(ms int, n float64) sums { return sums{begin.Add(time.Duration(ms) * time.Millisecond), n} }
	run := load.Result{Start: begin, Sent: 100}
	w := drive.Watcher[sums]{Readings: []sums{at(-10, 7), at(200, 20), at(300, 40), at(1000, 107)}}
	if first, last, err := w.Window(run, .3); err != nil || first != at(300, 40) || last != at(1000, 107) {
		t.Errorf("%+v to %+v, %v", first, last, err)
	}
	for _, c := range []struct {
		readings []sums
		err      error
		want     string
	}{
		{[]sums{at(0, 1)}, nil, "twice"},
		{[]sums{at(0, 1), at(200, 50)}, nil, "after its warm-up"},
		{[]sums{at(0, 0), at(400, 50), at(900, 150)}, nil, "150 requests were counted, but 100 were sent"},
		{[]sums{at(0, 0), at(400, 50), at(900, 100)}, errors.New("gone"), "gone"},
	} {
		w := drive.Watcher[sums]{Readings: c.readings, Err: c.err}
		if _, _, err := w.Window(run, .3); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.readings, err, c.want)
		}
	}
}
