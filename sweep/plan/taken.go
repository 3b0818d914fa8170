package plan

import (
	"fmt"
	"slices"
	"strings"
)

// modelKey is a key about the model and its requests. Not every target has a use for it.
type modelKey struct {
	key   string
	given bool   // whether the plan has it
	drop  func() // removes it from the plan
}

// modelKeys returns the keys about the model and its requests.
func (p *Plan) modelKeys() []modelKey {
	return []modelKey{
		{"input", p.Input != "", func() { p.Input = "" }},
		{"content_type", p.ContentType != "", func() { p.ContentType = "" }},
		{"image", p.Image != "", func() { p.Image = "" }},
		{"handler", p.Handler != "", func() { p.Handler = "" }},
		{"labels", p.Labels != "", func() { p.Labels = "" }},
		{"vocab", p.Vocabulary != "", func() { p.Vocabulary = "" }},
		{"max_request_size", p.MaxRequestSize != 0, func() { p.MaxRequestSize = 0 }},
		{"shapes", len(p.Shapes)+len(p.Lengths) > 0, func() { p.Shapes, p.Lengths = nil, nil }},
		{"values", len(p.Values) > 0, func() { p.Values = nil }},
		{"no_batch", p.NoBatch, func() { p.NoBatch = false }},
		{"pad", len(p.Pad) > 0, func() { p.Pad = nil }},
		{"buckets", len(p.Buckets) > 0, func() { p.Buckets = nil }},
	}
}

// Takes reports whether a key about the model and its requests has an effect on the plan's target.
func (p Plan) Takes(key string) bool {
	request := key == "input" || key == "content_type"
	switch {
	case p.Target == "local":
		return true
	case p.Target == Virtual:
		return false
	case strings.HasPrefix(p.Target, "oip+"):
		return request || key == "shapes" && len(p.Lengths) == 0
	}
	return request
}

// checkTaken reports keys that have no effect on the plan's target: they would be recorded as if they had one.
func (p Plan) checkTaken(c *fieldErrors) {
	for _, k := range p.modelKeys() {
		if k.given && !p.Takes(k.key) {
			c.add(k.key, "target %s does not take it; leave it out, or use target: local", p.Target)
		}
	}
}

// dropUntaken removes these keys, and returns them. Earlier versions recorded them, although they had no effect, so that
// such a plan could not be used again.
func (p *Plan) dropUntaken() []string {
	if p.Target == "" {
		return nil
	}
	var dropped []string
	for _, k := range p.modelKeys() {
		if k.given && !p.Takes(k.key) {
			k.drop()
			dropped = append(dropped, k.key)
		}
	}
	return dropped
}

// OfSuiteFor returns a plan of TorchServe's benchmark suite for a target. The suite has an input for every model, whatever
// runs it: a key that the target does not take is removed, with a note.
func (p Plan) OfSuiteFor(target string) Plan {
	p.Target = target
	if keys := p.dropUntaken(); keys != nil {
		p.Notes = append(slices.Clip(p.Notes), fmt.Sprintf("%s of the suite: target %s does not take it", strings.Join(keys, ", "), target))
	}
	return p
}

// WithoutEffect returns the keys of the plan that have no effect on a simulated model, which has fixed inputs and no
// handler. What its engine takes or checks is not among them: bodies, images, and the size of requests.
func (p Plan) WithoutEffect() []string {
	var out []string
	for _, k := range p.modelKeys() {
		if k.given && !slices.Contains([]string{"input", "content_type", "image", "max_request_size"}, k.key) {
			out = append(out, k.key)
		}
	}
	return out
}
