package plan

import (
	"slices"
	"strconv"
	"strings"

	"sweetspot/sweep/load"
)

// loads reads one load or a list of them. A closed load may give a list of
// concurrencies, an open one a list of rates; each becomes a load of its own.
func (d *decoder) loads(p *Plan) readFunc {
	return func(path string, n *node) {
		before := len(d.errs)
		var specs []load.Spec
		d.eachItem(func(path string, item *node) { specs = append(specs, d.load(path, item)...) })(path, n)
		if len(d.errs) == before {
			p.Loads = specs
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
	switch s.Mode {
	case load.Closed:
		specs = closed
	case load.Open:
		specs = nil
		for _, r := range rates {
			specs = append(specs, load.Spec{Mode: load.Open, Rate: r, Arrivals: s.Arrivals})
		}
	}
	var c fieldErrors // now, while the places are this load's and no other's
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

// impliedMode is the mode that the keys of a load speak of.
func impliedMode(n *node) load.Mode {
	switch {
	case n.find("rate") != nil:
		return load.Open
	case n.find("from") != nil || n.find("to") != nil:
		return load.Ramp
	case n.find("file") != nil:
		return load.Trace
	}
	return load.Closed
}

// loadKeys are the keys of a load by its mode; those it needs come first.
var loadKeys = []struct {
	needed int
	keys   []string
}{
	load.Closed: {1, []string{"concurrency"}},
	load.Open:   {1, []string{"rate", "arrivals"}},
	load.Trace:  {1, []string{"file", "sha256"}},
	load.Ramp:   {3, []string{"from", "to", "over", "arrivals"}},
}

// foreign reports keys that the load's mode does not use, and those it needs.
func (d *decoder) checkModeKeys(path string, n *node, m load.Mode) {
	for _, e := range n.keys {
		var owners []string
		for mode, of := range loadKeys {
			if slices.Contains(of.keys, e.name) {
				owners = append(owners, load.Mode(mode).String())
			}
		}
		if len(owners) > 0 && !slices.Contains(owners, m.String()) {
			d.addError(e.at, path, "%q belongs to mode %s, and this load is %s", e.name, strings.Join(owners, " or "), m)
		}
	}
	for _, need := range loadKeys[m].keys[:loadKeys[m].needed] {
		if v := n.find(need); v == nil || v.kind == null {
			d.addError(n.at, path, "mode %s needs %s", m, need)
		}
	}
}
