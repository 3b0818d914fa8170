package plan

import (
	"maps"
	"slices"
	"strings"

	"sweetspot/engine/knob"
)

// server reads how a server is started. A plan with it has the target command, unless it says
// otherwise, and varies only the knobs that it names.
func (d *decoder) server(p *Plan) readFunc {
	return func(path string, n *node) {
		s := &Server{Ready: Ready{Within: defaultWithin}}
		d.mapOf(
			field{"command", d.words(&s.Command)},
			field{"env", d.textMap(&s.Env)},
			field{"files", d.textMap(&s.Files)},
			field{"ready", d.textOr(&s.Ready.URL, d.mapOf(
				field{"url", d.text(&s.Ready.URL)},
				field{"within", d.duration(&s.Ready.Within)},
			))},
			field{"request", d.textOr(&s.Request.URL, d.mapOf(
				field{"url", d.text(&s.Request.URL)},
				field{"headers", d.textMap(&s.Request.Header)},
			))},
			field{"live", d.calls(&s.Live)},
		)(path, n)
		p.Server = s
	}
}

// serverDefaults sets what follows from a server: the target, and that no other knobs vary.
func (d *decoder) serverDefaults(p *Plan) {
	if p.Server == nil {
		return
	}
	if _, given := d.positions["target"]; !given {
		p.Target = Command
	}
	if _, given := d.positions["knobs"]; !given {
		p.Knobs = map[knob.Name]string{}
	}
}

// words reads a list of words, or a text that is divided at blanks.
func (d *decoder) words(dst *[]string) readFunc {
	return func(path string, n *node) {
		if n.kind != sequence {
			text := ""
			d.text(&text)(path, n)
			if strings.ContainsAny(text, "\"'`\\|<>&;$*") {
				d.addError(n.at, path, "%q is not run by a shell: write a list, such as [sh, -c, \"...\"]", text)
			}
			*dst = strings.Fields(text)
			return
		}
		for _, item := range n.items {
			if s, ok := d.scalar(path, item, "a word"); ok {
				*dst = append(*dst, s)
			}
		}
	}
}

// textOr reads a text, or a map with read.
func (d *decoder) textOr(dst *string, read readFunc) readFunc {
	return func(path string, n *node) {
		if n.kind == scalar {
			*dst = n.text
			return
		}
		read(path, n)
	}
}

// textMap reads a map of texts.
func (d *decoder) textMap(dst *map[string]string) readFunc {
	return func(path string, n *node) {
		if n.kind != mapping {
			d.addError(n.at, path, "want a map of names and texts, not %s", n.kind)
			return
		}
		for _, e := range n.keys {
			d.positions[join(path, e.name)] = e.value.at
			if s, ok := d.scalar(join(path, e.name), e.value, "text"); ok {
				if *dst == nil {
					*dst = map[string]string{}
				}
				(*dst)[e.name] = s
			}
		}
	}
}

// calls reads one call or a list of calls.
func (d *decoder) calls(dst *[]Call) readFunc {
	return d.eachItem(func(path string, n *node) {
		c := Call{Method: defaultMethod}
		d.textOr(&c.URL, d.mapOf(
			field{"method", d.text(&c.Method)},
			field{"url", d.text(&c.URL)},
			field{"headers", d.textMap(&c.Header)},
			field{"body", d.text(&c.Body)},
		))(path, n)
		*dst = append(*dst, c)
	})
}

// serverTree returns the server as it is written.
func (s *Server) serverTree() []keyValue {
	out := []keyValue{{"command", textsTree(s.Command)}}
	if len(s.Env) > 0 {
		out = append(out, keyValue{"env", textMapTree(s.Env)})
	}
	if len(s.Files) > 0 {
		out = append(out, keyValue{"files", textMapTree(s.Files)})
	}
	ready := []keyValue{}
	if s.Ready.URL != "" {
		ready = append(ready, keyValue{"url", s.Ready.URL})
	}
	out = append(out, keyValue{"ready", append(ready, keyValue{"within", s.Ready.Within.String()})})
	request := []keyValue{{"url", s.Request.URL}}
	if len(s.Request.Header) > 0 {
		request = append(request, keyValue{"headers", textMapTree(s.Request.Header)})
	}
	out = append(out, keyValue{"request", request})
	if len(s.Live) == 0 {
		return out
	}
	calls := []any{}
	for _, c := range s.Live {
		call := []keyValue{{"method", c.Method}, {"url", c.URL}}
		if len(c.Header) > 0 {
			call = append(call, keyValue{"headers", textMapTree(c.Header)})
		}
		if c.Body != "" {
			call = append(call, keyValue{"body", c.Body})
		}
		calls = append(calls, call)
	}
	return append(out, keyValue{"live", calls})
}

func textsTree(texts []string) []any {
	out := []any{}
	for _, t := range texts {
		out = append(out, t)
	}
	return out
}

func textMapTree(m map[string]string) []keyValue {
	out := []keyValue{}
	for _, n := range slices.Sorted(maps.Keys(m)) {
		out = append(out, keyValue{n, m[n]})
	}
	return out
}
