package monitor

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Conditions are the settings of the operating system that spoil measurements of latency.
type Conditions struct {
	Governors []string // frequency governors of the cores, sorted, each once; none: not reported
	Throttled Reading  // share of the periods of the CPU quota in which the processes were stopped, 0-1, since the container started; n/a without a quota
	SwapUsed  Reading  // bytes
}

// ReadConditions reads the conditions now. What the system does not report is missing.
func ReadConditions() Conditions { return conditions(os.DirFS("/")) }

func conditions(root fs.FS) Conditions {
	c := Conditions{SwapUsed: parseSwap(read(root, "proc", "meminfo"))}
	files, _ := fs.Glob(root, "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor") // the pattern is valid
	for _, f := range files {
		if g := read(root, path.Dir(f), path.Base(f)); g != "" {
			c.Governors = append(c.Governors, g)
		}
	}
	slices.Sort(c.Governors)
	c.Governors = slices.Compact(c.Governors)
	for _, g := range controlGroups(root) {
		if v, ok := parseThrottled(read(root, g.dir, "cpu.stat")).Get(); ok && v > c.Throttled.or(-1) {
			c.Throttled = Of(v)
		}
	}
	return c
}

// parseThrottled parses cpu.stat of a control group: the periods of its quota, and those in which it
// was used up.
func parseThrottled(s string) Reading {
	values := map[string]float64{}
	for line := range strings.SplitSeq(s, "\n") {
		f := strings.Fields(line)
		if len(f) != 2 {
			continue
		}
		if n, err := strconv.ParseUint(f[1], 10, 53); err == nil {
			values[f[0]] = float64(n)
		}
	}
	periods, throttled := values["nr_periods"], values["nr_throttled"]
	if periods == 0 {
		return Reading{}
	}
	return Of(min(throttled/periods, 1))
}

// parseSwap parses the used swap space from /proc/meminfo.
func parseSwap(s string) Reading {
	var total, free Reading
	for line := range strings.SplitSeq(s, "\n") {
		switch name, value, _ := strings.Cut(line, ":"); name {
		case "SwapTotal":
			total = kilobytes(value)
		case "SwapFree":
			free = kilobytes(value)
		}
	}
	if !total.ok || !free.ok {
		return Reading{}
	}
	return Of(max(total.v-free.v, 0))
}
