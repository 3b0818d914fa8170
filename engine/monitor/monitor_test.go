package monitor

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// scripted is a GPU that returns one scripted sample after the other, then repeats the last.
type scripted struct {
	samples []scriptedSample
	n       int
	closed  bool
}

type scriptedSample struct {
	sample GPUSample
	err    error
	takes  time.Duration
	hangs  <-chan struct{}
}

func (s *scripted) Devices() []Device { return []Device{{UUID: "GPU-1", Name: "fake"}} }
func (s *scripted) Close() error      { s.closed = true; return nil }

func (s *scripted) Sample(context.Context) (GPUSample, error) {
	now := s.samples[min(s.n, len(s.samples)-1)]
	s.n++
	time.Sleep(now.takes)
	if now.hangs != nil {
		<-now.hangs
	}
	return now.sample, now.err
}

// busy returns n samples of a busy GPU; its energy counter increases by 100 J per sample.
func busy(n int) []scriptedSample {
	out := make([]scriptedSample, n)
	for i := range out {
		out[i].sample = GPUSample{
			Percent: Of(float64(40 + 10*(i%5))), MemoryBytes: Of(float64(1000 + i)), PowerW: Of(200),
			EnergyJ: Of(float64(5000 + 100*i)), SMMHz: Of(1500), Throttled: new(i == 6),
		}
		if i == 6 {
			out[i].sample.Throttle = []string{"power cap"}
		}
	}
	return out
}

// start runs a monitor in the bubble for a process that uses 1.5 cores. The returned function
// ends it. Whether a window that begins at once has the first samples is not defined: they are
// taken by other goroutines.
func start(t *testing.T, gpu GPU) (*Monitor, func() error) {
	t.Helper()
	m := scriptedMonitor(gpu)
	return m, run(t, m)
}

// scriptedMonitor returns a monitor that does not run yet, of a process that uses 1.5 cores
// from now on.
func scriptedMonitor(gpu GPU) *Monitor {
	m := New(Options{GPU: gpu})
	begin := time.Now()
	m.read = func(now time.Time) counters {
		s := now.Sub(begin).Seconds()
		return counters{
			at: now, hasMachine: true,
			process: process{cpu: time.Duration(1.5 * s * 1e9), rss: Of(1e6 + s), peak: Of(9e6)},
			machine: machine{busy: 60 * s, steal: 2 * s, total: 200 * s},
		}
	}
	return m
}

// run runs the monitor until the returned function is called.
func run(t *testing.T, m *Monitor) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	return func() error { cancel(); return <-done }
}

func near(t *testing.T, what string, got Reading, want float64) {
	t.Helper()
	if v, ok := got.Get(); !ok || math.Abs(v-want) > math.Abs(want)*1e-6 {
		t.Errorf("%s: %v, want %g", what, got, want)
	}
}

func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gpu := &scripted{samples: busy(100)}
		m, stop := start(t, gpu)
		time.Sleep(750 * time.Millisecond) // two samples before the window
		w := m.Begin()
		time.Sleep(5 * time.Second)
		s := w.End()

		near(t, "seconds", Of(s.Seconds), 5)
		near(t, "CPU", s.CPUPercent, 150)
		near(t, "RSS", s.RSSBytes, 1e6+5.75)
		near(t, "peak RSS", s.PeakRSSBytes, 9e6)
		near(t, "machine", s.BusyPercent, 30)
		near(t, "steal", s.StealPercent, 1)
		if s.GPU.Samples != 10 || s.GPU.Reason != "" {
			t.Errorf("%d samples, reason %q; want 10", s.GPU.Samples, s.GPU.Reason)
		}
		near(t, "GPU mean", s.GPU.PercentMean, 60)
		near(t, "GPU max", s.GPU.PercentMax, 80)
		near(t, "GPU memory", s.GPU.MemoryBytes, 1011)
		near(t, "power", s.GPU.PowerW, 200)
		near(t, "energy", s.GPU.EnergyJ, 1000) // 200 W for 5 s
		near(t, "clock", s.GPU.SMMHz, 1500)
		near(t, "throttled share", s.GPU.ThrottledShare, .1)
		want := []string{"the GPU was throttled in 10% of the samples (power cap): other settings may have been measured with a faster clock"}
		if s.GPU.Throttled == nil || !*s.GPU.Throttled || !slices.Equal(s.GPU.Warnings, want) || !slices.Equal(s.GPU.Throttle, []string{"power cap"}) {
			t.Errorf("throttled %v by %q, warnings %q, want %q", s.GPU.Throttled, s.GPU.Throttle, s.GPU.Warnings, want)
		}

		time.Sleep(time.Second)
		if again := w.End(); again.Seconds != s.Seconds {
			t.Error("a second End gave another summary")
		}
		if len(m.open) != 0 {
			t.Error("the window is still open")
		}
		if err := stop(); err != nil || !gpu.closed {
			t.Errorf("Run: %v, GPU closed: %v", err, gpu.closed)
		}
	})
}

// TestEnergyOfAPart checks that energy outside the part does not count.
func TestEnergyOfAPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		samples := busy(100) // 200 W; the first 2 s, four samples, take 1000 W
		for i := range samples {
			samples[i].sample.EnergyJ = Of(500*float64(min(i, 4)) + 100*float64(max(i-4, 0)))
		}
		m := scriptedMonitor(&scripted{samples: samples})
		begin := time.Now()
		w := m.Begin() // before Run: the first sample is in the window
		stop := run(t, m)
		time.Sleep(8*time.Second + time.Millisecond)
		w.End()
		at := func(s float64) time.Time { return begin.Add(time.Duration(s * float64(time.Second))) }
		near(t, "whole", w.Energy(at(0), at(8)), 3200)
		near(t, "after the first part", w.Energy(at(2), at(8)), 1200)
		near(t, "between samples", w.Energy(at(1.25), at(6.1)), 750+820)
		near(t, "beyond the last sample", w.Energy(at(4), at(9)), 1000)
		if got := w.Energy(at(2), at(4)); got != (Reading{}) {
			t.Errorf("energy of 2 s = %v, want n/a", got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestShortWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, stop := start(t, &scripted{samples: busy(100)})
		w := m.Begin()
		time.Sleep(2200 * time.Millisecond)
		s := w.End().GPU
		if s.PercentMean != (Reading{}) || s.PowerW != (Reading{}) || s.EnergyJ != (Reading{}) || !strings.Contains(s.Reason, "shorter than") {
			t.Errorf("a window of 2.2 s: %+v", s)
		}
		near(t, "memory is of the moment", s.MemoryBytes, 1004)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestWindowClockDecreases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		samples := busy(9)
		samples[8].sample.SMMHz, samples[6].sample.Throttled, samples[6].sample.Throttle = Of(1200), nil, nil
		m, stop := start(t, &scripted{samples: samples})
		w := m.Begin()
		time.Sleep(5 * time.Second)
		if got := w.End().GPU.Warnings; len(got) != 1 || got[0] != "the GPU's clock decreased by 20% during the measurement" {
			t.Errorf("warnings %q", got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// Summaries and snapshots have the reasons, and a figure that was not read is not 0.
func TestReasons(t *testing.T) {
	cases := []struct {
		name   string
		gpu    GPU
		reason string
	}{
		{"library missing", NoGPU("no NVML library"), "no NVML library"},
		{"none given", nil, "no GPU is monitored"},
		{"MIG", &scripted{samples: []scriptedSample{{sample: GPUSample{Reason: "utilization n/a (MIG)", MemoryBytes: Of(5)}}}}, "utilization n/a (MIG)"},
		{"lost", &scripted{samples: []scriptedSample{{err: errors.New("the GPU is lost")}}}, "the GPU is lost"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, stop := start(t, c.gpu)
				time.Sleep(time.Second)
				w := m.Begin()
				time.Sleep(4 * time.Second)
				s := w.End().GPU
				if s.Reason != c.reason || s.PercentMean != (Reading{}) || s.EnergyJ != (Reading{}) || s.Throttled != nil {
					t.Errorf("summary %+v, want reason %q", s, c.reason)
				}
				if g := m.Latest().GPU; g.Reason != c.reason || g.Percent != (Reading{}) {
					t.Errorf("latest %+v, want reason %q", g, c.reason)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A driver call that takes 2 s delays neither the samples of the host nor Latest.
func TestSlowGPU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		samples := busy(2)
		samples[1].takes = 2 * time.Second
		m, stop := start(t, &scripted{samples: samples})
		time.Sleep(2400 * time.Millisecond)
		s := m.Latest()
		near(t, "CPU", s.Host.CPUPercent, 150)
		if age := time.Since(s.Host.At); age > interval {
			t.Errorf("the host's sample is %v old", age)
		}
		near(t, "the GPU's sample before", s.GPU.Percent, 40)
		time.Sleep(2 * time.Second)
		near(t, "the GPU's slow sample", m.Latest().GPU.Percent, 50)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// A driver that never answers becomes the reason, and Run still ends.
func TestHangingGPU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		defer close(free)
		samples := busy(3)
		samples[2].hangs = free
		m, stop := start(t, &scripted{samples: samples})
		time.Sleep(2 * time.Second)
		near(t, "last sample", m.Latest().GPU.Percent, 50)
		time.Sleep(3 * time.Second)
		if g := m.Latest().GPU; g.Percent != (Reading{}) || g.Reason != "no answer from the driver for 4 s" {
			t.Errorf("latest %+v", g)
		}
		w := m.Begin()
		time.Sleep(4 * time.Second)
		if s := w.End().GPU; s.Reason != "no answer from the driver" {
			t.Errorf("summary %+v", s)
		}
		if err := stop(); err == nil || !strings.Contains(err.Error(), "did not answer") {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestNotSampledYet(t *testing.T) {
	s := New(Options{}).Latest()
	if s.Host.Reason != "not sampled yet" || s.GPU.Reason != "not sampled yet" {
		t.Errorf("Latest before Run: %+v", s)
	}
}

// Windows begin and end, and Latest is called, while samples are taken.
func TestMonitorConcurrently(t *testing.T) {
	m := New(Options{GPU: &scripted{samples: busy(4)}, Every: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	var run, users sync.WaitGroup
	run.Go(func() {
		if err := m.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for range 4 {
		users.Go(func() {
			for range 30 {
				w := m.Begin()
				m.Latest()
				w.End()
			}
		})
	}
	users.Wait()
	cancel()
	run.Wait()
}

func BenchmarkSample(b *testing.B) {
	s := NewSampler(New(Options{}).sampler.pid)
	b.ReportAllocs()
	for b.Loop() {
		s.Sample()
	}
}
