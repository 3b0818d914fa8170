package plan

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// values reads the constants for inputs, each a number or a list of numbers.
func (d *decoder) values(p *Plan) readFunc {
	return func(path string, n *node) {
		if n.kind != mapping {
			d.addError(n.at, path, "want a map of input names, such as {training_mode: 0}, not %s", n.kind)
			return
		}
		p.Values = map[string]string{}
		for _, e := range n.keys {
			d.positions[join(path, e.name)] = e.value.at
			var words []string
			d.eachItem(func(path string, item *node) {
				if s, ok := d.scalar(path, item, "a number or a list of numbers"); ok {
					words = append(words, s)
				}
			})(join(path, e.name), e.value)
			if words != nil {
				p.Values[e.name] = strings.Join(words, ",")
			}
		}
	}
}

// checkValues checks that constants are numbers. Which numbers an input takes is known when
// the model is.
func (p Plan) checkValues(c *fieldErrors) {
	for _, name := range slices.Sorted(maps.Keys(p.Values)) {
		c.checkText("values", name)
		for word := range strings.SplitSeq(p.Values[name], ",") {
			if !isNumber(word) && word != "true" && word != "false" {
				c.add(join("values", name), "%q is not a number; write a number, or a list of them", word)
			}
		}
	}
}

// plainNumber is a number as JSON has it.
var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

func isNumber(word string) bool {
	_, err := strconv.ParseFloat(word, 64)
	return err == nil
}

func (p Plan) valuesTree() []keyValue {
	var out []keyValue
	for _, name := range slices.Sorted(maps.Keys(p.Values)) {
		words := []any{}
		for word := range strings.SplitSeq(p.Values[name], ",") {
			words = append(words, constantWord(word))
		}
		if len(words) == 1 {
			out = append(out, keyValue{name, words[0]})
		} else {
			out = append(out, keyValue{name, words})
		}
	}
	return out
}

// constantWord is a number or bool as both formats write it, or a text, such as NaN, which is
// no number in JSON.
func constantWord(word string) any {
	if v, err := strconv.ParseFloat(word, 64); word == "true" || word == "false" || err == nil && v-v == 0 && plainNumber.MatchString(word) {
		return literal(word)
	}
	return word
}
