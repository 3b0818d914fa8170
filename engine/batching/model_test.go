package batching_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/batching"
)

// The model of this file says what both rules do, without the state of the collector: it keeps a list of all events, and
// after each event it computes everything again from the whole list. What it knows of the open batch are its takes, with their
// times; all else follows from them.

// happening is something that happens to the owner at a time: an event, an abandoned request, or a late timer.
type happening struct {
	at   time.Duration
	what batching.Kind // Took is not used; abandons is a request that is abandoned in the queue
	n    int           // Arrived: how many. abandons: which of the queue. Removed: nothing, all abandoned ones are
	cfg  batching.Config
}

// abandons marks a request in the queue as abandoned, which the collector does not see.
const abandons = batching.Kind(100)

// take is a take of a request, also one that was found abandoned and dropped.
type take struct {
	at      time.Duration
	request int
	arrived time.Duration
	dropped bool
}

// history is what follows from a list of happenings: each action as a line, and the state at the end.
type history struct {
	Actions      []string
	Queued, Open int
	Wake         time.Duration
}

// modelRun is a computation of the model.
type modelRun struct {
	cfg     batching.Config
	idle    int
	queue   []take // arrived, not taken
	takes   []take // of the open batch, from its first request on
	opened  batching.Config
	out     history
	arrived int
}

// modelOf computes the history of a list of happenings from nothing.
func modelOf(start batching.Config, all []happening) history {
	m := modelRun{cfg: start}
	m.out.Wake = batching.Never
	for _, h := range all {
		m.happen(h)
		m.act(h.at)
	}
	m.out.Queued, m.out.Open = len(m.queue), m.kept()
	return m.out
}

func (m *modelRun) happen(h happening) {
	switch h.what {
	case batching.Arrived:
		for range h.n {
			m.arrived++
			m.queue = append(m.queue, take{request: m.arrived, arrived: h.at})
		}
	case abandons:
		m.queue[h.n].dropped = true
	case batching.Removed:
		m.queue = slices.DeleteFunc(m.queue, func(t take) bool { return t.dropped })
	case batching.WorkerIdle:
		m.idle++
	case batching.WorkerRetired:
		m.idle--
	case batching.Configured:
		m.cfg = h.cfg
	}
}

// act does all that the rules demand at a time, and computes the next time at which they demand something.
func (m *modelRun) act(now time.Duration) {
	for m.idle > 0 {
		switch {
		case m.complete() || m.kept() > 0 && len(m.queue) == 0 && now >= m.deadline():
			m.send(now)
		case len(m.queue) > 0:
			m.take(now)
		case m.kept() > 0:
			m.out.Wake = m.deadline()
			return
		default:
			m.out.Wake = batching.Never
			return
		}
	}
	m.out.Wake = batching.Never
}

// kept is the number of requests in the open batch.
func (m *modelRun) kept() (n int) {
	for _, t := range m.takes {
		if !t.dropped {
			n++
		}
	}
	return n
}

// deadline is when the open batch has waited long enough, by the settings with which it was opened.
func (m *modelRun) deadline() time.Duration {
	if m.opened.Rule == batching.Eager {
		return m.takes[0].arrived + m.opened.Delay
	}
	return m.takes[0].at + m.opened.Delay
}

// complete reports whether the open batch takes no other request, even one that is waiting.
func (m *modelRun) complete() bool {
	if m.kept() == 0 {
		return false
	}
	if m.kept() >= m.cfg.Size {
		return true
	}
	return m.cfg.Rule == batching.TorchServe && (m.usedUp() || m.late())
}

// usedUp reports whether the b-1 takes after the first are done, dropped ones counted.
func (m *modelRun) usedUp() bool { return len(m.takes)-1 >= m.cfg.Size-1 }

// late reports whether the last take after the first found that the delay was over.
func (m *modelRun) late() bool {
	return len(m.takes) > 1 && m.takes[len(m.takes)-1].at >= m.deadline()
}

func (m *modelRun) take(now time.Duration) {
	t := m.queue[0]
	t.at, m.queue = now, m.queue[1:]
	if t.dropped && len(m.takes) == 0 { // it opens no batch
		m.out.Actions = append(m.out.Actions, fmt.Sprintf("%v drop %d", now, t.request))
		return
	}
	if len(m.takes) == 0 {
		m.opened = m.cfg
	}
	m.takes = append(m.takes, t)
	m.out.Actions = append(m.out.Actions, fmt.Sprintf("%v %s %d", now, map[bool]string{false: "take", true: "drop"}[t.dropped], t.request))
}

func (m *modelRun) send(now time.Duration) {
	why := batching.Delayed
	switch {
	case m.kept() >= m.cfg.Size:
		why = batching.Full
	case m.cfg.Delay == 0:
		why = batching.Undelayed
	case m.cfg.Rule == batching.TorchServe && m.usedUp() && !m.late():
		why = batching.Abandoned
	}
	m.out.Actions = append(m.out.Actions, fmt.Sprintf("%v send %d %s", now, m.kept(), why))
	m.takes = nil
	m.idle--
}

// driven is a collector with the queue of its owner.
type driven struct {
	col     *batching.Collector
	idle    int
	queue   []take
	arrived int
	out     history
}

// step reports a happening to the collector and executes its actions.
func (d *driven) step(h happening) {
	e := batching.Event{Kind: h.what, N: h.n}
	switch h.what {
	case abandons:
		d.queue[h.n].dropped = true
		return
	case batching.Arrived:
		for range h.n {
			d.arrived++
			d.queue = append(d.queue, take{request: d.arrived, arrived: h.at})
		}
	case batching.Removed:
		before := len(d.queue)
		d.queue = slices.DeleteFunc(d.queue, func(t take) bool { return t.dropped })
		e.N = before - len(d.queue)
	case batching.WorkerIdle:
		d.idle++
	case batching.WorkerRetired:
		d.idle--
	case batching.Configured:
		d.col.Configure(h.cfg)
	}
	a := d.col.Step(h.at, e)
	for a.Do != batching.Wait {
		what, next := fmt.Sprintf("send %d %s", d.col.Open(), d.col.Reason()), batching.Event{Kind: batching.Sent}
		if a.Do == batching.Take {
			t := d.queue[0]
			d.queue = d.queue[1:]
			what, next = fmt.Sprintf("take %d", t.request), batching.Event{Kind: batching.Took, Arrival: t.arrived}
			if t.dropped {
				what, next = fmt.Sprintf("drop %d", t.request), batching.Event{Kind: batching.Dropped}
			}
		} else {
			d.idle--
		}
		d.out.Actions = append(d.out.Actions, fmt.Sprintf("%v %s", h.at, what))
		a = d.col.Step(h.at, next)
	}
	d.out.Queued, d.out.Open, d.out.Wake = d.col.Queued(), d.col.Open(), a.Wake
}

// maxHappenings keeps the model, whose work grows with the square of the list, fast.
const maxHappenings = 80

// drive turns bytes into happenings, two each, and compares the collector with the model after each of them.
func drive(t *testing.T, data []byte) (actions int) {
	t.Helper()
	if len(data) < 2 {
		return 0
	}
	start := configOf(data[0], data[1])
	d := &driven{col: batching.New(start), out: history{Wake: batching.Never}}
	var all []happening
	now := time.Duration(0)
	for i := 2; i+1 < len(data) && len(all) < maxHappenings; i += 2 {
		h, ok := d.happening(data[i], data[i+1], now)
		if !ok {
			continue
		}
		now, all = h.at, append(all, h)
		d.step(h)
		if want := modelOf(start, all); h.what != abandons {
			if diff := cmp.Diff(want, d.out); diff != "" {
				t.Fatalf("start %+v\n%+v\n(-model +collector)\n%s", start, all, diff)
			}
		}
	}
	return len(d.out.Actions)
}

// happening turns two bytes into the next happening, at now or up to 15 ms later: half of them wait, also beyond
// the time of the timer, as late timers do. It returns false if the owner is not in a state for it.
func (d *driven) happening(a, b byte, now time.Duration) (happening, bool) {
	h := happening{at: now, n: 1}
	if a&8 != 0 {
		h.at += time.Duration(a>>4) * ms
	}
	switch a & 7 {
	case 0, 1:
		h.what, h.n = batching.Arrived, 1+int(b&15)
	case 2:
		h.what = batching.WorkerIdle
	case 3:
		h.what = batching.WorkerRetired
		return h, d.idle > 0
	case 4:
		h.what, h.n = abandons, int(b)
		if len(d.queue) > 0 {
			h.n %= len(d.queue)
		}
		return h, len(d.queue) > 0
	case 5:
		h.what = batching.Removed
	case 6:
		h.what, h.cfg = batching.Configured, configOf(b, b>>3)
	default: // exactly at its time, if there is one
		h.what = batching.Timer
		if b&1 == 0 && d.out.Wake != batching.Never {
			h.at = max(h.at, d.out.Wake)
		}
	}
	return h, true
}

// configOf turns two bytes into a configuration: sizes 1-8, delays 0-31 ms.
func configOf(a, b byte) batching.Config {
	return batching.Config{Rule: batching.Rule(a >> 7), Size: 1 + int(a&7), Delay: time.Duration(b&31) * ms}
}

// TestModel compares the collector with the model for random happenings, under both rules.
func TestModel(t *testing.T) {
	actions := 0
	for seed := range uint64(80) {
		rng := rand.New(rand.NewPCG(seed, 3))
		data := make([]byte, 2+2*maxHappenings)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		data[0] = data[0]&127 | byte(seed&1)<<7
		actions += drive(t, data)
	}
	if actions < 2_000 {
		t.Errorf("only %d actions: the happenings are no test", actions)
	}
}

// FuzzCollector compares the collector with the model for any happenings.
func FuzzCollector(f *testing.F) {
	f.Add([]byte{0x03, 10, 2, 0, 0, 2, 8 | 5<<4, 0, 7, 0})
	f.Add([]byte{0x87, 0, 0, 15, 2, 0, 2, 0, 4, 3, 5, 0, 6, 0x82, 2, 0})
	f.Fuzz(func(t *testing.T, data []byte) { drive(t, data) })
}
