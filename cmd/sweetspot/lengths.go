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

// lengthFlags say how open dimensions of a model are treated.
type lengthFlags struct {
	shapes  []string
	pads    []string
	buckets string
}

func (f *lengthFlags) bind(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.shapes, "shape", nil,
		"open dimensions of an input, batch axis left out: NAME=1x128 fixes them; NAME=8..128 or NAME=@FILE (a length a line) leaves them open and mixes made requests")
	fs.StringArrayVar(&f.pads, "pad", nil, "pad inputs to one length in a batch: NAME=VALUE, such as input_ids=0,attention_mask=0 (default: batches run by equal shape)")
	fs.StringVar(&f.buckets, "buckets", "", "lengths to pad to: 16,32,64 or 16-128*2 (default: the longest of a batch)")
}

// options reads the flags for opening a model.
func (f *lengthFlags) options() (catalog.Options, error) {
	o := catalog.Options{Shapes: map[string][]int64{}, Lengths: map[string]lengths.Shape{}}
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
	var err error
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
func (f *lengthFlags) padding() (map[string]float64, error) {
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
func (f *lengthFlags) overlay(p *plan.Plan) error {
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
	if len(o.Pad) > 0 {
		p.Pad = o.Pad
	}
	if len(o.Buckets) > 0 {
		p.Buckets = o.Buckets
	}
	return nil
}

// lengthArgs are the flags of the engine child for a plan.
func lengthArgs(p plan.Plan) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p.Shapes)) {
		out = append(out, "--shape="+name+"="+strings.Trim(strings.ReplaceAll(fmt.Sprint(p.Shapes[name]), " ", "x"), "[]"))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Lengths)) {
		out = append(out, "--shape="+name+"="+p.Lengths[name])
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
	if len(p.Lengths) > 0 {
		return ""
	}
	return " (made up; --shape NAME=8..128, NAME=@FILE or bodies with --input are yours)"
}
