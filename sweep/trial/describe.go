package trial

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Describe returns the percentile, the kind of latency and the interval for people: "P99 of request
// latency 22.1 ms, at most 25 with 95%".
func (v Verdict) Describe() string {
	text := fmt.Sprintf("P%g of %s latency %s ms", v.Percentile, v.Latency, v.ValueMS.Text(1))
	if interval := v.DescribeInterval(); interval != "" {
		return text + ", " + interval
	}
	return text
}

// DescribeInterval returns the interval of the percentile for people: both ends, or the
// one that is not open. If the end towards the limit is open or beyond the limit, a pass
// says "at most" the limit and a failure "over" the limit, because that is what the
// verdict means.
func (v Verdict) DescribeInterval() string {
	low, okLow := v.LowMS.Get()
	high, okHigh := v.HighMS.Get()
	value, ok := v.ValueMS.Get()
	switch {
	case !ok:
		return ""
	case v.Result == Pass && (!okHigh || high > v.LimitMS):
		return fmt.Sprintf("at most %g with 95%%", v.LimitMS)
	case v.Result == Fail && value > v.LimitMS && (!okLow || low <= v.LimitMS):
		return fmt.Sprintf("over %g with 95%%", v.LimitMS)
	case okLow && okHigh:
		return fmt.Sprintf("%.1f-%.1f with 95%%", low, high)
	case okLow:
		return fmt.Sprintf("at least %.1f with 95%%", low)
	case okHigh:
		return fmt.Sprintf("at most %.1f with 95%%", high)
	}
	return "without an interval"
}

// IntervalNote says that the verdict counts the requests over the limit, if the interval of the percentile, which is
// another method, reaches over to the other side of the limit; "" if it does not, or if the verdict is undecided.
func (v Verdict) IntervalNote() string {
	low, okLow := v.LowMS.Get()
	high, okHigh := v.HighMS.Get()
	switch {
	case v.Result == Fail && okLow && low <= v.LimitMS:
		return fmt.Sprintf("; the number of requests over the limit decides, although the interval of the P%g begins below it", v.Percentile)
	case v.Result == Pass && okHigh && high > v.LimitMS:
		return fmt.Sprintf("; the number of requests over the limit decides, although the interval of the P%g ends above it", v.Percentile)
	}
	return ""
}

// DescribeErrors returns the share of errors and their kind for people: "3.2% refused"; "" if there
// are none.
func (c Counts) DescribeErrors() string {
	errors := c.Refused + c.Failed + c.Timeout
	if errors == 0 || c.Sent == 0 {
		return ""
	}
	kind := "errors"
	switch errors {
	case c.Refused:
		kind = "refused"
	case c.Failed:
		kind = "failed"
	case c.Timeout:
		kind = "timed out"
	}
	return Percent(math.Min(c.Errors(), 1)) + " " + kind
}

// Percent formats a share between 0 and 1 with two significant digits. 100% is all, and not only
// almost all: from 99% on there is a decimal, rounded down.
func Percent(share float64) string {
	if percent := 100 * share; percent >= 99 && percent < 100 {
		return fmt.Sprintf("%.3g%%", math.Floor(10*percent)/10)
	} else if percent >= 10 {
		return fmt.Sprintf("%.0f%%", percent)
	}
	return fmt.Sprintf("%.2g%%", 100*share)
}

// ShortVerdict returns the verdict as tables show it, with the share of errors if it is
// above the allowed one and the verdict a failure: "pass?", "FAIL 3.2% refused".
func (r Result) ShortVerdict(allowed float64) string {
	label := r.Verdict.Label()
	if r.Verdict.Likely() == Fail && r.Counts.Errors() > allowed {
		return label + " " + r.Counts.DescribeErrors()
	}
	return label
}

// Add adds a text to the line with the label, or a new line if there is none, and a sentence to
// Text. An empty text adds nothing.
func (e *Explanation) Add(label, text string) {
	text = strings.TrimSuffix(text, ".")
	if text == "" {
		return
	}
	if i := slices.IndexFunc(e.Lines, func(l Line) bool { return l.Label == label }); i >= 0 {
		e.Lines[i].Text += "; " + text
	} else {
		e.Lines = append(e.Lines, Line{label, text})
	}
	sentence := strings.ToUpper(label[:1]) + label[1:] + ": " + text + "."
	e.Text = strings.TrimPrefix(e.Text+" "+sentence, " ")
}
