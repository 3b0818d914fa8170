package plan

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
)

// values returns the range of one knob as values, in order. A knob the plan
// does not name keeps its start value.
func (p Plan) values(k knob.Knob, m environment) []string {
	text, named := p.Knobs[k.Name]
	_, own := m.limits.Table().Own().Get(k.Name)
	switch {
	case !named:
		return []string{m.base.Get(k.Name)}
	case text == knob.Auto && own:
		return k.AutoValues()
	case text == knob.Auto:
		return p.autoRange(k.Name, m)
	}
	return strings.Split(normalize(k.Name, text), ",")
}

// autoRange is the rule of thumb for one knob. The ranges together hold the
// usual good guesses: cores/2 workers, cores workers, one worker on all cores.
func (p Plan) autoRange(n knob.Name, m environment) []string {
	cores := m.limits.Cores
	if cores == 0 {
		cores = 4 // nobody knows: a small machine, so as not to swamp it
	}
	switch n {
	case knob.Workers:
		return formatInts(powersUpTo(min(cores, 256), cores/2))
	case knob.Threads:
		return formatInts(powersUpTo(cores))
	case knob.BatchSize:
		return formatInts(powersUpTo(32))
	case knob.BatchDelay:
		return p.autoDelays()
	case knob.FP16:
		all := m.limits.Precisions()
		if all == nil {
			all = []knob.Precision{knob.FullPrecision, knob.HalfPrecision}
		}
		var out []string
		for _, p := range all {
			out = append(out, p.String())
		}
		return out
	case knob.Device:
		if all := m.limits.Devices(); all != nil {
			return all
		}
	case knob.QueueSize:
		return []string{strconv.Itoa(max(m.base.QueueSize, p.largestConcurrency()))}
	}
	return []string{m.base.Get(n)} // a device: where the target already is
}

// mostAuto is how many values an auto range has at most.
func maxAutoValues(n knob.Name) int {
	switch n {
	case knob.Workers, knob.Threads:
		return len(powersUpTo(1023, 1022)) // cores of any number: the powers, the half and the whole
	case knob.BatchSize:
		return len(powersUpTo(32))
	case knob.BatchDelay, knob.FP16, knob.Device:
		return 2
	}
	return 1
}

// doubling is 1, 2, 4 ... up to top, with top itself and the extras, ascending.
func powersUpTo(top int, extras ...int) []int {
	out := append([]int{top}, extras...)
	for v := 1; v < top; v *= 2 {
		out = append(out, v)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return slices.DeleteFunc(out, func(v int) bool { return v < 1 })
}

// autoDelays waits as little as the rule allows, and a quarter of the limit:
// more leaves too little for queue and execution. TorchServe has no 0.
func (p Plan) autoDelays() []string {
	least, step := time.Duration(0), 100*time.Microsecond
	if p.Options.Rule == knob.TorchServe {
		least, step = time.Millisecond, time.Millisecond
	}
	var out []string
	for _, d := range []time.Duration{least, p.SLA.Limit / 4} {
		s := knob.Settings{BatchDelay: min(max(d.Truncate(step), least), time.Minute)}
		out = append(out, s.Get(knob.BatchDelay))
	}
	return slices.Compact(out)
}

// mostClients is the largest concurrency of the plan's closed loads.
func (p Plan) largestConcurrency() int {
	most := 0
	for _, l := range p.Loads {
		if l.Mode == load.Closed {
			most = max(most, l.Concurrency)
		}
	}
	return most
}

func formatInts(values []int) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = strconv.Itoa(v)
	}
	return out
}
