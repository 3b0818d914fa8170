package monitor

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// minGPUWindow is the shortest window for utilization, power and energy, because some
// products average them over a second.
const minGPUWindow = 3 * time.Second

// clockDrop is the relative decrease of the SM clock from which a window has a warning,
// because the conditions at its start and at its end differ.
const clockDrop = .05

// Summary is the usage in a window.
type Summary struct {
	Seconds      float64
	CPUPercent   Reading // mean, of one core
	RSSBytes     Reading // largest sample
	PeakRSSBytes Reading // high-water mark since the process started
	BusyPercent  Reading // mean of the machine
	StealPercent Reading // mean of the machine
	GPU          GPUSummary
}

// GPUSummary is the usage of a GPU in a window. Reason says why figures are n/a.
type GPUSummary struct {
	Samples        int
	PercentMean    Reading
	PercentMax     Reading
	MemoryBytes    Reading  // largest sample
	OwnMemoryBytes Reading  // largest sample
	PowerW         Reading  // mean
	EnergyJ        Reading  // of the whole window
	SMMHz          Reading  // mean
	Throttled      *bool    // at any time
	ThrottledShare Reading  // 0-1, fraction of the samples
	Throttle       []string // what limited the clock, each cause once
	Warnings       []string
	Reason         string
}

// Window summarizes an interval. Any goroutine may call Begin and End. GPU figures need a
// running Monitor.
type Window struct {
	m     *Monitor
	begin counters

	mu           sync.Mutex
	rss          series
	percent      series
	memory       series
	own          series
	power        series
	energy       series
	energySample []energySample // the samples of energy
	clock        series
	throttled    series   // 0 or 1
	causes       []string // of throttling
	samples      int
	reason       string // of the last sample
	sum          *Summary
}

// Begin opens a window. The caller must call End.
func (m *Monitor) Begin() *Window {
	w := &Window{m: m, begin: m.read(time.Now())}
	w.rss.add(w.begin.at, w.begin.process.rss)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open[w] = struct{}{}
	return w
}

// End closes the window and summarizes it. CPU figures are exact, from counters that are read
// at both ends; the others are from the samples between. A second End returns the same.
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
		w.energySample = append(w.energySample, energySample{g.At, v})
	}
	w.clock.add(g.At, g.SMMHz)
	if g.Throttled != nil {
		throttled := 0.
		if *g.Throttled {
			throttled = 1
		}
		w.throttled.add(g.At, Of(throttled))
	}
	for _, cause := range g.Throttle {
		if !slices.Contains(w.causes, cause) {
			w.causes = append(w.causes, cause)
		}
	}
}

func (w *Window) summary(end counters) *Summary {
	h := usageBetween(w.begin, end)
	length := end.at.Sub(w.begin.at)
	return &Summary{
		Seconds:      length.Seconds(),
		CPUPercent:   h.CPUPercent,
		RSSBytes:     w.rss.largest(),
		PeakRSSBytes: h.PeakRSSBytes,
		BusyPercent:  h.BusyPercent,
		StealPercent: h.StealPercent,
		GPU:          w.gpu(length),
	}
}

func (w *Window) gpu(length time.Duration) GPUSummary {
	g := GPUSummary{
		Samples:        w.samples,
		MemoryBytes:    w.memory.largest(),
		OwnMemoryBytes: w.own.largest(),
		SMMHz:          w.clock.mean(),
		ThrottledShare: w.throttled.mean(),
		Throttle:       slices.Clone(w.causes),
		Reason:         w.gpuReason(length),
	}
	if length >= minGPUWindow {
		g.PercentMean, g.PercentMax = w.percent.mean(), w.percent.largest()
		g.PowerW = w.power.mean()
		g.EnergyJ = w.energy.increase(length)
	}
	if share, ok := g.ThrottledShare.Get(); ok {
		g.Throttled = new(share > 0)
		if share > 0 {
			text := fmt.Sprintf("the GPU was throttled in %.0f%% of the samples", 100*share)
			if len(g.Throttle) > 0 {
				text += " (" + strings.Join(g.Throttle, ", ") + ")"
			}
			g.Warnings = append(g.Warnings, text+": other settings may have been measured with a faster clock")
		}
	}
	if drop := 1 - w.clock.last/w.clock.first; w.clock.n > 1 && drop > clockDrop {
		g.Warnings = append(g.Warnings, fmt.Sprintf("the GPU's clock decreased by %.0f%% during the measurement", 100*drop))
	}
	return g
}

func (w *Window) gpuReason(length time.Duration) string {
	switch {
	case w.reason != "":
		return w.reason
	case w.samples == 0 && len(w.m.gpu.Devices()) == 0:
		return w.m.Latest().GPU.Reason // sampled once, before the window
	case w.samples == 0:
		return "no answer from the driver"
	case length < minGPUWindow:
		return fmt.Sprintf("shorter than the %v that utilization and power need", minGPUWindow)
	}
	return ""
}

// energySample is the energy counter of a GPU at one time.
type energySample struct {
	at    time.Time
	total float64
}

// Energy returns the GPU's energy in joules between two times in the window, for example
// without the warm-up. It is n/a if EnergyJ of a window of that length would be. It
// interpolates the counter linearly between samples, and extrapolates it before the first and
// after the last one.
func (w *Window) Energy(from, to time.Time) Reading {
	w.mu.Lock()
	defer w.mu.Unlock()
	if to.Sub(from) < minGPUWindow || len(w.energySample) < 2 {
		return Reading{}
	}
	first, last := w.energySample[0].at, w.energySample[len(w.energySample)-1].at
	a, b := later(from, first), earlier(to, last)
	sampled := b.Sub(a)
	used := w.energyAt(b) - w.energyAt(a)
	if sampled <= 0 || used < 0 {
		return Reading{}
	}
	return Of(used * to.Sub(from).Seconds() / sampled.Seconds())
}

// energyAt interpolates the energy counter at a time between the first and the last sample.
func (w *Window) energyAt(at time.Time) float64 {
	i := sort.Search(len(w.energySample)-1, func(i int) bool { return !w.energySample[i].at.Before(at) })
	if i == 0 {
		return w.energySample[0].total
	}
	a, b := w.energySample[i-1], w.energySample[i]
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

// series accumulates the samples of one figure.
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

func (s *series) largest() Reading {
	if s.n == 0 {
		return Reading{}
	}
	return Of(s.max)
}

// increase returns how much a counter increased in a window of the given length: its increase
// between the first and the last sample, extrapolated to the window.
func (s *series) increase(window time.Duration) Reading {
	sampled := s.lastAt.Sub(s.firstAt)
	if s.n < 2 || sampled <= 0 || s.last < s.first {
		return Reading{}
	}
	return Of((s.last - s.first) * window.Seconds() / sampled.Seconds())
}
