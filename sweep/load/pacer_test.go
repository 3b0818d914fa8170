package load

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// The lead settles where 1 of 3 naps ends within it.
func TestLearn(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	lead, within := leadFirst, 0
	const naps = 30000
	for i := range naps {
		late := time.Duration(20+rng.IntN(60)) * time.Microsecond
		if i >= naps/2 && late <= lead {
			within++
		}
		lead = learn(lead, late)
	}
	if share := float64(within) / (naps / 2); share < .3 || share > .37 {
		t.Errorf("%.3f of the naps end within the lead, want 1/3", share)
	}
	if got := learn(leadMost, time.Hour); got != leadMost {
		t.Errorf("learn at the top = %v, want %v", got, leadMost)
	}
	if got := learn(leadLeast, 0); got != leadLeast {
		t.Errorf("learn at the bottom = %v, want %v", got, leadLeast)
	}
}

func TestSpinPurse(t *testing.T) {
	var s spinPurse
	if s.has(time.Microsecond) {
		t.Error("an empty purse pays")
	}
	s.earn(time.Millisecond)
	if !s.has(10*time.Microsecond) || s.has(11*time.Microsecond) {
		t.Errorf("a millisecond earns %v, want 10 us", s.credit)
	}
	s.pay(4 * time.Microsecond)
	s.earn(time.Second)
	if s.credit != spinMost {
		t.Errorf("a second earns %v, want the most, %v", s.credit, spinMost)
	}
}

// Times that are past, close and far are waited for, and a stop ends the wait.
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

func TestLimited(t *testing.T) {
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
		got := limited(c.lag99, c.latency50, c.cpu, c.wall, 2)
		if !strings.HasPrefix(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s: limited = %q, want %q", c.name, got, c.want)
		}
	}
}

// Requests that wait for a connection time out too, and are abandoned with the
// rest.
func TestPoolReap(t *testing.T) {
	r := &run{c: Config{Timeout: time.Second}, ctx: context.Background()}
	p := newPool(r)
	for i := range 5 {
		p.waiting = append(p.waiting, job{planned: time.Duration(i) * time.Second})
		p.inFlight++
	}
	p.reap(2500*time.Millisecond, false)
	if got := r.box.gather(); len(got) != 2 || got[0].Outcome != Timeout || got[1].Latency != time.Second {
		t.Errorf("after 2.5 s: %+v, want two timeouts of 1 s", got)
	}
	p.reap(0, true)
	if n := r.abandoned.Load(); n != 3 || p.inFlight != 0 || len(p.waiting) != 0 {
		t.Errorf("abandoned %d, in flight %d, want 3 and 0", n, p.inFlight)
	}
}

// Samples come out once, in the order they went in, however often they are
// gathered.
func TestBox(t *testing.T) {
	var b box
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
		b.gather()
	}
	wg.Wait()
	next := make([]time.Duration, writers)
	all := b.gather()
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

// TestLimitedIsData: whoever judges a run need not read its warnings.
func TestLimitedIsData(t *testing.T) {
	for _, crowded := range []bool{false, true} {
		var r run
		r.box.add(Sample{Latency: time.Millisecond})
		r.box.gather()
		r.crowded.Store(crowded)
		if got := r.result(nil, 0); got.Limited != crowded || (got.Warning != "") != crowded {
			t.Errorf("crowded %v: limited %v, %q", crowded, got.Limited, got.Warning)
		}
	}
}
