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

// errNoEntries means that the samples are not enough to verify a batch.
var errNoEntries = errors.New("a sample item had no entries, so that a batch cannot be verified")

// raggedIndex returns the output whose name and type indicate that it maps entries to the items
// of a batch, such as batch_idx or batch_indices; "" if there is none.
func (r *graphInfo) raggedIndex() string {
	removePunctuation := strings.NewReplacer("_", "", "-", "", ".", "", "/", "")
	for _, v := range r.info.Outputs {
		name := removePunctuation.Replace(strings.ToLower(v.Name))
		isIndex := strings.Contains(name, "batchid") || strings.Contains(name, "batchind")
		if isIndex && v.Elem == onnxpb.TensorProto_INT64 && (v.Dims == nil || len(v.Dims) == 1) && r.mayBeRagged(v) {
			return v.Name
		}
	}
	return ""
}

// mayBeRagged reports whether v may be ragged: its first dimension is open and is not the
// batch.
func (r *graphInfo) mayBeRagged(v onnxgraph.Value) bool {
	return v.Dims == nil || len(v.Dims) > 0 && v.Dims[0].Open() && (v.Dims[0].Name == "" || v.Dims[0].Name != r.axis)
}

// raggedCandidate treats every output whose first dimension is not the batch as ragged.
func (r *graphInfo) raggedCandidate(index string) candidate {
	d := candidate{batch: true, ragged: engine.RaggedOutputs{Index: index}}
	for _, v := range r.info.Outputs {
		typ, _ := typeOf("output", v) // checked by newGraphInfo
		s := tensor.Spec{Name: v.Name, Type: typ}
		dims := v.Dims
		if r.mayBeRagged(v) {
			d.ragged.Outputs = append(d.ragged.Outputs, v.Name)
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

// checkEntries returns an error if an item has no entries: then it is unknown whether entries were
// assigned to the right items.
func (d candidate) checkEntries(items ...tensor.Item) error {
	i := slices.IndexFunc(d.outputs, func(s tensor.Spec) bool { return s.Name == d.ragged.Index })
	if i < 0 {
		return nil
	}
	for _, item := range items {
		if len(item[i].Data) == 0 {
			return errNoEntries
		}
	}
	return nil
}
