package profiles

import (
	"fmt"
	"time"

	"sweetspot/sweep/trial"
)

// HoldLines describes the result of the hold after a sweep by topic; nil if there was none. Without a result it was
// interrupted, and says nothing about the promise.
func (p *Profile) HoldLines() []trial.Line {
	h, ok := p.HoldResult()
	switch {
	case ok:
		sla, _ := p.SLA()
		return h.Lines(sla.Percentile, float64(sla.Limit)/float64(time.Millisecond))
	case len(p.Hold) > 0:
		return []trial.Line{{Label: "hold", Text: fmt.Sprintf("no result: %d periods were recorded, and it did not end", len(p.Hold))}}
	}
	return nil
}

// holdPlanned returns the number of periods of the hold, as far as it is known.
func (p *Profile) holdPlanned() int {
	if h, ok := p.HoldResult(); ok {
		return h.Planned
	}
	return len(p.Hold)
}
