package local

import (
	"sweetspot/engine/monitor"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

const mb = 1 << 20

// num is a monitor's reading as profiles hold it.
func num(r monitor.Reading) trial.Num {
	if v, ok := r.Get(); ok {
		return trial.Of(v)
	}
	return trial.Num{}
}

// scaled is a reading in another unit.
func scaled(r monitor.Reading, unit float64) trial.Num {
	if v, ok := r.Get(); ok {
		return trial.Of(v / unit)
	}
	return trial.Num{}
}

// useOf is the use of one measurement: the child's window, and the generator's
// own CPU, which is that of this whole process. Memory is the child's high-water
// mark since its start.
func useOf(w monitor.Summary, r load.Result) trial.Use {
	g := w.GPU
	u := trial.Use{
		CPUPercent: num(w.CPUPercent), RSSMB: scaled(w.PeakRSSBytes, mb),
		GPU: trial.GPUUse{
			PercentMean: num(g.PercentMean), PercentMax: num(g.PercentMax), MemoryMB: scaled(g.MemoryBytes, mb),
			PowerW: num(g.PowerW), EnergyJ: num(g.EnergyJ), SMMHz: num(g.SMMHz), Throttled: g.Throttled, Reason: g.Reason,
		},
	}
	if r.CPU > 0 { // 0 is not known
		u.GeneratorCPUPercent = trial.Of(100 * r.CPU.Seconds() / r.Seconds)
	}
	return u
}

// Use is the latest sample of the child and the GPU.
func (t *Target) Use() trial.Use {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.watch == nil {
		return trial.Use{}
	}
	s := t.watch.Latest()
	return trial.Use{
		CPUPercent: num(s.Host.CPUPercent), RSSMB: scaled(s.Host.RSSBytes, mb),
		GPU: trial.GPUUse{
			PercentMean: num(s.GPU.Percent), MemoryMB: scaled(s.GPU.MemoryBytes, mb), PowerW: num(s.GPU.PowerW),
			EnergyJ: num(s.GPU.EnergyJ), SMMHz: num(s.GPU.SMMHz), Throttled: s.GPU.Throttled, Reason: s.GPU.Reason,
		},
	}
}
