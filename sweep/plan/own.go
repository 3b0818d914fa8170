package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sweetspot/engine/knob"
)

// hasNoOwnKnobs reports whether the plan's target is of a kind that has only the seven knobs.
func (p Plan) hasNoOwnKnobs() bool {
	return slices.Contains([]string{"", "local", Virtual}, p.Target)
}

// OfEngine reports whether the plan is for an engine of ours and varies only knobs that it has, so that the
// simulator can predict its points.
func (p Plan) OfEngine() bool {
	return (p.hasOptions() || p.Target == Virtual) && len(p.ownNames()) == 0
}

// hasOptions reports whether the plan's target can change options like knobs.
func (p Plan) hasOptions() bool { return slices.Contains([]string{"", "local"}, p.Target) }

// hasOption reports whether n is an option that the plan's target can change like a knob.
func (p Plan) hasOption(n knob.Name) bool { return p.hasOptions() && knob.IsOption(n) }

// OptionKnobs returns the names of the options that the plan varies like knobs, sorted.
func (p Plan) OptionKnobs() []knob.Name {
	return slices.DeleteFunc(p.ownNames(), func(n knob.Name) bool { return !p.hasOption(n) })
}

// checkOption checks the values of an option and returns their number.
func (p Plan) checkOption(c *fieldErrors, n knob.Name) int {
	k, _ := knob.Table(knob.OptionKnobs()).Get(n)
	if p.Knobs[n] == knob.Auto {
		return len(k.AutoValues())
	}
	values, err := knob.Table(knob.OptionKnobs()).Expand(n, p.Knobs[n])
	if err != nil {
		c.add(join("knobs", string(n)), "%s", strings.TrimPrefix(err.Error(), string(n)+": "))
	}
	return max(1, len(values))
}

// ownNames returns the names of the plan's knobs that are none of the seven, sorted.
func (p Plan) ownNames() []knob.Name {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(p.Knobs)), func(n knob.Name) bool {
		_, isSeven := knob.Get(n)
		return isSeven
	})
}

// Resolve returns the plan with the ranges of the target's own knobs expanded to their
// values, which needs the descriptions of the target. It returns a joined error for
// each name that the target does not have, with the names that it has, and for each
// invalid value. The ranges of the seven knobs do not change.
func (p Plan) Resolve(l knob.Limits) (Plan, error) {
	t := l.Table()
	var errs []error
	knobs := maps.Clone(p.Knobs)
	for _, n := range p.ownNames() {
		if _, exists := t.Get(n); !exists {
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

// maxOwnCombinations limits the combinations of the own knobs that VaryOwn varies.
const maxOwnCombinations = 64

// VaryOwn returns the plan with values for the target's own knobs if it names none of them: the
// value in force and the range "auto" of each knob whose change is known to need no reload
// ([knob.Cost.IsCheap]), in the order of the table, as long as there are at most
// maxOwnCombinations combinations. The other own knobs keep their values. The arguments are those
// of [Plan.Points].
func (p Plan) VaryOwn(limits knob.Limits, base knob.Settings, fixed map[knob.Name]string) Plan {
	if len(p.ownNames()) > 0 {
		return p
	}
	knobs := maps.Clone(p.Knobs)
	combinations := 1
	for _, k := range limits.Table().Own() {
		values := k.AutoValues()
		if now := base.Get(k.Name); !slices.Contains(values, now) {
			if _, err := limits.Table().Expand(k.Name, now); err == nil {
				values = append([]string{now}, values...)
			}
		}
		if fixed[k.Name] != "" || !k.Cost.IsCheap() || len(values) < 2 || combinations*len(values) > maxOwnCombinations {
			continue
		}
		combinations *= len(values)
		knobs[k.Name] = strings.Join(values, ",")
	}
	p.Knobs = knobs
	return p
}

// OwnNotIn returns the names of the plan's own knobs that another plan does not name, sorted.
func (p Plan) OwnNotIn(other Plan) []knob.Name {
	return slices.DeleteFunc(p.ownNames(), func(n knob.Name) bool {
		_, named := other.Knobs[n]
		return named
	})
}

// unknownKnob returns the error of a knob that a target does not have, with the most similar name
// and all names.
func unknownKnob(n knob.Name, t knob.Table) error {
	names := strings.Split(t.Names(), ", ")
	suggestion := knob.Suggest(string(n), names)
	if !strings.Contains(suggestion, t.Names()) { // it may list all names already
		suggestion += " The target has " + t.Names()
	}
	return fmt.Errorf("%q: unknown knob%s", n, suggestion)
}

// knobNames are the names that a plan may use whose target has no knobs of its own: the seven and, for
// a local engine, the options.
func (p Plan) knobNames() []string {
	all := knob.All()
	if p.hasOptions() {
		all = append(all, knob.OptionKnobs()...)
	}
	return strings.Split(knob.Table(all).Names(), ", ")
}

// checkOwn checks the syntax of the target's own knobs in the plan. It returns a lower bound of the
// number of combinations of their values; without the target, a range counts as one value.
func (p Plan) checkOwn(c *fieldErrors) int {
	values := 1
	for _, n := range p.ownNames() {
		text := p.Knobs[n]
		switch err := knob.CheckName(n); {
		case err != nil:
			c.add("knobs", "%v", err)
		case p.hasOption(n):
			values *= p.checkOption(c, n)
		case p.hasNoOwnKnobs():
			c.add("knobs", "%q: unknown knob%s", n, knob.Suggest(string(n), p.knobNames()))
		case text == knob.Auto:
			values *= knob.MaxAutoValues
		default:
			parts := strings.Split(text, ",")
			for _, v := range parts {
				var o knob.OwnValues
				if v == "" {
					c.add(join("knobs", string(n)), "a value in the list is missing")
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

// normalizeOwn returns the text of a range of a target's own knob with its parts trimmed and
// without duplicates. Only the target's description of the knob can expand the parts.
func normalizeOwn(text string) string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); !slices.Contains(out, part) {
			out = append(out, part)
		}
	}
	return strings.Join(out, ",")
}
