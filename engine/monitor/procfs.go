package monitor

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU time in /proc: 10 ms on every Linux that Go supports.
const tick = 10 * time.Millisecond

// parseStat parses the CPU time of a process, that of its descendants that were waited for, and the
// start of the process from /proc/PID/stat. The second field is the program's name, which may contain
// any characters, so it counts fields from the last closing parenthesis.
func parseStat(b []byte) (cpu, waited time.Duration, started uint64, err error) {
	i := bytes.LastIndexByte(b, ')')
	fields := strings.Fields(string(b[i+1:]))
	// Numbered as in proc(5), where the name is field 2.
	const user, system, waitedUser, waitedSystem, start, after = 14, 15, 16, 17, 22, 3
	if i < 0 || len(fields) <= start-after {
		return 0, 0, 0, fmt.Errorf("process stat has %d fields after the name, want %d", len(fields), start-after+1)
	}
	var n [5]uint64
	for k, field := range []int{user, system, waitedUser, waitedSystem, start} {
		if n[k], err = strconv.ParseUint(fields[field-after], 10, 64); err != nil {
			return 0, 0, 0, fmt.Errorf("process stat field %d: %v", field, err)
		}
	}
	const largest = uint64(1<<62) / uint64(tick)
	ticks := func(a, b uint64) time.Duration { return time.Duration(min(a, largest/2)+min(b, largest/2)) * tick }
	return ticks(n[0], n[1]), ticks(n[2], n[3]), n[4], nil
}

// parseStatus parses the resident memory and its largest value in bytes from
// /proc/PID/status. A process that is ending has neither.
func parseStatus(b []byte) (rss, peak Reading) {
	for line := range strings.SplitSeq(string(b), "\n") {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "VmRSS":
			rss = kilobytes(value)
		case "VmHWM":
			peak = kilobytes(value)
		}
	}
	return rss, peak
}

// kilobytes parses "  1732 kB" and returns bytes.
func kilobytes(s string) Reading {
	n, ok := strings.CutSuffix(strings.TrimSpace(s), " kB")
	v, err := strconv.ParseUint(strings.TrimSpace(n), 10, 53)
	if !ok || err != nil {
		return Reading{}
	}
	return Of(float64(v) * 1024)
}

// parseMachine parses the machine's CPU time from /proc/stat. The first line is the sum over
// all cores: user nice system idle iowait irq softirq steal; user includes guests.
func parseMachine(b []byte) (machine, error) {
	line, _, _ := strings.Cut(string(b), "\n")
	fields := strings.Fields(line)
	if len(fields) < 5 || fields[0] != "cpu" {
		return machine{}, fmt.Errorf("machine stat begins with %.40q, want cpu and times", line)
	}
	var m machine
	for i, f := range fields[1:min(len(fields), 9)] {
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return machine{}, fmt.Errorf("machine stat field %d: %v", i+1, err)
		}
		m.total += float64(n)
		switch i {
		case 3, 4: // idle, iowait
		case 7:
			m.steal = float64(n)
		case 5, 6:
			m.irq += float64(n)
			m.busy += float64(n)
		default:
			m.busy += float64(n)
		}
	}
	return m, nil
}

// parseMemory parses the machine's memory in bytes from /proc/meminfo.
func parseMemory(b []byte) Reading {
	for line := range strings.SplitSeq(string(b), "\n") {
		if value, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			return kilobytes(value)
		}
	}
	return Reading{}
}
