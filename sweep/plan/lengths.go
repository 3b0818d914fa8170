package plan

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"sweetspot/engine/lengths"
)

// pad reads the values that inputs are padded with.
func (d *decoder) pad(p *Plan) readFunc {
	return func(path string, n *node) {
		if n.kind != mapping {
			d.addError(n.at, path, "want a map of input names, such as {input_ids: 0}, not %s", n.kind)
			return
		}
		p.Pad = map[string]float64{}
		for _, e := range n.keys {
			v := 0.0
			d.positions[join(path, e.name)] = e.value.at
			d.number(&v)(join(path, e.name), e.value)
			p.Pad[e.name] = v
		}
	}
}

// buckets reads a list of lengths, or the text of one, such as 16-128*2.
func (d *decoder) buckets(p *Plan) readFunc {
	return func(path string, n *node) {
		var parts []string
		d.eachItem(func(path string, item *node) {
			if s, ok := d.scalar(path, item, "a length or a range such as 16-128*2"); ok {
				parts = append(parts, s)
			}
		})(path, n)
		if len(parts) == 0 {
			return
		}
		b, err := lengths.ParseBuckets(strings.Join(parts, ","))
		if err != nil {
			d.addError(n.at, path, "%v", err)
			return
		}
		p.Buckets = b
	}
}

// checkPadding checks lengths, padding and buckets. Files of lengths are read when the model
// is opened.
func (p Plan) checkPadding(c *fieldErrors) {
	for _, name := range slices.Sorted(maps.Keys(p.Lengths)) {
		c.checkText("shapes", name)
		path, text := join("shapes", name), p.Lengths[name]
		c.checkText(path, text)
		if _, both := p.Shapes[name]; both {
			c.add(path, "given as sizes and as lengths; keep one")
		}
		if len(text) > 1 && text[0] == '@' {
			continue
		}
		if _, err := lengths.ParseShape(text, nil); err != nil {
			c.add(path, "%v", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Pad)) {
		c.checkText("pad", name)
		if v := p.Pad[name]; v-v != 0 {
			c.add(join("pad", name), "%v is no number to pad with", v)
		}
	}
	if err := lengths.CheckBuckets(p.Buckets); err != nil {
		c.add("buckets", "%v", err)
	}
	if len(p.Buckets) > 0 && len(p.Pad) == 0 {
		c.add("buckets", "they are lengths to pad to: say with what, such as pad: {input_ids: 0}")
	}
}

func (p Plan) padTree() []keyValue {
	var out []keyValue
	for _, name := range slices.Sorted(maps.Keys(p.Pad)) {
		out = append(out, keyValue{name, decimal(p.Pad[name])})
	}
	return out
}

// sizesTree is a list of sizes.
func sizesTree(sizes []int64) []any {
	out := []any{}
	for _, n := range sizes {
		out = append(out, literal(strconv.FormatInt(n, 10)))
	}
	return out
}
