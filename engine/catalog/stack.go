package catalog

import (
	"fmt"
	"slices"

	"sweetspot/engine"
	"sweetspot/engine/tensor"
)

// runAlone runs one item as whole tensors, if no size in it may end the process.
func (v *verifier) runAlone(l *layout, item tensor.Item) ([]tensor.Tensor, error) {
	for i, t := range item {
		if p := &l.inputs[i]; p.MaxSize > 0 && len(t.Shape) > 0 && slices.Max(t.Shape) > p.MaxSize {
			return nil, fmt.Errorf("input %q: shape %v, expected at most %d numbers", p.Name, t.Shape, p.MaxSize)
		}
	}
	return v.probe.Run(v.ctx, l.stack(v.base.Constants, item))
}

// stack makes the whole input tensors of a batch, and those of the constants.
func (l *layout) stack(constants []engine.Constant, items ...tensor.Item) []tensor.Tensor {
	var out []tensor.Tensor
	n := len(items)
	for i := range l.inputs {
		p := &l.inputs[i]
		parts := make([]tensor.Tensor, n)
		for k := range items {
			if i < len(items[k]) {
				parts[k] = p.orDefault(items[k][i])
			} else {
				parts[k] = constants[i-len(items[k])].Sized(items[k])
			}
		}
		if p.axis < 0 {
			out = append(out, parts[0])
			continue
		}
		out = append(out, join(parts, p.axis))
	}
	return out
}

func (p *itemShape) orDefault(t tensor.Tensor) tensor.Tensor {
	if t.IsZero() {
		return tensor.Tensor{Type: p.typ, Shape: dimSizes(p.item), Data: p.fallback}
	}
	return t
}

// join stacks tensors of one shape along a new axis.
func join(parts []tensor.Tensor, axis int) tensor.Tensor {
	first := parts[0]
	t := tensor.Tensor{Type: first.Type, Shape: slices.Insert(slices.Clone(first.Shape), axis, int64(len(parts)))}
	outer := int(tensor.Elements(first.Shape[:axis]))
	if first.Type == tensor.String {
		t.Data = tensor.JoinTexts(joinTexts(parts, outer))
		return t
	}
	for o := range outer {
		for _, p := range parts {
			size := len(p.Data) / outer
			t.Data = append(t.Data, p.Data[o*size:(o+1)*size]...)
		}
	}
	return t
}

// joinTexts is join for texts, which have different sizes.
func joinTexts(parts []tensor.Tensor, outer int) []string {
	var out []string
	for o := range outer {
		for _, p := range parts {
			texts, _ := tensor.Texts(p.Data)
			size := len(texts) / outer
			out = append(out, texts[o*size:(o+1)*size]...)
		}
	}
	return out
}
