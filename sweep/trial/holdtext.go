package trial

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Text describes a period in one line: its verdict, throughput, percentile with interval, errors, memory, and what disturbed
// it. planned is the number of periods.
func (p HoldPeriod) Text(planned int) string {
	label := p.Verdict.Label()
	if p.Broken {
		label = "BROKEN"
	}
	line := fmt.Sprintf("hold %*d/%d %-6s", len(fmt.Sprint(planned)), p.N, planned, label)
	if p.Error != "" {
		return line + "  " + p.Error
	}
	line += fmt.Sprintf("  %7s/s  P%g %s ms", p.Throughput.Value.Text(1), p.Verdict.Percentile, p.Verdict.ValueMS.Text(1))
	if low, high := p.Verdict.LowMS, p.Verdict.HighMS; low.OK() || high.OK() {
		line += fmt.Sprintf(" (%s)", openInterval(low, high, 1))
	}
	if n := p.Failed.Over; n > 0 {
		line += fmt.Sprintf("  %d of %d requests failed", n, p.Failed.N)
	} else {
		line += "  no errors"
	}
	if p.MemoryMB.OK() {
		line += "  " + p.MemoryMB.Text(0) + " MB"
	}
	return line + p.remarks()
}

// remarks says what was special about a period.
func (p HoldPeriod) remarks() string {
	var out []string
	if t := p.GPU.Throttled; t != nil && *t {
		out = append(out, "GPU throttled")
	}
	why := p.Blocks.disturbedBy()
	switch {
	case p.Disturbed():
		out = append(out, fmt.Sprintf("disturbed: %s in %d%% of the time", why, 100*p.Blocks.Disturbed/max(1, p.Blocks.Kept)))
	case p.Blocks.Rejected > 0:
		out = append(out, fmt.Sprintf("%s in %d%% of the time, left out here", why, 100*p.Blocks.Rejected/max(1, p.Blocks.Kept+p.Blocks.Rejected)))
	}
	if p.Backlog {
		out = append(out, "answers do not keep up")
	}
	if p.Limited {
		out = append(out, "does not count: the load generator was the limit")
	}
	if out == nil {
		return ""
	}
	return "  " + strings.Join(out, "; ")
}

// disturbedBy returns the reasons of disturbed blocks.
func (b Blocks) disturbedBy() string {
	var out []string
	for why := range b.Why {
		if why != "n/a" {
			out = append(out, why)
		}
	}
	if out == nil {
		return "others used the machine"
	}
	slices.Sort(out)
	return strings.Join(out, " and ")
}

// Lines describes the result of a hold by topic.
func (h Hold) Lines(percentile, limitMS float64) []Line {
	out := []Line{{"hold", h.verdictText(limitMS)}}
	if h.Periods == 0 {
		return out
	}
	name := fmt.Sprintf("P%g", percentile)
	if h.Latency.Median.OK() {
		text := fmt.Sprintf("by %s %s-%s ms, median %s; ", h.periodName(), h.Latency.Lowest.Text(1), h.Latency.Highest.Text(1), h.Latency.Median.Text(1))
		out = append(out, Line{name, text + h.Latency.text("ms", 1) + h.untilLimit(limitMS)})
	} else {
		out = append(out, Line{name, "n/a: " + h.Latency.Why})
	}
	if h.Memory.Median.OK() {
		out = append(out, Line{"memory", fmt.Sprintf("%s-%s MB; ", h.Memory.Lowest.Text(0), h.Memory.Highest.Text(0)) + h.Memory.text("MB", 1)})
	} else {
		out = append(out, Line{"memory", "n/a: " + h.Memory.Why})
	}
	switch {
	case len(h.Throttled) > 0:
		out = append(out, Line{"throttled", fmt.Sprintf("the GPU in %s: %s", h.count(h.Throttled), ranges(h.Throttled))})
	case h.ThrottledWhy == "":
		out = append(out, Line{"throttled", "never"})
	default:
		out = append(out, Line{"throttled", "n/a: " + h.ThrottledWhy})
	}
	if len(h.Disturbed) > 0 {
		out = append(out, Line{"disturbed", fmt.Sprintf("others used the machine in %s: %s", h.count(h.Disturbed), ranges(h.Disturbed))})
	}
	if len(h.Unmeasured) > 0 {
		out = append(out, Line{"missing", fmt.Sprintf("%s without figures: %s", h.count(h.Unmeasured), ranges(h.Unmeasured))})
	}
	return out
}

// verdictText is the answer with its reason.
func (h Hold) verdictText(limitMS float64) string {
	text := map[Answer]string{Pass: "kept", Fail: "BROKEN", Undecided: "cannot tell"}[h.Result]
	text += fmt.Sprintf(": %v at %v", h.Settings, h.Load)
	if h.Ended != "" {
		text += fmt.Sprintf(", %d of %d %ss (%s)", h.Periods, h.Planned, h.periodName(), h.Ended)
	} else {
		text += fmt.Sprintf(" for %v", time.Duration(h.AskedS*float64(time.Second)).Round(time.Second))
	}
	if h.Result != Pass {
		text += "; " + h.Why
		if len(h.Broken) > 0 && h.Planned > 1 {
			text += fmt.Sprintf("; certainly broken in %s: %s", h.count(h.Broken), ranges(h.Broken))
		}
		return text
	}
	text += fmt.Sprintf("; %s of %d requests took longer than %g ms, at most %s with 95%%", percentText(h.Over.Value), h.All.N, limitMS, percentText(h.Over.High))
	if h.Failed.Over > 0 {
		return text + fmt.Sprintf("; %d of %d failed, timed out or were refused", h.Failed.Over, h.Failed.N)
	}
	return text + "; no errors"
}

// periodName returns "minute", or the length of another period: "10s period".
func (h Hold) periodName() string {
	if math.Abs(h.PeriodS-60) < .5 {
		return "minute"
	}
	return fmt.Sprintf("%v period", time.Duration(h.PeriodS*float64(time.Second)).Round(100*time.Millisecond))
}

// count says how many of the periods are in a list.
func (h Hold) count(list []int) string {
	return fmt.Sprintf("%d of %d %ss", len(list), h.Periods, h.periodName())
}

// untilLimit says when a growing percentile will reach the limit.
func (h Hold) untilLimit(limitMS float64) string {
	last, rate := h.Latency.Last.Or(0), h.Latency.PerHour.Value.Or(0)
	if h.Latency.Drift != Growing || h.Result == Fail || last >= limitMS || rate <= 0 {
		return ""
	}
	hours := (limitMS - last) / rate
	return fmt.Sprintf("; if it goes on like this, it reaches %g ms in %.2g hours", limitMS, hours)
}

// text describes a trend: "steady: -0.4% over the hold (-1.2 to +0.5% with 95%)".
func (t Trend) text(unit string, decimals int) string {
	if !t.Change.Value.OK() {
		return string(t.Drift) + ": " + t.Why
	}
	change := func(n Num) float64 { return 100 * n.Or(math.NaN()) }
	text := fmt.Sprintf("%s: %+.1f%% over the hold (%+.1f to %+.1f%% with 95%%), %+.*f %s an hour", t.Drift,
		change(t.Change.Value), change(t.Change.Low), change(t.Change.High), decimals, t.PerHour.Value.Or(math.NaN()), unit)
	if low, high := t.PerHour.Low, t.PerHour.High; unit == "MB" && low.OK() && high.OK() {
		text += fmt.Sprintf(" (%+.*f to %+.*f)", decimals, low.Or(0), decimals, high.Or(0))
	}
	if t.Why != "" {
		text += "; " + t.Why
	}
	return text
}

// percentText formats a share.
func percentText(n Num) string {
	v, ok := n.Get()
	if !ok {
		return "n/a"
	}
	return Percent(v)
}

// openInterval formats an interval of which an end may be open.
func openInterval(low, high Num, decimals int) string {
	switch {
	case !high.OK():
		return "at least " + low.Text(decimals)
	case !low.OK():
		return "at most " + high.Text(decimals)
	}
	return low.Text(decimals) + "-" + high.Text(decimals)
}

// ranges formats ascending numbers: "3, 7-9".
func ranges(list []int) string {
	var out []string
	for i := 0; i < len(list); {
		end := i
		for end+1 < len(list) && list[end+1] == list[end]+1 {
			end++
		}
		if end > i {
			out = append(out, fmt.Sprintf("%d-%d", list[i], list[end]))
		} else {
			out = append(out, fmt.Sprint(list[i]))
		}
		i = end + 1
	}
	return strings.Join(out, ", ")
}
