package onnx

import (
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
	n    int
	dims []int64 // of all inputs, one after the other
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

// find returns the view for n rows like item.
func (o *openViews) find(n int, item tensor.Item) (view, bool) {
	o.time++
	for i := range o.all {
		if v := &o.all[i]; v.n == n && v.hasShapes(item) {
			v.used = o.time
			return v.view, true
		}
	}
	return view{}, false
}

func (v *openView) hasShapes(item tensor.Item) bool {
	rest := v.dims
	for i := range item {
		shape := item[i].Shape
		if !slices.Equal(rest[:len(shape)], shape) { // the ranks are those of the inputs
			return false
		}
		rest = rest[len(shape):]
	}
	return true
}

// add adds a view and frees the one that was used least recently, if there are too many.
func (o *openViews) add(v view, n int, item tensor.Item) {
	one := openView{view: v, n: n, used: o.time}
	for i := range item {
		one.dims = append(one.dims, item[i].Shape...)
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

// prepareOpen is prepare for a model with open inputs, whose rows have equal shapes. It
// allocates only for shapes that have no view, and for scalars.
func (st *state) prepareOpen(rows []payload.Row) error {
	n, item := len(rows), rows[0].Item
	st.growInputs(n, item)
	v, ok := st.open.find(n, item)
	if !ok {
		var err error
		if v, err = st.newOpenView(n, item); err != nil {
			return err
		}
		st.open.add(v, n, item)
	}
	return st.set(v, rows)
}

// growInputs makes the buffers of open inputs large enough for n rows like item. Views of a
// buffer that is replaced are freed. A buffer at least doubles, so that texts of growing
// length cause few replacements.
func (st *state) growInputs(n int, item tensor.Item) {
	for i, p := range st.plan.in {
		need := max(1, p.rowsOf(n)*len(item[i].Data))
		if p.size >= 0 || need <= len(st.bufIn[i]) {
			continue
		}
		st.open.free()
		st.bufIn[i] = make([]byte, max(need, 2*len(st.bufIn[i])))
	}
}

// rowsOf returns how many items the tensor has in a run of n rows.
func (p tensorPort) rowsOf(n int) int {
	if !p.batched {
		return 1
	}
	return n
}

// newOpenView makes the view for n rows like item.
func (st *state) newOpenView(n int, item tensor.Item) (view, error) {
	out, err := values(st.plan.out, st.bufOut, n)
	if err != nil {
		return view{}, fmt.Errorf("output %w", err)
	}
	in := make([]ort.Value, len(st.plan.in))
	for i, p := range st.plan.in {
		if st.bufIn[i] == nil {
			continue // a scalar
		}
		shape := slices.Clone(item[i].Shape)
		if p.batched {
			shape = append(ort.Shape{int64(n)}, shape...)
		}
		v, err := ort.NewCustomDataTensor(shape, st.bufIn[i][:max(1, p.rowsOf(n)*len(item[i].Data))], p.elem)
		if err != nil {
			destroy(in)
			destroy(out)
			return view{}, fmt.Errorf("input %q: %s", p.Name, oneLine(err))
		}
		in[i] = v
	}
	return view{in, out}, nil
}

// checkEqual checks that the rows of a run have equal shapes, and that their buffers are not
// too large.
func (p *plan) checkEqual(rows []payload.Row) error {
	bytes := int64(0)
	for i := range p.in {
		first := rows[0].Item[i]
		bytes += int64(len(first.Data))
		for k := range rows {
			if !slices.Equal(rows[k].Item[i].Shape, first.Shape) {
				return fmt.Errorf("item %d: input %q is %v and that of item 0 is %v: the items of a run must have equal shapes", k, p.in[i].Name, rows[k].Item[i].Shape, first.Shape)
			}
		}
	}
	if bytes > maxBuffers/int64(len(rows)) {
		return fmt.Errorf("a run of %d items of %d MB needs more than %d GB of buffers", len(rows), bytes>>20, maxBuffers>>30)
	}
	return nil
}
