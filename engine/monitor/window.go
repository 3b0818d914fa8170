package monitor

import (
	"fmt"
	"sort"
	"sync"
	"time"
)

// minGPUWindow is the shortest window that utilization, power and energy are
// told for: some products average them over a second.
const minGPUWindow = 3 * time.Second

// clockDrop is how far the SM clock may fall in a window before the window
// carries a warning: what ran at its ends ran under unequal conditions.
const clockDrop = .05

// Summary is the use of a window.
type Summary struct {
	Seconds      float64
	CPUPercent   Reading // mean, of one core
	RSSBytes     Reading // largest seen
	PeakRSSBytes Reading // high-water mark since the process started
	BusyPercent  Reading // mean of the machine
	StealPercent Reading // mean of the machine
	GPU          GPUSummary
}

// GPUSummary is the use of a GPU in a window. Reason says why figures are n/a.
type GPUSummary struct {
	Samples        int
	PercentMean    Reading
	PercentMax     Reading
	MemoryBytes    Reading // largest seen
	OwnMemoryBytes Reading // largest seen
	PowerW         Reading // mean
	EnergyJ        Reading // of the whole window
	SMMHz          Reading // mean
	Throttled      *bool   // at any time
	ThrottledShare Reading // 0-1, of the samples
	Warnings       []string
	Reason         string
}

// Window is an interval that is summed up. Begin and End may be called from any
// goroutine; GPU figures need the Monitor's Run.
type Window struct {
	m     *Monitor
	begin counters

	mu        sync.Mutex
	rss       series
	percent   series
	memory    series
	own       series
	power     series
	energy    series
	joules    []joules // the samples of energy
	clock     series
	throttled series // 0 or 1
	samples   int
	reason    string // of the last sample
	sum       *Summary
}

// Begin opens a window. Every window has to be ended.
func (m *Monitor) Begin() *Window {
	w := &Window{m: m, begin: m.read(time.Now())}
	w.rss.add(w.begin.at, w.begin.process.rss)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open[w] = struct{}{}
	return w
}

// End closes the window and sums it up. CPU is exact from counters read at both
// ends; the rest is from the samples between. A second End repeats the first.
func (w *Window) End() Summary {
	end := w.m.read(time.Now())
	w.m.mu.Lock()
	delete(w.m.open, w)
	w.m.mu.Unlock()

	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sum == nil {
		w.rss.add(end.at, end.process.rss)
		w.sum = w.summary(end)
	}
	return *w.sum
}

func (w *Window) addHost(h Host) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rss.add(h.At, h.RSSBytes)
}

func (w *Window) addGPU(g GPUSample) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.samples++
	w.reason = g.Reason
	w.percent.add(g.At, g.Percent)
	w.memory.add(g.At, g.MemoryBytes)
	w.own.add(g.At, g.OwnMemoryBytes)
	w.power.add(g.At, g.PowerW)
	w.energy.add(g.At, g.EnergyJ)
	if v, ok := g.EnergyJ.Get(); ok {
		w.joules = append(w.joules, joules{g.At, v})
	}
	w.clock.add(g.At, g.SMMHz)
	if g.Throttled != nil {
		held := 0.
		if *g.Throttled {
			held = 1
		}
		w.throttled.add(g.At, Of(held))
	}
}

func (w *Window) summary(end counters) *Summary {
	h := between(w.begin, end)
	long := end.at.Sub(w.begin.at)
	return &Summary{
		Seconds:      long.Seconds(),
		CPUPercent:   h.CPUPercent,
		RSSBytes:     w.rss.most(),
		PeakRSSBytes: h.PeakRSSBytes,
		BusyPercent:  h.BusyPercent,
		StealPercent: h.StealPercent,
		GPU:          w.gpu(long),
	}
}

func (w *Window) gpu(long time.Duration) GPUSummary {
	g := GPUSummary{
		Samples:        w.samples,
		MemoryBytes:    w.memory.most(),
		OwnMemoryBytes: w.own.most(),
		SMMHz:          w.clock.mean(),
		ThrottledShare: w.throttled.mean(),
		Reason:         w.gpuReason(long),
	}
	if long >= minGPUWindow {
		g.PercentMean, g.PercentMax = w.percent.mean(), w.percent.most()
		g.PowerW = w.power.mean()
		g.EnergyJ = w.energy.rise(long)
	}
	if share, ok := g.ThrottledShare.Get(); ok {
		g.Throttled = new(share > 0)
		if share > 0 {
			g.Warnings = append(g.Warnings, fmt.Sprintf("GPU throttled in %.0f%% of the samples", 100*share))
		}
	}
	if drop := 1 - w.clock.last/w.clock.first; w.clock.n > 1 && drop > clockDrop {
		g.Warnings = append(g.Warnings, fmt.Sprintf("GPU clock fell by %.0f%% during the measurement", 100*drop))
	}
	return g
}

func (w *Window) gpuReason(long time.Duration) string {
	switch {
	case w.reason != "":
		return w.reason
	case w.samples == 0 && len(w.m.gpu.Devices()) == 0:
		return w.m.Latest().GPU.Reason // sampled once, before the window
	case w.samples == 0:
		return "no answer from the driver"
	case long < minGPUWindow:
		return fmt.Sprintf("shorter than the %v that utilization and power need", minGPUWindow)
	}
	return ""
}

// joules is a GPU's energy counter at a moment.
type joules struct {
	at    time.Time
	total float64
}

// Energy is the GPU's energy between two moments of the window, in joules: that of
// what was done in a part of it, a warm-up left out. It is n/a where the window's
// own would be. The counter is taken to rise evenly between two samples, and before
// the first and after the last one as it does between these.
func (w *Window) Energy(from, to time.Time) Reading {
	w.mu.Lock()
	defer w.mu.Unlock()
	if to.Sub(from) < minGPUWindow || len(w.joules) < 2 {
		return Reading{}
	}
	first, last := w.joules[0].at, w.joules[len(w.joules)-1].at
	a, b := later(from, first), earlier(to, last)
	seen := b.Sub(a)
	rise := w.counted(b) - w.counted(a)
	if seen <= 0 || rise < 0 {
		return Reading{}
	}
	return Of(rise * to.Sub(from).Seconds() / seen.Seconds())
}

// counted is the energy counter at a moment between the first and the last sample.
func (w *Window) counted(at time.Time) float64 {
	i := sort.Search(len(w.joules)-1, func(i int) bool { return !w.joules[i].at.Before(at) })
	if i == 0 {
		return w.joules[0].total
	}
	a, b := w.joules[i-1], w.joules[i]
	share := at.Sub(a.at).Seconds() / b.at.Sub(a.at).Seconds()
	return a.total + share*(b.total-a.total)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// series is what is kept of a figure's samples.
type series struct {
	n                     int
	sum, max, first, last float64
	firstAt, lastAt       time.Time
}

func (s *series) add(at time.Time, r Reading) {
	v, ok := r.Get()
	if !ok {
		return
	}
	if s.n == 0 {
		s.first, s.firstAt, s.max = v, at, v
	}
	s.n++
	s.sum += v
	s.max = max(s.max, v)
	s.last, s.lastAt = v, at
}

func (s *series) mean() Reading {
	if s.n == 0 {
		return Reading{}
	}
	return Of(s.sum / float64(s.n))
}

func (s *series) most() Reading {
	if s.n == 0 {
		return Reading{}
	}
	return Of(s.max)
}

// rise is how far a counter rose in a window of the given length: its rise
// between the first and the last sample, stretched to the window's ends.
func (s *series) rise(window time.Duration) Reading {
	seen := s.lastAt.Sub(s.firstAt)
	if s.n < 2 || seen <= 0 || s.last < s.first {
		return Reading{}
	}
	return Of((s.last - s.first) * window.Seconds() / seen.Seconds())
}
