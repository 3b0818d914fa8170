package runs

import (
	"bytes"
	"slices"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// Run is a part of a batch whose rows have equal shapes and equal side inputs.
type Run struct {
	Index []int         // positions in the batch
	Rows  []payload.Row // the rows at these positions, padded
	sizes []int64       // of the open dimensions
	equal bool          // no row is padded

	verdict verdict // on running rows with these side inputs together
}

// Work counts the elements of the inputs of runs.
type Work struct {
	Runs     int64
	Elements int64 // with the padding
	Padding  int64 // of these
}

// Divider divides batches. The zero value is not usable. Only one goroutine may use it, and
// what it returns is valid until the next call.
type Divider struct {
	inputs []tensor.Spec
	side   []int        // the inputs that must be equal in a run
	sides  *Sides       // what is known about their values; nil if all rows with equal ones may run together
	dims   []tensor.Dim // the open dimensions
	pad    *Padding

	padding bool // of this batch

	keys   []int64 // of the runs, one number per open dimension
	runs   []Run
	shapes []int64 // memory of padded shapes
	items  tensor.Item
	bytes  scratch
}

// NewDivider returns a divider for the inputs of a model, of which those at the positions side
// are side inputs: rows with different ones do not run together. side and pad may be nil.
func NewDivider(inputs []tensor.Spec, side []int, pad *Padding) *Divider {
	d := &Divider{inputs: inputs, side: side, pad: pad}
	for i, s := range inputs {
		for axis, size := range s.Shape {
			if size < 0 {
				d.dims = append(d.dims, tensor.Dim{Tensor: i, Axis: axis})
			}
		}
	}
	return d
}

// maxPadded bounds the memory of the rows of one batch in bytes after padding: one long row
// must not make a server allocate its size for all others.
const maxPadded = 256 << 20

// Divide returns the runs of a batch. Rows must fit the inputs. A batch that would be too
// large when padded is divided into runs of equal shape.
func (d *Divider) Divide(rows []payload.Row) []Run {
	d.padding = d.pad != nil
	out := d.group(rows)
	if d.padding && d.size(out) > maxPadded {
		d.padding = false
		out = d.group(rows)
	}
	d.shapes, d.items = d.shapes[:0], d.items[:0]
	d.bytes.reset()
	for r := range out {
		d.fill(&out[r], rows)
	}
	return out
}

// group assigns the rows to runs and finds the sizes of the runs.
func (d *Divider) group(rows []payload.Row) []Run {
	d.keys = d.keys[:0]
	n := 0
	for k := range rows {
		item := rows[k].Item
		run := &d.runs[d.runOf(rows, item, &n)]
		run.Index = append(run.Index, k)
		for j, dim := range d.dims {
			run.sizes[j] = max(run.sizes[j], item[dim.Tensor].Shape[dim.Axis])
		}
	}
	return d.runs[:n]
}

// size is the memory, in bytes, of the padded rows of all runs.
func (d *Divider) size(all []Run) float64 {
	sum := 0.0
	for r := range all {
		for i, s := range d.inputs {
			bytes := float64(len(all[r].Index) * s.Type.Size())
			for _, size := range s.Shape {
				bytes *= float64(max(size, 1)) // open dimensions follow
			}
			for j, dim := range d.dims {
				if dim.Tensor == i {
					bytes *= float64(all[r].sizes[j])
				}
			}
			sum += bytes
		}
	}
	return sum
}

// runOf returns the run, of the n so far, to which an item of rows belongs, and opens it if
// there is none.
func (d *Divider) runOf(rows []payload.Row, item tensor.Item, n *int) int {
	width := len(d.dims)
	start := len(d.keys)
	for _, dim := range d.dims {
		d.keys = append(d.keys, d.key(dim, item[dim.Tensor].Shape[dim.Axis]))
	}
	key := d.keys[start:]
	for r := range *n {
		if d.runs[r].verdict != alone && slices.Equal(d.keys[r*width:(r+1)*width], key) && d.sameSide(item, rows[d.runs[r].Index[0]].Item) {
			d.keys = d.keys[:start]
			return r
		}
	}
	if *n == len(d.runs) {
		d.runs = append(d.runs, Run{})
	}
	run := &d.runs[*n]
	run.Index, run.Rows, run.sizes = run.Index[:0], run.Rows[:0], append(run.sizes[:0], key...)
	run.verdict = together
	if d.sides != nil {
		run.verdict = d.sides.verdict(item)
	}
	for j, dim := range d.dims {
		switch {
		case !d.padded(dim):
		case run.verdict == alone: // padding was verified with other side inputs
			run.sizes[j] = item[dim.Tensor].Shape[dim.Axis]
		default:
			run.sizes[j] = max(key[j]-1, 0) // the bucket; 0 until the longest row is known
		}
	}
	*n++
	return *n - 1
}

// unverified reports whether it is unknown if the answers of the run are those of each row alone.
func (r *Run) unverified() bool { return r.verdict == unknown && (len(r.Rows) > 1 || !r.equal) }

// sameSide reports whether two items have equal side inputs.
func (d *Divider) sameSide(a, b tensor.Item) bool {
	for _, i := range d.side {
		if !bytes.Equal(a[i].Data, b[i].Data) || !slices.Equal(a[i].Shape, b[i].Shape) {
			return false
		}
	}
	return true
}

func (d *Divider) padded(dim tensor.Dim) bool { return d.padding && d.pad.Fills[dim.Tensor].Pad }

// key is a number that rows of one run share: the size of a dimension that is not padded, or
// 1 + the bucket.
func (d *Divider) key(dim tensor.Dim, size int64) int64 {
	if d.padded(dim) {
		return 1 + d.pad.bucket(size)
	}
	return size
}

// fill makes the rows of a run, padded to its sizes.
func (d *Divider) fill(run *Run, rows []payload.Row) {
	run.equal = true
	for _, k := range run.Index {
		row := rows[k]
		if !d.hasSizes(row.Item, run.sizes) {
			run.equal = false
			row.Item = d.padItem(row.Item, run.sizes)
		}
		run.Rows = append(run.Rows, row)
	}
}

// hasSizes reports whether the open dimensions of item have these sizes.
func (d *Divider) hasSizes(item tensor.Item, sizes []int64) bool {
	for j, dim := range d.dims {
		if item[dim.Tensor].Shape[dim.Axis] != sizes[j] {
			return false
		}
	}
	return true
}

// padItem returns item with the open dimensions padded to sizes. Tensors that have these sizes
// already are not copied.
func (d *Divider) padItem(item tensor.Item, sizes []int64) tensor.Item {
	start := len(d.items)
	d.items = append(d.items, item...)
	out := d.items[start:len(d.items):len(d.items)]
	for i, t := range item {
		at := len(d.shapes)
		d.shapes = append(d.shapes, t.Shape...)
		shape := d.shapes[at:len(d.shapes):len(d.shapes)]
		for j, dim := range d.dims {
			if dim.Tensor == i {
				shape[dim.Axis] = sizes[j]
			}
		}
		if slices.Equal(shape, t.Shape) {
			continue
		}
		out[i].Shape = shape
		out[i].Data = d.bytes.take(int(tensor.Elements(shape)) * t.Type.Size())
		pad(out[i], t, d.pad.Fills[i].Value)
	}
	return out
}

// Work counts the elements of the runs of a batch.
func (d *Divider) Work(runs []Run, rows []payload.Row) Work {
	w := Work{Runs: int64(len(runs))}
	for r := range runs {
		for j, k := range runs[r].Index {
			own, all := elements(rows[k].Item), elements(runs[r].Rows[j].Item)
			w.Elements += all
			w.Padding += all - own
		}
	}
	return w
}

func elements(item tensor.Item) (n int64) {
	for _, t := range item {
		if !t.IsZero() { // an optional input may be left out
			n += tensor.Elements(t.Shape)
		}
	}
	return n
}

// scratch is memory for padded tensors that is reused. It grows to the largest batch.
type scratch struct {
	block []byte
	used  int
	all   int // bytes taken since the last reset
}

func (s *scratch) reset() {
	if s.all > len(s.block) {
		s.block = make([]byte, s.all)
	}
	s.used, s.all = 0, 0
}

// take returns n bytes that nobody else uses until reset.
func (s *scratch) take(n int) []byte {
	s.all += n
	if s.used+n > len(s.block) {
		return make([]byte, n)
	}
	s.used += n
	return s.block[s.used-n : s.used : s.used]
}
