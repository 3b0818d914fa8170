package local

import (
	"time"

	"sweetspot/engine/monitor"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

const mb = 1 << 20

// numOf converts a monitor's reading.
func numOf(r monitor.Reading) trial.Num {
	if v, ok := r.Get(); ok {
		return trial.NumOf(v)
	}
	return trial.Num{}
}

// scaledOf converts a reading to another unit.
func scaledOf(r monitor.Reading, unit float64) trial.Num {
	if v, ok := r.Get(); ok {
		return trial.NumOf(v / unit)
	}
	return trial.Num{}
}

// sharesOf returns the use of each of several GPUs.
func sharesOf(g monitor.GPUSample) []trial.GPUShare {
	var out []trial.GPUShare
	for _, one := range g.Each {
		out = append(out, trial.GPUShare{PercentMean: numOf(one.Percent), MemoryMB: scaledOf(one.MemoryBytes, mb)})
	}
	return out
}

// gpuWarnings returns the warnings about the GPU: it was throttled, or its clock fell.
func gpuWarnings(w monitor.Summary) []trial.Warning {
	var out []trial.Warning
	for _, text := range w.GPU.Warnings {
		out = append(out, trial.Warning{Text: text})
	}
	return out
}

// useOf returns the utilization during one measurement: of the child, and the CPU time of the
// generator, which is that of this process. Memory is the highest memory of the child since its start, added
// to that of each of its workers that is a process.
func useOf(w monitor.Summary, r load.Result) trial.ResourceUse {
	g := w.GPU
	u := trial.ResourceUse{
		CPUPercent: numOf(w.CPUPercent), RSSMB: scaledOf(w.PeakRSSBytes, mb), RSSDuringMB: scaledOf(w.RSSBytes, mb),
		GPU: trial.GPUUse{
			PercentMean: numOf(g.PercentMean), PercentMax: numOf(g.PercentMax), MemoryMB: scaledOf(g.MemoryBytes, mb),
			PowerW: numOf(g.PowerW), SMMHz: numOf(g.SMMHz), Throttled: g.Throttled,
			ThrottledShare: numOf(g.ThrottledShare), Throttle: g.Throttle, Reason: g.Reason,
		},
	}
	if r.CPU > 0 { // 0 is unknown
		u.GeneratorCPUPercent = trial.NumOf(100 * r.CPU.Seconds() / r.Seconds)
	}
	return u
}

// addEnergy adds the GPU's energy after the warm-up, because only the answers after it are counted.
func addEnergy(out *trial.Result, w *monitor.Window, r load.Result) {
	at := func(seconds float64) time.Time {
		return r.Start.Add(time.Duration(seconds * float64(time.Second)))
	}
	g := &out.Use.GPU
	g.EnergyJ = numOf(w.Energy(at(out.WarmupSeconds), at(out.WarmupSeconds+out.Seconds)))
	if !g.EnergyJ.OK() && g.Reason == "" {
		g.Reason = "energy: too few samples after the warm-up"
	}
}

// Use returns the latest sample of the child and the GPU. It has no energy, which needs a time
// interval.
func (t *Target) Use() trial.ResourceUse {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.monitor == nil {
		return trial.ResourceUse{}
	}
	s := t.monitor.Latest()
	return trial.ResourceUse{
		CPUPercent: numOf(s.Host.CPUPercent), RSSMB: scaledOf(s.Host.RSSBytes, mb),
		GPU: trial.GPUUse{
			PercentMean: numOf(s.GPU.Percent), MemoryMB: scaledOf(s.GPU.MemoryBytes, mb), PowerW: numOf(s.GPU.PowerW),
			SMMHz: numOf(s.GPU.SMMHz), Throttled: s.GPU.Throttled, Throttle: s.GPU.Throttle, Reason: s.GPU.Reason, Each: sharesOf(s.GPU),
		},
	}
}
