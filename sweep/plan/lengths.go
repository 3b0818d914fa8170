package plan

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"sweetspot/engine/lengths"
)

// pad reads the values that inputs are padded with.
func (d *decoder) pad(p *Plan) reading {
	return func(path string, n *node) {
		if n.kind != dict {
			d.fault(n.at, path, "want a map of input names, such as {input_ids: 0}, not %s", n.kind)
			return
		}
		p.Pad = map[string]float64{}
		for _, e := range n.keys {
			v := 0.0
			d.places[join(path, e.name)] = e.value.at
			d.number(&v)(join(path, e.name), e.value)
			p.Pad[e.name] = v
		}
	}
}

// buckets reads a list of lengths, or the text of one, such as 16-128*2.
func (d *decoder) buckets(p *Plan) reading {
	return func(path string, n *node) {
		var parts []string
		d.each(func(path string, item *node) {
			if s, ok := d.scalar(path, item, "a length or a range such as 16-128*2"); ok {
				parts = append(parts, s)
			}
		})(path, n)
		if len(parts) == 0 {
			return
		}
		b, err := lengths.ParseBuckets(strings.Join(parts, ","))
		if err != nil {
			d.fault(n.at, path, "%v", err)
			return
		}
		p.Buckets = b
	}
}

// checkPadding checks lengths, padding and buckets. Files of lengths are read when the model
// is opened.
func (p Plan) checkPadding(c *checker) {
	for _, name := range slices.Sorted(maps.Keys(p.Lengths)) {
		c.text("shapes", name)
		path, text := join("shapes", name), p.Lengths[name]
		c.text(path, text)
		if _, both := p.Shapes[name]; both {
			c.bad(path, "given as sizes and as lengths; keep one")
		}
		if len(text) > 1 && text[0] == '@' {
			continue
		}
		if _, err := lengths.ParseShape(text, nil); err != nil {
			c.bad(path, "%v", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Pad)) {
		c.text("pad", name)
		if v := p.Pad[name]; v-v != 0 {
			c.bad(join("pad", name), "%v is no number to pad with", v)
		}
	}
	if err := lengths.CheckBuckets(p.Buckets); err != nil {
		c.bad("buckets", "%v", err)
	}
	if len(p.Buckets) > 0 && len(p.Pad) == 0 {
		c.bad("buckets", "they are lengths to pad to: say with what, such as pad: {input_ids: 0}")
	}
}

func (p Plan) padTree() []pair {
	var out []pair
	for _, name := range slices.Sorted(maps.Keys(p.Pad)) {
		out = append(out, pair{name, decimal(p.Pad[name])})
	}
	return out
}

// sizesTree is a list of sizes.
func sizesTree(sizes []int64) []any {
	out := []any{}
	for _, n := range sizes {
		out = append(out, figure(strconv.FormatInt(n, 10)))
	}
	return out
}
