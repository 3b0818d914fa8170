package plan

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
)

// values returns the values of the range of one knob, in order. A knob that the plan does not name
// has only its start value.
func (p Plan) values(k knob.Knob, env environment) []string {
	text, named := p.Knobs[k.Name]
	_, own := env.limits.Table().Own().Get(k.Name)
	switch {
	case !named:
		return []string{env.base.Get(k.Name)}
	case text == knob.Auto && own:
		return k.AutoValues()
	case text == knob.Auto:
		return p.autoRange(k.Name, env)
	}
	return strings.Split(normalize(k.Name, text), ",")
}

// autoRange returns the values of the range "auto" of one knob. The ranges include the usual rules
// of thumb: cores/2 workers, as many workers as cores, and one worker with all cores.
func (p Plan) autoRange(n knob.Name, env environment) []string {
	cores := env.limits.Cores
	if cores == 0 {
		cores = 4 // unknown: assume a small machine, in order not to overload it
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
		all := env.limits.Precisions()
		if all == nil {
			all = []knob.Precision{knob.FullPrecision, knob.HalfPrecision}
		}
		var out []string
		for _, p := range all {
			out = append(out, p.String())
		}
		return out
	case knob.Device:
		if all := env.limits.Devices(); all != nil {
			return all
		}
	case knob.QueueSize:
		return []string{strconv.Itoa(max(env.base.QueueSize, p.largestConcurrency()))}
	}
	return []string{env.base.Get(n)} // a device: the one that the target uses now
}

// maxAutoValues returns the largest number of values of the range "auto" of a knob.
func maxAutoValues(n knob.Name) int {
	switch n {
	case knob.Workers, knob.Threads:
		return len(powersUpTo(1023, 1022)) // any number of cores: the powers of two, the half and all
	case knob.BatchSize:
		return len(powersUpTo(32))
	case knob.BatchDelay, knob.FP16, knob.Device:
		return 2
	}
	return 1
}

// powersUpTo returns 1, 2, 4 ... up to top, with top itself and the extras, ascending.
func powersUpTo(top int, extras ...int) []int {
	out := append([]int{top}, extras...)
	for v := 1; v < top; v *= 2 {
		out = append(out, v)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return slices.DeleteFunc(out, func(v int) bool { return v < 1 })
}

// autoDelays returns the shortest delay that the rule allows, and a quarter of the limit: a longer
// delay leaves too little time for the queue and the execution.
func (p Plan) autoDelays() []string {
	shortest, step := time.Duration(0), 100*time.Microsecond
	if p.Options.Rule == knob.TorchServe { // it has no delay of 0
		shortest, step = time.Millisecond, time.Millisecond
	}
	var out []string
	for _, d := range []time.Duration{shortest, p.SLA.Limit / 4} {
		s := knob.Settings{BatchDelay: min(max(d.Truncate(step), shortest), time.Minute)}
		out = append(out, s.Get(knob.BatchDelay))
	}
	return slices.Compact(out)
}

// largestConcurrency returns the largest concurrency of the plan's closed loads.
func (p Plan) largestConcurrency() int {
	largest := 0
	for _, l := range p.pointLoads() {
		if l.Mode == load.Closed {
			largest = max(largest, l.Concurrency)
		}
	}
	return largest
}

func formatInts(values []int) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = strconv.Itoa(v)
	}
	return out
}
