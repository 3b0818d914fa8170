package plan

import (
	"slices"
	"strconv"
	"strings"

	"sweetspot/sweep/load"
)

// loads reads one load or a list of loads. A closed load may have a list of concurrencies, an open
// load a list of rates; each of them becomes one load.
func (d *decoder) loads(p *Plan) readFunc {
	return func(path string, n *node) {
		before := len(d.errs)
		var specs []load.Spec
		d.eachItem(func(path string, item *node) { specs = append(specs, d.load(path, item)...) })(path, n)
		if len(d.errs) == before {
			p.Loads, p.LoadGiven = specs, true
		}
	}
}

func (d *decoder) load(path string, n *node) []load.Spec {
	var (
		s      load.Spec
		closed []load.Spec
		rates  []float64
		before = len(d.errs)
	)
	d.mapping(path, n, []field{
		{"mode", d.enum(&s.Mode)},
		{"concurrency", d.eachItem(d.concurrency(&closed))},
		{"rate", d.eachItem(func(path string, n *node) {
			rates = append(rates, 0)
			d.number(&rates[len(rates)-1])(path, n)
		})},
		{"from", d.number(&s.From)},
		{"to", d.number(&s.To)},
		{"over", d.duration(&s.Over)},
		{"arrivals", d.enum(&s.Arrivals)},
		{"file", d.text(&s.File)},
		{"sha256", d.text(&s.SHA256)},
	})
	if len(d.errs) > before {
		return nil
	}
	if n.find("mode") == nil {
		s.Mode = impliedMode(n)
	}
	if d.checkModeKeys(path, n, s.Mode); len(d.errs) > before {
		return nil
	}
	specs := []load.Spec{s}
	var c fieldErrors // check now: the next load overwrites the positions of this one
	switch s.Mode {
	case load.Closed:
		specs = closed
	case load.Open:
		if len(rates) > 0 {
			specs = nil
		}
		for _, r := range rates {
			if r == 0 { // which means none elsewhere
				c.add("load: rate", "0 per second is outside %g-%d", minRate, maxRate)
			}
			specs = append(specs, load.Spec{Mode: load.Open, Rate: r, Arrivals: s.Arrivals})
		}
	}
	for _, spec := range specs {
		checkLoad(&c, spec)
	}
	d.addFieldErrors(c)
	return specs
}

func (d *decoder) concurrency(dst *[]load.Spec) readFunc {
	return func(path string, n *node) {
		s := load.Spec{Mode: load.Closed}
		text, ok := d.scalar(path, n, "a number, a list or matched")
		if !ok {
			return
		}
		v, err := strconv.Atoi(text)
		switch {
		case text == "matched":
			s.Matched = true
		case err != nil:
			d.addError(n.at, path, "%q: want a whole number, a list of them, or matched", text)
			return
		default:
			s.Concurrency = v
		}
		*dst = append(*dst, s)
	}
}

// impliedMode returns the mode of a load without the key mode, from its other keys.
func impliedMode(n *node) load.Mode {
	switch {
	case n.find("rate") != nil:
		return load.Open
	case n.find("from") != nil || n.find("to") != nil:
		return load.Ramp
	case n.find("file") != nil:
		return load.Trace
	case n.find("arrivals") != nil && n.find("concurrency") == nil:
		return load.Open
	}
	return load.Closed
}

// loadKeys has the keys of a load by mode. The first ones are required.
var loadKeys = []struct {
	required int
	keys     []string
}{
	load.Closed: {1, []string{"concurrency"}},
	load.Open:   {0, []string{"rate", "arrivals"}}, // question capacity has no rate; see checkLoads
	load.Trace:  {1, []string{"file", "sha256"}},
	load.Ramp:   {3, []string{"from", "to", "over", "arrivals"}},
}

// checkModeKeys reports keys that only other modes have, and missing required keys.
func (d *decoder) checkModeKeys(path string, n *node, m load.Mode) {
	for _, e := range n.keys {
		var modes []string
		for mode, k := range loadKeys {
			if slices.Contains(k.keys, e.name) {
				modes = append(modes, load.Mode(mode).String())
			}
		}
		if len(modes) > 0 && !slices.Contains(modes, m.String()) {
			d.addError(e.at, path, "%q belongs to mode %s, and this load is %s", e.name, strings.Join(modes, " or "), m)
		}
	}
	for _, key := range loadKeys[m].keys[:loadKeys[m].required] {
		if v := n.find(key); v == nil || v.kind == null {
			d.addError(n.at, path, "mode %s needs %s", m, key)
		}
	}
}
