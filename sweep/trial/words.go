package trial

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Words is the percentile of a verdict in words, with the kind of latency and what
// its interval says: "P99 of request latency 22.1 ms, at most 25 with 95%".
func (v Verdict) Describe() string {
	text := fmt.Sprintf("P%g of %s latency %s ms", v.Percentile, v.Latency, v.ValueMS.Text(1))
	if bound := v.DescribeInterval(); bound != "" {
		return text + ", " + bound
	}
	return text
}

// Bound is how well a verdict knows its percentile: the interval where both its
// ends are known, or what the data say of the open one. A pass bounds it by the
// limit, which is what makes it a pass, and so does a failure.
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
	return "how far off is not known"
}

// ErrorWords is the share of requests that were not answered, and of what kind
// they are: "3.2% refused"; "" if all were answered.
func (c Counts) DescribeErrors() string {
	broken := c.Refused + c.Failed + c.Timeout
	if broken == 0 || c.Sent == 0 {
		return ""
	}
	kind := "errors"
	switch broken {
	case c.Refused:
		kind = "refused"
	case c.Failed:
		kind = "failed"
	case c.Timeout:
		kind = "timed out"
	}
	return fmt.Sprintf("%.2g%% %s", math.Min(100*c.Errors(), 100), kind)
}

// Cell is the verdict as tables show it, with the share of errors where that is
// more than allowed and fails: "pass?", "FAIL 3.2% refused".
func (r Result) ShortVerdict(allowed float64) string {
	word := r.Verdict.Label()
	if r.Verdict.Likely() == Fail && r.Counts.Errors() > allowed {
		return word + " " + r.Counts.DescribeErrors()
	}
	return word
}

// Say adds a line to an explanation: a label, and what is said under it. A label
// that has a line already goes on there.
func (y *Explanation) Add(label, text string) {
	text = strings.TrimSuffix(text, ".")
	if text == "" {
		return
	}
	if i := slices.IndexFunc(y.Lines, func(l Line) bool { return l.Label == label }); i >= 0 {
		y.Lines[i].Text += "; " + text
	} else {
		y.Lines = append(y.Lines, Line{label, text})
	}
	sentence := strings.ToUpper(label[:1]) + label[1:] + ": " + text + "."
	y.Text = strings.TrimPrefix(y.Text+" "+sentence, " ")
}
