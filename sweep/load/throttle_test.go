package load

import (
	"testing"
	"time"
)

// TestThrottle: within the rate nobody waits, also if requests come in bursts; above it the rate is exact.
func TestThrottle(t *testing.T) {
	steady := newThrottle(Config{MaxRate: 100, Spec: Spec{Concurrency: 10}})
	for i := range 1000 { // ten at a time, every 100 ms: 100 per second
		at := time.Duration(i/10) * 100 * time.Millisecond
		if d := steady.take(at); d > 0 {
			t.Fatalf("request %d at %v waits %v, although the rate is within the limit", i, at, d)
		}
	}
	over := newThrottle(Config{MaxRate: 100, Spec: Spec{Concurrency: 1}})
	now, sent := time.Duration(0), 0
	for ; now < 10*time.Second; sent++ { // a client with immediate answers
		now += over.take(now)
	}
	if want := 10*100 + 11; sent < 10*100 || sent > want { // the rate, a burst of a tenth of a second, and the first
		t.Errorf("%d requests in 10 s at 100/s, want at most %d", sent, want)
	}
	if pause := over.take(now + time.Hour); pause > 0 {
		t.Errorf("after a pause a request waits %v", pause)
	}
	for _, c := range []Config{{Spec: Spec{Concurrency: 1}}, {MaxRate: 5, Spec: Spec{Mode: Open, Rate: 1}}} {
		if newThrottle(c) != nil {
			t.Errorf("%+v has a throttle", c)
		}
	}
}

func TestMostWithin(t *testing.T) {
	for _, c := range []struct {
		plan []time.Duration
		want int
	}{
		{nil, 0},
		{[]time.Duration{5}, 1},
		{[]time.Duration{0, 0, 0, 10}, 3},
		{[]time.Duration{0, 5, 9, 10, 14}, 4}, // 5-14
	} {
		if got := mostWithin(c.plan, 10); got != c.want {
			t.Errorf("mostWithin(%v, 10) = %d, want %d", c.plan, got, c.want)
		}
	}
}
