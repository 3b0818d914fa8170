package catalog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sweetspot/engine"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/tensor"
)

// ParseValue reads the text of --value, such as "training_mode=0" or "sizes=1,3,224,224". An
// input's name may itself hold a "=". Whether the numbers fit the input's type is checked by
// [Open].
func ParseValue(text string) (input, numbers string, err error) {
	i := strings.LastIndex(text, "=")
	if i < 1 || i == len(text)-1 {
		return "", "", fmt.Errorf("--value %s: want INPUT=NUMBER or INPUT=NUMBERS, such as training_mode=0 or sizes=1,3,224,224", text)
	}
	return text[:i], text[i+1:], nil
}

// constants returns the inputs with a --value.
func (l *layout) constants() ([]engine.Constant, error) {
	var out []engine.Constant
	for i := range l.inputs {
		p := &l.inputs[i]
		if p.value == "" {
			continue
		}
		c, err := p.constant(l)
		if err != nil {
			return nil, fmt.Errorf("--value %s=%s: %w", p.Name, p.value, err)
		}
		out = append(out, c)
	}
	return out, nil
}

// constant makes the value of one item. One number fills it; several numbers are its elements,
// and fix one open dimension. If they do not fit an item, they may fit the whole tensor, which
// then has no batch axis. One number also fills dimensions that stay open, if an input of the
// items has the same.
func (p *itemShape) constant(l *layout) (engine.Constant, error) {
	words := strings.Split(p.value, ",")
	c := engine.Constant{Name: p.Name, Tensor: tensor.Tensor{Type: p.typ}}
	c.Shape = fitShape(dimSizes(p.item), len(words))
	if c.Shape == nil && p.axis >= 0 && len(words) > 1 {
		if c.Shape = fitShape(dimSizes(p.Dims), len(words)); c.Shape != nil {
			p.axis = -1
		}
	}
	n := tensor.Elements(c.Shape)
	if c.Shape == nil && len(words) == 1 {
		if c.Follows = l.follows(p); c.Follows != nil {
			c.Shape, n = dimSizes(p.item), 1
		}
	}
	if c.Shape == nil {
		return c, fmt.Errorf("%s for the shape %v; give one number for all elements, or one for each%s", numberCount(len(words)), p.item, p.openHint())
	}
	for i := range n {
		var err error
		if c.Data, err = appendWord(c.Data, p.typ, words[min(int(i), len(words)-1)]); err != nil {
			return c, err
		}
	}
	if c.Follows == nil {
		p.item = onnxgraph.Fixed(c.Shape...)
	}
	return c, nil
}

func numberCount(n int) string {
	if n == 1 {
		return "1 number"
	}
	return fmt.Sprintf("%d numbers", n)
}

func (p *itemShape) openHint() string {
	if p.open() == 0 {
		return ""
	}
	return ", and its size, such as " + p.flag()
}

// fitShape returns the shape of n numbers: want, with one open dimension fixed by n, or an
// unknown rank. One number fills any fixed shape. It returns nil if they do not fit.
func fitShape(want []int64, n int) []int64 {
	if want == nil {
		if n == 1 {
			return []int64{}
		}
		return []int64{int64(n)}
	}
	out, open, product := slices.Clone(want), -1, int64(1)
	for i, d := range want {
		switch {
		case d >= 0:
			product *= d
		case open >= 0:
			return nil
		default:
			open = i
		}
	}
	switch {
	case open < 0 && (n == 1 || product == int64(n)):
		return out
	case open >= 0 && n > 1 && product > 0 && int64(n)%product == 0:
		out[open] = int64(n) / product
		return out
	}
	return nil
}

// maxConstant bounds the numbers of a filled constant.
const maxConstant = 1 << 28

// appendWord appends the number in a word as an element of type typ.
func appendWord(data []byte, typ tensor.Type, word string) ([]byte, error) {
	if len(data) > maxConstant {
		return nil, fmt.Errorf("the input is too large for a constant")
	}
	word = strings.TrimSpace(word)
	switch {
	case typ == tensor.String:
		return tensor.AppendText(data, word), nil
	case typ == tensor.Bool:
		v, err := strconv.ParseBool(word)
		if err != nil {
			return nil, fmt.Errorf("%q is not a bool; write 0, 1, false or true", word)
		}
		if v {
			return append(data, 1), nil
		}
		return append(data, 0), nil
	case typ.IsFloat():
		v, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number of type %s", word, typ)
		}
		return tensor.AppendFloat(data, typ, v), nil
	case typ == tensor.Uint64:
		v, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number of type %s", word, typ)
		}
		return tensor.AppendInt(data, typ, int64(v)), nil
	}
	v, err := strconv.ParseInt(word, 10, 64)
	out := tensor.AppendInt(data, typ, v)
	if err != nil || tensor.IntAt(typ, out, len(out)/typ.Size()-1) != v {
		return nil, fmt.Errorf("%q is not a number of type %s", word, typ)
	}
	return out, nil
}
