package plan

import (
	"slices"
	"strings"
)

// aboutModel are the keys about the model and its requests, with whether a plan has them. Not every target has a
// use for them.
func (p Plan) aboutModel() []fieldGiven {
	return []fieldGiven{
		{"input", p.Input != ""},
		{"content_type", p.ContentType != ""},
		{"image", p.Image != ""},
		{"handler", p.Handler != ""},
		{"labels", p.Labels != ""},
		{"vocab", p.Vocabulary != ""},
		{"max_request_size", p.MaxRequestSize != 0},
		{"shapes", len(p.Shapes)+len(p.Lengths) > 0},
		{"values", len(p.Values) > 0},
		{"no_batch", p.NoBatch},
		{"pad", len(p.Pad) > 0},
		{"buckets", len(p.Buckets) > 0},
	}
}

// fieldGiven is a key, and whether a plan has it.
type fieldGiven struct {
	key   string
	given bool
}

// takes reports whether a key of aboutModel has an effect on the plan's target.
func (p Plan) takes(key string) bool {
	request := key == "input" || key == "content_type"
	switch {
	case p.Target == "local":
		return true
	case p.Target == "virtual":
		return request && p.Suite != nil // the files of TorchServe's suite name an input for every model, also if no request is sent
	case strings.HasPrefix(p.Target, "oip+"):
		return request || key == "shapes" && len(p.Lengths) == 0
	}
	return request
}

// checkTaken reports keys that have no effect on the plan's target: they would be recorded as if they had one.
func (p Plan) checkTaken(c *fieldErrors) {
	for _, f := range p.aboutModel() {
		if f.given && !p.takes(f.key) {
			c.add(f.key, "target %s does not take it; leave it out, or use target: local", p.Target)
		}
	}
}

// WithoutEffect returns the keys of the plan that have no effect on a simulated model, which has neither inputs nor a
// handler. What its engine takes is not among them: bodies of any kind, up to a size.
func (p Plan) WithoutEffect() []string {
	var out []string
	for _, f := range p.aboutModel() {
		if f.given && !slices.Contains([]string{"input", "content_type", "image", "max_request_size"}, f.key) {
			out = append(out, f.key)
		}
	}
	return out
}
