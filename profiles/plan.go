package profiles

import (
	"encoding/json"
	"strings"

	"sweetspot/sweep/plan"
)

// Plan returns the plan of a profile, with the promise of its header. A live recording has no plan: then all other
// values are the defaults, as they are if the plan cannot be read.
func (p *Profile) Plan() plan.Plan {
	out := plan.Default()
	var read plan.Plan
	ownModel := func(target string) bool { return strings.Contains(target, "://") || target == plan.Command }
	if json.Unmarshal(p.Header.Plan, &read) == nil && (read.Model != "" || ownModel(read.Target)) {
		out = read
	}
	if sla, ok := p.SLA(); ok {
		out.SLA = sla
	}
	return out
}
