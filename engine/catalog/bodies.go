package catalog

import (
	"cmp"
	"fmt"
	"slices"

	"sweetspot/engine/handler"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// findBodies returns the items of the bodies that run, as examples; none if none does. Beside a
// single one, or if no two are alike, there are made-up ones like the first.
func (v *verifier) findBodies(l *layout) (examples, error) {
	e := examples{specs: l.specs()}
	if len(v.bodies) == 0 {
		return e, nil
	}
	e.list, e.note = v.fromBodies(l, e.specs)
	if len(e.list) > 0 && l.batch && len(l.alike(e.list)) == 1 {
		first := e.list[0].item
		more, _ := v.makeUp(l, likeItem(e.specs, first), first)
		e.list = append(e.list, more...)
	}
	return e, v.ctx.Err()
}

// likeItem returns the specs with the sizes of an item.
func likeItem(specs []tensor.Spec, item tensor.Item) []tensor.Spec {
	out := slices.Clone(specs)
	for i := range out {
		if !item[i].IsZero() {
			out[i].Shape = item[i].Shape
		}
	}
	return out
}

// fromBodies returns the items of the bodies that run, and why there are none.
func (v *verifier) fromBodies(l *layout, specs []tensor.Spec) (found []example, why string) {
	for i, b := range v.bodies {
		if len(found) == mostBodies || v.ctx.Err() != nil {
			break
		}
		item, err := v.decode(b, specs)
		if err == nil {
			var whole []tensor.Tensor
			if whole, err = v.runAlone(l, item); err == nil {
				found = append(found, example{item: item, whole: whole})
				continue
			}
		}
		if why == "" {
			why = fmt.Sprintf("%s of --input does not run: %v", cmp.Or(b.Name, fmt.Sprintf("body %d", i+1)), err)
		}
	}
	return found, why
}

// bodySamples returns the items of bodies all over --input, which have the lengths of the requests to
// come. Those that verified the model are the first ones only.
func (v *verifier) bodySamples(l *layout, e examples) []payload.Row {
	var items []tensor.Item
	n := min(len(v.bodies), sampleItems)
	for i := range n {
		if item, err := v.decode(v.bodies[i*len(v.bodies)/n], e.specs); err == nil {
			l.copySide(item, e.list[0].item)
			items = append(items, item)
		}
	}
	if len(items) > 0 {
		if rows := v.rowsThatRun(l, spread(items)); len(rows) > 0 {
			return rows
		}
	}
	return e.rows()
}

// decode decodes a body. Image options that do not fit the inputs are not for this model.
func (v *verifier) decode(b Body, specs []tensor.Spec) (tensor.Item, error) {
	if v.handler != nil {
		return v.preprocess(b, specs)
	}
	h := handler.Tensors{Images: v.images}
	if h.Initialize(v.ctx, specs, nil) != nil {
		return handler.Decode(b.Type, b.Data, specs)
	}
	var r payload.Request
	if err := h.Decode(&r, payload.Body{Type: b.Type, Data: b.Data}); err != nil {
		return nil, err
	}
	return r.Items[0], nil
}

// preprocess decodes a body with the handler of the model. Of several rows in a body the first one counts.
func (v *verifier) preprocess(b Body, specs []tensor.Spec) (tensor.Item, error) {
	h := v.handler()
	if err := h.Steps().Initialize(specs, nil); err != nil {
		return nil, err
	}
	var r payload.Request
	if err := h.Decode(&r, payload.Body{Type: b.Type, Data: b.Data}); err != nil {
		return nil, err
	}
	return r.Items[0], nil
}
