package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"sweetspot/engine/catalog"
	"sweetspot/engine/lengths"
	"sweetspot/sweep/plan"
)

// modelFlags say what the inputs of a model are: open dimensions, constants, the batch axis.
type modelFlags struct {
	shapes  []string
	consts  []string
	noBatch bool
	pads    []string
	buckets string
	input   string // bodies that verify the model; see bindInput

	contentType string // of the bodies

	handlers handlerFlags
}

func (f *modelFlags) bind(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.shapes, "shape", nil,
		"sizes that made requests have in the open dimensions of an input, batch axis left out: NAME=128, NAME=8..128 or NAME=@FILE (a length a line); images become the size NAME=3x224x224")
	fs.StringArrayVar(&f.consts, "value", nil, "constant for an input that requests then leave out: NAME=0, or NAME=1,3,224,224 for several elements")
	fs.BoolVar(&f.noBatch, "no-batch", false, "no dimension is a batch: items run one at a time, with all dimensions of the inputs")
	fs.StringArrayVar(&f.pads, "pad", nil, "pad inputs to one length in a batch: NAME=VALUE, such as input_ids=0,attention_mask=0 (default: batches run by equal shape)")
	f.handlers.bind(fs)
	fs.StringVar(&f.buckets, "buckets", "", "lengths to pad to: 16,32,64 or 16-128*2 (default: the longest of a batch)")
}

// bindInput binds --input for a process that opens models and sends no load.
func (f *modelFlags) bindInput(fs *pflag.FlagSet) {
	fs.StringVar(&f.input, "input", "", "file or folder of request bodies that verify and warm the model (default: made from its inputs)")
	f.bindContentType(fs)
}

func (f *modelFlags) bindContentType(fs *pflag.FlagSet) {
	fs.StringVar(&f.contentType, "content-type", "", "content type of the bodies of --input, such as application/json (default: by the name of each file)")
}

// options reads the flags for opening a model.
func (f *modelFlags) options() (o catalog.Options, err error) {
	o = catalog.Options{Shapes: map[string][]int64{}, Lengths: map[string]lengths.Shape{}}
	for _, text := range f.shapes {
		name, s, err := lengths.ParseFlag(text, os.ReadFile)
		if err != nil {
			return o, err
		}
		if sizes, fixed := s.Fixed(); fixed {
			o.Shapes[name] = sizes
		} else {
			o.Lengths[name] = s
		}
	}
	o.NoBatch = f.noBatch
	if o.Handlers, err = f.handlers.choices(); err != nil {
		return o, err
	}
	bodies, err := readBodies(f.input, f.contentType)
	if err != nil {
		return o, err
	}
	for _, b := range bodies {
		o.Bodies = append(o.Bodies, catalog.Body{Name: b.Name, Type: b.Type, Data: b.Data})
	}
	for _, text := range f.consts {
		name, numbers, err := catalog.ParseValue(text)
		if err != nil {
			return o, err
		}
		if o.Values == nil {
			o.Values = map[string]string{}
		}
		o.Values[name] = numbers
	}
	if o.Pad, err = f.padding(); err != nil {
		return o, err
	}
	if f.buckets != "" {
		if o.Buckets, err = lengths.ParseBuckets(f.buckets); err != nil {
			return o, fmt.Errorf("--buckets: %w", err)
		}
		if len(o.Pad) == 0 {
			return o, withHint("add --pad, such as --pad input_ids=0", "--buckets are lengths to pad to, and nothing says with what")
		}
	}
	return o, nil
}

// padding reads NAME=VALUE pairs, several in one flag joined by commas.
func (f *modelFlags) padding() (map[string]float64, error) {
	var out map[string]float64
	for _, text := range f.pads {
		for part := range strings.SplitSeq(text, ",") {
			i := strings.LastIndex(part, "=")
			v, err := strconv.ParseFloat(part[i+1:], 64)
			if i < 1 || err != nil || v-v != 0 {
				return nil, withHint("write: --pad input_ids=0,attention_mask=0", "--pad: %q is not NAME=VALUE with a number", part)
			}
			if out == nil {
				out = map[string]float64{}
			}
			out[part[:i]] = v
		}
	}
	return out, nil
}

// overlay puts the flags that were given over a plan.
func (f *modelFlags) overlay(p *plan.Plan) error {
	o, err := f.options()
	if err != nil && (f.buckets == "" || len(p.Pad) == 0 || len(o.Buckets) == 0) {
		return err // else the plan says with what
	}
	p.Shapes, p.Lengths = cloneMap(p.Shapes), maps.Clone(p.Lengths)
	for name, sizes := range o.Shapes {
		p.Shapes[name] = sizes
		delete(p.Lengths, name)
	}
	for name, s := range o.Lengths {
		if p.Lengths == nil {
			p.Lengths = map[string]string{}
		}
		p.Lengths[name] = s.String()
		delete(p.Shapes, name)
	}
	if len(p.Shapes) == 0 {
		p.Shapes = nil
	}
	if len(o.Values) > 0 {
		p.Values = cloneMap(p.Values)
		maps.Copy(p.Values, o.Values)
	}
	p.NoBatch = p.NoBatch || f.noBatch
	if len(o.Pad) > 0 {
		p.Pad = o.Pad
	}
	if len(o.Buckets) > 0 {
		p.Buckets = o.Buckets
	}
	return f.handlers.overlay(p)
}

// modelArgs are the flags of the engine child for a plan.
func modelArgs(p plan.Plan) []string {
	out := handlerArgs(p)
	for _, name := range slices.Sorted(maps.Keys(p.Shapes)) {
		out = append(out, "--shape="+name+"="+strings.Trim(strings.ReplaceAll(fmt.Sprint(p.Shapes[name]), " ", "x"), "[]"))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Lengths)) {
		out = append(out, "--shape="+name+"="+p.Lengths[name])
	}
	for _, name := range slices.Sorted(maps.Keys(p.Values)) {
		out = append(out, "--value="+name+"="+p.Values[name])
	}
	if p.Input != "" {
		out = append(out, "--input="+p.Input)
	}
	if p.ContentType != "" {
		out = append(out, "--content-type="+p.ContentType)
	}
	if p.NoBatch {
		out = append(out, "--no-batch")
	}
	for _, name := range slices.Sorted(maps.Keys(p.Pad)) {
		out = append(out, "--pad="+name+"="+strconv.FormatFloat(p.Pad[name], 'g', -1, 64))
	}
	if len(p.Buckets) > 0 {
		out = append(out, "--buckets="+lengths.BucketsText(p.Buckets))
	}
	return out
}

// madeUp says that the lengths of made requests are a default, if nobody gave them.
func madeUp(p plan.Plan) string {
	if len(p.Lengths)+len(p.Shapes) > 0 {
		return ""
	}
	return " (made up; --shape NAME=8..128, NAME=@FILE or bodies with --input are yours)"
}
