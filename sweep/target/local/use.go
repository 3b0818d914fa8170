package local

import (
	"time"

	"sweetspot/engine/monitor"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

const mb = 1 << 20

// num is a monitor's reading as profiles hold it.
func num(r monitor.Reading) trial.Num {
	if v, ok := r.Get(); ok {
		return trial.NumOf(v)
	}
	return trial.Num{}
}

// scaled is a reading in another unit.
func scaled(r monitor.Reading, unit float64) trial.Num {
	if v, ok := r.Get(); ok {
		return trial.NumOf(v / unit)
	}
	return trial.Num{}
}

// useOf is the use of one measurement: the child's window, and the generator's
// own CPU, which is that of this whole process. Memory is the child's high-water
// mark since its start. The energy is addEnergy's.
func useOf(w monitor.Summary, r load.Result) trial.ResourceUse {
	g := w.GPU
	u := trial.ResourceUse{
		CPUPercent: num(w.CPUPercent), RSSMB: scaled(w.PeakRSSBytes, mb),
		GPU: trial.GPUUse{
			PercentMean: num(g.PercentMean), PercentMax: num(g.PercentMax), MemoryMB: scaled(g.MemoryBytes, mb),
			PowerW: num(g.PowerW), SMMHz: num(g.SMMHz), Throttled: g.Throttled, Reason: g.Reason,
		},
	}
	if r.CPU > 0 { // 0 is not known
		u.GeneratorCPUPercent = trial.NumOf(100 * r.CPU.Seconds() / r.Seconds)
	}
	return u
}

// addEnergy gives out the GPU's energy in the seconds that it is about: requests per
// joule divide its answers, which came after the warm-up, by it.
func addEnergy(out *trial.Result, w *monitor.Window, r load.Result) {
	at := func(seconds float64) time.Time {
		return r.Start.Add(time.Duration(seconds * float64(time.Second)))
	}
	g := &out.Use.GPU
	g.EnergyJ = num(w.Energy(at(out.WarmupSeconds), at(out.WarmupSeconds+out.Seconds)))
	if !g.EnergyJ.OK() && g.Reason == "" {
		g.Reason = "energy: too few samples after the warm-up"
	}
}

// Use is the latest sample of the child and the GPU. It has no energy, which is that
// of a time and not of a moment.
func (t *Target) Use() trial.ResourceUse {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.watch == nil {
		return trial.ResourceUse{}
	}
	s := t.watch.Latest()
	return trial.ResourceUse{
		CPUPercent: num(s.Host.CPUPercent), RSSMB: scaled(s.Host.RSSBytes, mb),
		GPU: trial.GPUUse{
			PercentMean: num(s.GPU.Percent), MemoryMB: scaled(s.GPU.MemoryBytes, mb), PowerW: num(s.GPU.PowerW),
			SMMHz: num(s.GPU.SMMHz), Throttled: s.GPU.Throttled, Reason: s.GPU.Reason,
		},
	}
}
