package catalog

import (
	"errors"
	"slices"
	"strings"

	"sweetspot/engine"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// errNoRows keeps a batch from being believed on no evidence.
var errNoRows = errors.New("a made-up item gave no rows, so that a batch cannot be checked")

// rowIndex is the output that by its name and type tells which item of a batch a
// row belongs to, such as batch_idx or batch_indices; "" if there is none.
func (r *reading) rowIndex() string {
	plain := strings.NewReplacer("_", "", "-", "", ".", "", "/", "")
	for _, v := range r.info.Outputs {
		name := plain.Replace(strings.ToLower(v.Name))
		named := strings.Contains(name, "batchid") || strings.Contains(name, "batchind")
		if named && v.Elem == onnxpb.TensorProto_INT64 && (v.Dims == nil || len(v.Dims) == 1) && r.hasRows(v) {
			return v.Name
		}
	}
	return ""
}

// hasRows tells whether the first dimension of v may be rows: an open one that
// is not the batch.
func (r *reading) hasRows(v onnxgraph.Value) bool {
	return v.Dims == nil || len(v.Dims) > 0 && v.Dims[0].Open() && (v.Dims[0].Name == "" || v.Dims[0].Name != r.axis)
}

// rowsDraft takes every output as rows whose first dimension is not the batch.
func (r *reading) rowsDraft(index string) draft {
	d := draft{batch: true, rows: engine.RaggedOutputs{Index: index}}
	for _, v := range r.info.Outputs {
		typ, _ := typeOf("output", v) // checked by newReading
		s := tensor.Spec{Name: v.Name, Type: typ}
		dims := v.Dims
		if r.hasRows(v) {
			d.rows.Outputs = append(d.rows.Outputs, v.Name)
		} else {
			dims = dims[1:]
		}
		if v.Dims != nil {
			s.Shape = r.sizes(dims)
		}
		d.outputs = append(d.outputs, s)
	}
	return d
}

// checkable reports that the items' outputs have too few rows to tell whether
// they were dealt rightly.
func (d draft) checkable(items ...tensor.Item) error {
	i := slices.IndexFunc(d.outputs, func(s tensor.Spec) bool { return s.Name == d.rows.Index })
	if i < 0 {
		return nil
	}
	for _, item := range items {
		if len(item[i].Data) == 0 {
			return errNoRows
		}
	}
	return nil
}
