package load

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// The lead converges to the 1/3 quantile of the delays.
func TestAdjustLead(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	lead, within := initialLead, 0
	const naps = 30000
	for i := range naps {
		late := time.Duration(20+rng.IntN(60)) * time.Microsecond
		if i >= naps/2 && late <= lead {
			within++
		}
		lead = adjustLead(lead, late)
	}
	if share := float64(within) / (naps / 2); share < .3 || share > .37 {
		t.Errorf("%.3f of the sleeps end within the lead, want 1/3", share)
	}
	if got := adjustLead(maxLead, time.Hour); got != maxLead {
		t.Errorf("adjustLead at the top = %v, want %v", got, maxLead)
	}
	if got := adjustLead(minLead, 0); got != minLead {
		t.Errorf("adjustLead at the bottom = %v, want %v", got, minLead)
	}
}

func TestSpinBudget(t *testing.T) {
	var s spinBudget
	if s.has(time.Microsecond) {
		t.Error("an empty budget has credit")
	}
	s.add(time.Millisecond)
	if !s.has(10*time.Microsecond) || s.has(11*time.Microsecond) {
		t.Errorf("a millisecond adds %v, want 10 us", s.credit)
	}
	s.spend(4 * time.Microsecond)
	s.add(time.Second)
	if s.credit != maxSpinCredit {
		t.Errorf("a second adds %v, want the maximum, %v", s.credit, maxSpinCredit)
	}
}

// The pacer handles times that are past, near and far, and a stop ends its wait.
func TestPacerWait(t *testing.T) {
	stopped := false
	p := newPacer(time.Now(), func(d time.Duration) bool {
		time.Sleep(min(d, time.Millisecond))
		return !stopped
	})
	defer p.end()
	for _, at := range []time.Duration{0, 50 * time.Microsecond, time.Millisecond, 8 * time.Millisecond} {
		if now := p.wait(at); now < at {
			t.Errorf("wait(%v) returned at %v, want no sooner", at, now)
		}
	}
	stopped = true
	if now := p.wait(time.Hour); now >= time.Hour {
		t.Errorf("wait(1h) after a stop returned at %v, want at once", now)
	}
}

func TestLimitWarning(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name                        string
		lag99, latency50, cpu, wall time.Duration
		want                        string
	}{
		{"punctual", 50 * time.Microsecond, 20 * ms, 100 * ms, time.Second, ""},
		{"late, slow server", 2 * ms, 20 * ms, 0, time.Second, ""},
		{"late, fast server", 2 * ms, 5 * ms, 0, time.Second, "generator limited: 1 in 100 requests was sent 2ms late or more"},
		{"later than a tenth", 3 * ms, 20 * ms, 0, time.Second, "generator limited: 1 in 100"},
		{"busy", 0, 20 * ms, 1900 * ms, time.Second, "generator limited: it used 1.9 of 2 cores"},
		{"busy, short", 0, 20 * ms, 100 * ms, 50 * ms, ""},
	}
	for _, c := range tests {
		got := limitWarning(c.lag99, c.latency50, c.cpu, c.wall, 2)
		if !strings.HasPrefix(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s: limited = %q, want %q", c.name, got, c.want)
		}
	}
}

// Requests that wait for a connection can exceed their timeout, and can be abandoned.
func TestPoolExpire(t *testing.T) {
	r := &run{c: Config{Timeout: time.Second}, ctx: context.Background()}
	p := newPool(r)
	for i := range 5 {
		p.waiting = append(p.waiting, job{planned: time.Duration(i) * time.Second})
		p.inFlight++
	}
	p.expire(2500*time.Millisecond, false)
	if got := r.samples.collect(); len(got) != 2 || got[0].Outcome != Timeout || got[1].Latency != time.Second {
		t.Errorf("after 2.5 s: %+v, want two timeouts of 1 s", got)
	}
	p.expire(0, true)
	if n := r.abandoned.Load(); n != 3 || p.inFlight != 0 || len(p.waiting) != 0 {
		t.Errorf("abandoned %d, in flight %d, want 3 and 0", n, p.inFlight)
	}
}

// The buffer returns each sample once, in the order of add.
func TestSampleBuffer(t *testing.T) {
	var b sampleBuffer
	b.reserve(10)
	var wg sync.WaitGroup
	const writers, each = 4, 2000
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				b.add(Sample{Planned: time.Duration(i), Status: int16(w)})
			}
		})
	}
	for range 50 {
		b.collect()
	}
	wg.Wait()
	next := make([]time.Duration, writers)
	all := b.collect()
	for _, s := range all {
		if s.Planned != next[s.Status] {
			t.Fatalf("writer %d: sample %d, want %d", s.Status, s.Planned, next[s.Status])
		}
		next[s.Status]++
	}
	if len(all) != writers*each {
		t.Errorf("%d samples, want %d", len(all), writers*each)
	}
}

// TestLimited checks that Limited is set together with the warning.
func TestLimited(t *testing.T) {
	for _, atConnLimit := range []bool{false, true} {
		var r run
		r.samples.add(Sample{Latency: time.Millisecond})
		r.samples.collect()
		r.atConnLimit.Store(atConnLimit)
		if got := r.result(nil, 0); got.Limited != atConnLimit || (got.Warning != "") != atConnLimit {
			t.Errorf("at the connection limit %v: limited %v, %q", atConnLimit, got.Limited, got.Warning)
		}
	}
}
