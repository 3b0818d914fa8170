package load

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// The end of a request is the arrival of its answer, clamped to possible times.
func TestEndTime(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name       string
		receivedAt time.Duration // since the run's start; the answer is read at 1 s
		err        error
		want       time.Duration
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
				if got := r.endTime(j, start.Add(tt.receivedAt).UnixNano(), tt.err); got != tt.want {
					t.Errorf("endTime = %v, want %v", got, tt.want)
				}
				if got := r.endTime(j, 0, tt.err); got != time.Second {
					t.Errorf("endTime = %v without a time of arrival, want 1s", got)
				}
			})
		})
	}
}
