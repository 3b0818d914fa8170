package load

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// An answer ended when it came, within what can be.
func TestEnded(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name string
		came time.Duration // since the run's start; the answer is read at 1 s
		err  error
		want time.Duration
	}{
		{"read late", 900 * ms, nil, 900 * ms},
		{"before it was planned: the wall clock was set", 100 * ms, nil, 800 * ms},
		{"in the future: the wall clock was set", time.Hour, nil, time.Second},
		{"no answer", 900 * ms, errors.New("broken"), time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				r, j := &run{start: start}, job{planned: 800 * ms}
				time.Sleep(time.Second)
				if got := r.ended(j, start.Add(tt.came).UnixNano(), tt.err); got != tt.want {
					t.Errorf("ended at %v, want %v", got, tt.want)
				}
				if got := r.ended(j, 0, tt.err); got != time.Second {
					t.Errorf("ended at %v without a time, want 1s", got)
				}
			})
		})
	}
}
