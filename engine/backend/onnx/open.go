package onnx

import (
	"bytes"
	"fmt"
	"slices"

	ort "github.com/yalue/onnxruntime_go"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// maxOpenViews is the largest number of views that a state keeps for a model with open
// inputs. A view has about 200 bytes for each input and output; those that were used least
// recently are freed.
const maxOpenViews = 64

// openViews are the views of a model with open inputs, which depend on the shapes of the
// rows.
type openViews struct {
	all  []openView
	time uint64 // counts uses
}

// openView is a view for one number of rows and one shape of each input.
type openView struct {
	view
	viewKey
	dims []int64 // of the open inputs of an item, one after the other
	used uint64  // when it was last used
}

// free frees all views.
func (o *openViews) free() {
	for _, v := range o.all {
		v.destroy()
	}
	o.all = o.all[:0]
}

func (v openView) destroy() {
	destroy(v.in)
	destroy(v.out)
}

// find returns the view for rows like item.
func (o *openViews) find(key viewKey, p *plan, item tensor.Item) (view, bool) {
	o.time++
	for i := range o.all {
		if v := &o.all[i]; v.viewKey == key && v.hasShapes(p, item) {
			v.used = o.time
			return v.view, true
		}
	}
	return view{}, false
}

func (v *openView) hasShapes(p *plan, item tensor.Item) bool {
	rest := v.dims
	for i := range item {
		if p.in[i].size >= 0 {
			continue
		}
		shape := item[i].Shape
		if !slices.Equal(rest[:len(shape)], shape) { // the ranks are those of the inputs
			return false
		}
		rest = rest[len(shape):]
	}
	return true
}

// add adds a view and frees the one that was used least recently, if there are too many.
func (o *openViews) add(v view, key viewKey, p *plan, item tensor.Item) {
	one := openView{view: v, viewKey: key, used: o.time}
	for i := range item {
		if p.in[i].size < 0 {
			one.dims = append(one.dims, item[i].Shape...)
		}
	}
	if len(o.all) < maxOpenViews {
		o.all = append(o.all, one)
		return
	}
	oldest := 0
	for i := range o.all {
		if o.all[i].used < o.all[oldest].used {
			oldest = i
		}
	}
	o.all[oldest].destroy()
	o.all[oldest] = one
}

// openView returns the view for a model with open inputs, whose rows have equal shapes. It
// allocates only for shapes that have no view, and for open constants.
func (st *state) openView(key viewKey, item tensor.Item) (view, error) {
	st.growInputs(key.n, item)
	v, ok := st.open.find(key, st.plan, item)
	if !ok {
		var err error
		if v, err = st.newView(key, item); err != nil {
			return view{}, err
		}
		st.open.add(v, key, st.plan, item)
	}
	return v, nil
}

// growInputs makes the buffers of open inputs large enough for n rows like item. Views of a
// buffer that is replaced are freed. A buffer at least doubles, so that texts of growing
// length cause few replacements.
func (st *state) growInputs(n int, item tensor.Item) {
	for i := range st.plan.in {
		p := &st.plan.in[i]
		if p.size >= 0 || p.isText() {
			continue
		}
		need := max(1, p.rowsOf(n)*int(p.itemBytes(item, i)))
		if need <= len(st.bufIn[i]) {
			continue
		}
		st.open.free()
		st.bufIn[i] = make([]byte, max(need, 2*len(st.bufIn[i])))
		if p.constant { // its number fills whatever shape it has
			copy(st.bufIn[i], bytes.Repeat(p.fill, len(st.bufIn[i])/len(p.fill)))
		}
	}
}

// itemBytes returns the size of input i of an item.
func (p *tensorPort) itemBytes(item tensor.Item, i int) int64 {
	if p.size >= 0 {
		return p.size
	}
	return tensor.Elements(p.itemShape(item, i)) * int64(p.Type.Size())
}

// rowsOf returns how many items the tensor has in a run of n rows.
func (p *tensorPort) rowsOf(n int) int {
	if !p.batched {
		return 1
	}
	return n
}

// inputValues makes the values of the inputs for n rows like item, and those of constants
// without dimensions.
func (st *state) inputValues(n int, item tensor.Item) ([]ort.Value, error) {
	out := make([]ort.Value, len(st.plan.in))
	for i := range st.plan.in {
		p := &st.plan.in[i]
		var err error
		switch {
		case st.bufIn[i] != nil:
			size := max(1, p.rowsOf(n)*int(p.itemBytes(item, i)))
			var v *ort.CustomDataTensor
			if v, err = ort.NewCustomDataTensor(p.withAxis(p.itemShape(item, i), n), st.bufIn[i][:size], p.elem); err == nil {
				out[p.slot] = v
			}
		case p.constant && !p.isText():
			out[p.slot], err = p.binding.scalar(p.fill)
		}
		if err != nil {
			destroy(out)
			return nil, fmt.Errorf("input %q: %s", p.Name, oneLine(err))
		}
	}
	return out, nil
}

// checkEqual checks that the rows of a run have equal shapes and equal side inputs, and that
// their buffers are not too large.
func (p *plan) checkEqual(rows []payload.Row) error {
	size := int64(0)
	for i := range p.items {
		first, in := &rows[0].Item[i], &p.in[i]
		size += int64(len(first.Data))
		for k := range rows[1:] {
			t := &rows[k+1].Item[i]
			if in.size < 0 && !slices.Equal(t.Shape, first.Shape) {
				return fmt.Errorf("item %d: input %q is %v and that of item 0 is %v: the items of a run must have equal shapes", k+1, in.Name, t.Shape, first.Shape)
			}
			if !in.batched && !bytes.Equal(in.value(t), in.value(first)) {
				return fmt.Errorf("item %d: input %q differs from that of item 0: it is one value for all items of a run", k+1, in.Name)
			}
		}
	}
	if size > maxBuffers/int64(len(rows)) {
		return fmt.Errorf("a run of %d items of %d MB needs more than %d GB of buffers", len(rows), size>>20, maxBuffers>>30)
	}
	return nil
}
