package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sweetspot/engine/knob"
)

// bringsNone tells whether a plan's target is known to have the seven knobs and no
// others, before it is asked.
func (p Plan) hasNoOwnKnobs() bool { return slices.Contains([]string{"", "local", "virtual"}, p.Target) }

// own are the plan's knobs beside the seven, by name.
func (p Plan) ownNames() []knob.Name {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(p.Knobs)), func(n knob.Name) bool {
		_, known := knob.Get(n)
		return known
	})
}

// Resolve returns the plan with what it says of the target's own knobs read as the
// target describes them: every range as its values. It reports, joined, each name that
// the target does not have, with what it has, and each value that it does not take.
// The seven knobs, whose ranges are known without it, stay as they are.
func (p Plan) Resolve(l knob.Limits) (Plan, error) {
	t := l.Table()
	var errs []error
	knobs := maps.Clone(p.Knobs)
	for _, n := range p.ownNames() {
		if _, known := t.Get(n); !known {
			errs = append(errs, fmt.Errorf("knobs: %w", unknownKnob(n, t)))
			continue
		}
		if p.Knobs[n] == knob.Auto {
			continue
		}
		values, err := t.Expand(n, p.Knobs[n])
		if err != nil {
			errs = append(errs, fmt.Errorf("knobs: %w", err))
			continue
		}
		knobs[n] = strings.Join(values, ",")
	}
	if err := errors.Join(errs...); err != nil {
		return p, err
	}
	p.Knobs = knobs
	return p, p.Validate()
}

// unknownKnob names a knob that a target does not have, the nearest one, and all
// that there are.
func unknownKnob(n knob.Name, t knob.Table) error {
	names := strings.Split(t.Names(), ", ")
	near := knob.Suggest(string(n), names)
	if !strings.Contains(near, t.Names()) { // else it lists them all
		near += " The target has " + t.Names()
	}
	return fmt.Errorf("%q: unknown knob%s", n, near)
}

// checkOwn checks what can be of the plan's knobs beside the seven, and returns how
// many values they are at least.
func (p Plan) checkOwn(c *fieldErrors) int {
	values := 1
	for _, n := range p.ownNames() {
		text := p.Knobs[n]
		switch err := knob.CheckName(n); {
		case err != nil:
			c.add("knobs", "%v", err)
		case p.hasNoOwnKnobs():
			_, err := knob.Expand(n, "")
			c.add("knobs", "%v", err)
		case text == knob.Auto:
			values *= knob.MaxAutoValues
		default:
			parts := strings.Split(text, ",")
			for _, v := range parts {
				var o knob.OwnValues
				if v == "" {
					c.add(join("knobs", string(n)), "a value is missing")
				} else if err := o.Set(n, v); err != nil {
					c.add(join("knobs", string(n)), "%s", strings.TrimPrefix(err.Error(), string(n)+": "))
				}
			}
			values *= len(parts)
		}
		values = min(values, maxPoints+1)
	}
	return values
}

// ownRange is the normal form of what a plan says of a knob beside the seven: its
// parts without blanks and repeats. What a range is in it only the target knows.
func normalizeOwn(text string) string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); !slices.Contains(out, part) {
			out = append(out, part)
		}
	}
	return strings.Join(out, ",")
}
