package explain

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// names are the parameters of a query, for messages.
const names = "answer, baseline, features, input, mask, method, output, stride, target, window"

// maxMask is the largest number of elements of a mask.
const maxMask = 65536

// parameters read the value of each parameter.
var parameters = map[string]func(o *Options, value string) error{
	"method":   func(o *Options, v string) error { return setMethod(&o.Method, v) },
	"input":    func(o *Options, v string) error { o.Input = v; return nil },
	"output":   func(o *Options, v string) error { o.Output = v; return nil },
	"answer":   func(o *Options, v string) error { return setNamed(&o.Form, forms[:], v) },
	"features": func(o *Options, v string) error { return setNamed(&o.Features, featureNames[:], v) },
	"target":   func(o *Options, v string) error { return setInts(&o.Target, v, maxRank, 0) },
	"window":   func(o *Options, v string) error { return setInts(&o.Window, v, maxRank, 1) },
	"stride":   func(o *Options, v string) error { return setInts(&o.Stride, v, maxRank, 1) },
	"mask":     func(o *Options, v string) error { return setInts(&o.Mask, v, maxMask, 0) },
	"baseline": func(o *Options, v string) error { return setBaseline(o, v) },
}

// Parse reads options from the query of a URL, such as
//
//	method=occlusion&window=3,16,16&stride=3,8,8&target=5&baseline=0
//
// An error says which parameter is wrong and what to write.
func Parse(query string) (Options, error) {
	var o Options
	values, err := url.ParseQuery(query)
	if err != nil {
		return o, fmt.Errorf("the query: %w", err)
	}
	given := make([]string, 0, len(values))
	for name := range values {
		given = append(given, name)
	}
	slices.Sort(given) // so that of several errors always the same is told
	for _, name := range given {
		set, ok := parameters[name]
		switch {
		case !ok:
			return o, fmt.Errorf("%.40q is not a parameter of explanations; they have %s", name, names)
		case len(values[name]) > 1:
			return o, fmt.Errorf("the parameter %s is given %d times", name, len(values[name]))
		}
		if err := set(&o, values[name][0]); err != nil {
			return o, fmt.Errorf("%s: %w", name, err)
		}
	}
	return o, o.complete(slices.Contains(given, "features"))
}

// complete chooses the method by what is given, and refuses what does not belong together.
func (o *Options) complete(features bool) error {
	window, ablation := o.Window != nil || o.Stride != nil, features || o.Mask != nil
	if o.Method == Default {
		switch {
		case window:
			o.Method = Occlusion
		case ablation:
			o.Method = Ablation
		}
	}
	switch {
	case o.Method == Occlusion && ablation:
		return errors.New("features and mask are of method=ablation; occlusion has window and stride")
	case o.Method == Ablation && window:
		return errors.New("window and stride are of method=occlusion; ablation has features and mask")
	case features && o.Mask != nil:
		return errors.New("a mask gives the features; leave features out")
	case o.Stride != nil && o.Window == nil:
		return errors.New("a stride needs a window, which it moves; write window=3,16,16")
	}
	return nil
}

// errGradients refuses the method that TorchServe uses.
var errGradients = errors.New("integrated gradients need the gradients of the model, and a graph for inference does not have them; use occlusion or ablation, or serve the model with a handler in Python")

func setMethod(m *Method, value string) error {
	switch value {
	case "feature_ablation":
		*m = Ablation
		return nil
	case "integrated_gradients", "ig":
		return errGradients
	}
	return setNamed(m, methods[:], value)
}

// setNamed sets to the index of the name.
func setNamed[T ~uint8](to *T, all []string, value string) error {
	i := slices.Index(all, value)
	if i < 0 {
		return fmt.Errorf("%.40q is not one of %s", value, strings.Join(all, ", "))
	}
	*to = T(i)
	return nil
}

// setInts reads whole numbers from least on, with commas between them.
func setInts(to *[]int64, value string, most int, least int64) error {
	if n := strings.Count(value, ",") + 1; n > most {
		return fmt.Errorf("%d numbers, expected at most %d", n, most)
	}
	out := []int64{}
	for text := range strings.SplitSeq(value, ",") {
		v, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil || v < least || v > math.MaxInt32 {
			return fmt.Errorf("%.40q is not a whole number from %d to %d; write such as 3,16,16", text, least, math.MaxInt32)
		}
		out = append(out, v)
	}
	*to = out
	return nil
}

func setBaseline(o *Options, value string) error {
	v, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("%.40q is not a number", value)
	}
	o.Baseline = &v
	return nil
}
