package catalog

import (
	"slices"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/runs"
	"sweetspot/engine/tensor"
)

// checkSides finds out for which other values of the side inputs the items of m may run together:
// those of bodies, the other one of each bool, and another one than each default. The value of
// list is verified already. A value that does not run, or shows nothing, is left to the engine.
func (v *verifier) checkSides(l *layout, m *engine.Model, s engine.Session, e examples, list []example) {
	at := m.SideInputs()
	if at == nil {
		return
	}
	first := list[0].item
	m.SideValues = []runs.SideValue{sideValue(at, first, nil)}
	begin := time.Now()
	for _, from := range otherSides(m, at, e, first) {
		if time.Since(begin) > extraTime || v.ctx.Err() != nil {
			return
		}
		c := runs.Check{Runner: s, Size: v.batchSize(), Time: extraTime - time.Since(begin)}
		for _, item := range itemsWith(m, from, e, list) {
			if alone, err := runs.RunItems(v.ctx, s, item); err == nil {
				c.Items, c.Alone = append(c.Items, item), append(c.Alone, alone[0])
			}
		}
		if len(c.Items) < 2 {
			continue
		}
		why := c.Run(v.ctx)
		if v.ctx.Err() != nil || why == nil && !c.OutputsDiffer() {
			continue
		}
		value := sideValue(at, from, why)
		m.SideValues = append(m.SideValues, value)
		if why != nil {
			m.Warnings = append(m.Warnings, "requests with "+m.SideText(value)+" run one by one: "+why.Error())
		}
	}
}

// setSide gives item the value of the side inputs with which the batches of m were verified.
func setSide(m *engine.Model, item tensor.Item) {
	if len(m.SideValues) == 0 {
		return
	}
	for k, i := range m.SideInputs() {
		if v := m.SideValues[0].Values[k]; slices.Equal(v.Shape, item[i].Shape) { // else it has a length of the item
			item[i] = v
		}
	}
}

// onlyPadded drops the values of the side inputs with which padding was not verified. The engine verifies
// them when they come.
func onlyPadded(m *engine.Model) {
	if len(m.SideValues) > 0 {
		rest := slices.DeleteFunc(slices.Clone(m.SideValues[1:]), func(v runs.SideValue) bool { return v.Why == "" })
		m.SideValues = append(m.SideValues[:1:1], rest...)
	}
}

func sideValue(at []int, item tensor.Item, why error) runs.SideValue {
	var out runs.SideValue
	for _, i := range at {
		out.Values = append(out.Values, item[i])
	}
	if why != nil {
		out.Why = why.Error()
	}
	return out
}

// otherSides returns items whose side inputs differ from one another and from those of first.
func otherSides(m *engine.Model, at []int, e examples, first tensor.Item) []tensor.Item {
	all := []tensor.Item{first}
	add := func(item tensor.Item) {
		if !slices.ContainsFunc(all, func(o tensor.Item) bool { return sameSide(at, o, item) }) {
			all = append(all, item)
		}
	}
	for _, one := range e.list {
		add(one.item)
	}
	for _, i := range at {
		if t, ok := otherValue(m, i, first[i]); ok {
			item := slices.Clone(first)
			item[i] = t
			add(item)
		}
	}
	return all[1:]
}

func sameSide(at []int, a, b tensor.Item) bool {
	return !slices.ContainsFunc(at, func(i int) bool {
		return !slices.Equal(a[i].Shape, b[i].Shape) || !slices.Equal(a[i].Data, b[i].Data)
	})
}

// otherValue returns another value of side input i than t: the other one of a bool, or another
// one than a default. Integers are 1 or 2, because a larger one may be a size.
func otherValue(m *engine.Model, i int, t tensor.Tensor) (tensor.Tensor, bool) {
	s := m.Inputs[i]
	if s.Type != tensor.Bool && !s.Optional || s.Type == tensor.String {
		return t, false
	}
	from := t
	if t.IsZero() {
		from = m.Defaults[s.Name]
	}
	out := tensor.Tensor{Type: s.Type, Shape: slices.Clone(from.Shape)}
	ones := from.Type != tensor.Bool && !slices.ContainsFunc(from.Numbers(), func(n float64) bool { return n != 1 })
	for _, n := range from.Numbers() {
		switch {
		case s.Type == tensor.Bool:
			out.Data = append(out.Data, byte(1-min(n, 1)))
		case s.Type.IsFloat():
			out.Data = tensor.AppendFloat(out.Data, s.Type, pick(ones, .5, 1))
		default:
			out.Data = tensor.AppendInt(out.Data, s.Type, int64(pick(ones, 2, 1)))
		}
	}
	return out, len(out.Data) > 0
}

func pick(ok bool, yes, no float64) float64 {
	if ok {
		return yes
	}
	return no
}

// itemsWith returns items with the side inputs of from: the examples that have them, then those
// of list, which are of one shape.
func itemsWith(m *engine.Model, from tensor.Item, e examples, list []example) []tensor.Item {
	at := m.SideInputs()
	var out []tensor.Item
	for _, one := range e.list {
		if sameSide(at, one.item, from) && sameShapes(at, one.item, from) {
			out = append(out, one.item)
		}
	}
	for _, one := range list {
		item := slices.Clone(one.item)
		m.ShareSide(item, from)
		if sameShapes(at, item, from) {
			out = append(out, item)
		}
	}
	return out
}

// sameShapes reports whether the inputs of two items that are no side inputs have equal sizes.
func sameShapes(side []int, a, b tensor.Item) bool {
	for i := range a {
		if !slices.Contains(side, i) && !slices.Equal(a[i].Shape, b[i].Shape) {
			return false
		}
	}
	return true
}
