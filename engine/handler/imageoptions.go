package handler

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"sweetspot/engine/tensor"
)

// ImageOptions say how a JPEG or PNG file becomes an input. The zero value has the defaults
// for each input. [ParseImageOptions] makes others.
type ImageOptions struct {
	normalize string
	mean, std []float32 // one number, or one for each channel; on the scale of 0 to 1
	order     string
	layout    string
	resize    string
}

// The values of the options; "" is the default.
const (
	normalizeNone     = "none"     // 0 to 255
	normalizeUnit     = "0..1"     // default, but for floats of three channels first
	normalizeSigned   = "-1..1"    //
	normalizeImageNet = "imagenet" // default of floats of three channels first
	orderRGB          = "rgb"      // default
	orderBGR          = "bgr"
	layoutNCHW        = "nchw"
	layoutNHWC        = "nhwc"
	layoutHW          = "hw"   // gray without a dimension of channels
	resizeCrop        = "crop" // default
	resizeStretch     = "stretch"
	resizePad         = "pad"
)

// imageOptionValues has the values of each option that is a word.
var imageOptionValues = map[string][]string{
	"normalize": {normalizeNone, normalizeUnit, normalizeSigned, normalizeImageNet},
	"order":     {orderRGB, orderBGR},
	"layout":    {layoutNCHW, layoutNHWC, layoutHW},
	"resize":    {resizeCrop, resizeStretch, resizePad},
}

// imageOptionNames are all options, in the order in which they are described.
var imageOptionNames = []string{"normalize", "mean", "std", "order", "layout", "resize"}

// ParseImageOptions reads NAME=VALUE,NAME=VALUE, such as normalize=imagenet,order=rgb. The
// numbers of mean and std are joined by ":". "" is the zero value.
func ParseImageOptions(text string) (ImageOptions, error) {
	var o ImageOptions
	if text == "" {
		return o, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return o, fmt.Errorf("%q is not NAME=VALUE; write options such as normalize=imagenet,order=rgb,resize=crop", part)
		}
		if err := o.Set(strings.TrimSpace(name), strings.TrimSpace(value)); err != nil {
			return o, err
		}
	}
	return o, o.validate()
}

// Set sets one option. It does not check that the options fit together.
func (o *ImageOptions) Set(name, value string) error {
	if allowed, ok := imageOptionValues[name]; ok {
		if !slices.Contains(allowed, value) {
			return fmt.Errorf("%s: %q is not one of %s", name, value, strings.Join(allowed, ", "))
		}
		*o.word(name) = value
		return nil
	}
	numbers, err := parseNumbers(value)
	switch {
	case name == "mean" && err == nil:
		o.mean = numbers
	case name == "std" && err == nil && slices.Min(numbers) <= 0:
		err = fmt.Errorf("%q is not above 0", value)
	case name == "std" && err == nil:
		o.std = numbers
	case name != "mean" && name != "std":
		return fmt.Errorf("unknown option %q; there is %s", name, strings.Join(imageOptionNames, ", "))
	}
	if err != nil {
		return fmt.Errorf("%s: %w; write one number or one for each channel, such as %s=0.485:0.456:0.406", name, err, name)
	}
	return nil
}

// word returns the option called name, which is a word.
func (o *ImageOptions) word(name string) *string {
	switch name {
	case "normalize":
		return &o.normalize
	case "order":
		return &o.order
	case "layout":
		return &o.layout
	}
	return &o.resize
}

// parseNumbers reads one or three numbers joined by ":".
func parseNumbers(text string) ([]float32, error) {
	var out []float32
	for part := range strings.SplitSeq(text, ":") {
		v, err := strconv.ParseFloat(strings.TrimSpace(part), 32)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%q is not a number", part)
		}
		out = append(out, float32(v))
	}
	if len(out) != 1 && len(out) != 3 {
		return nil, fmt.Errorf("%d numbers, expected 1 or 3", len(out))
	}
	return out, nil
}

// validate reports options that exclude each other.
func (o ImageOptions) validate() error {
	switch custom := o.mean != nil || o.std != nil; {
	case custom && o.normalize != "":
		return fmt.Errorf("normalize=%s and mean or std exclude each other; leave one out", o.normalize)
	case custom && (o.mean == nil || o.std == nil):
		return fmt.Errorf("mean and std belong together; write both, such as mean=0.5,std=0.5")
	}
	return nil
}

// Or returns o with the options of other where o has none.
func (o ImageOptions) Or(other ImageOptions) ImageOptions {
	if o.normalize == "" && o.mean == nil && o.std == nil {
		o.normalize, o.mean, o.std = other.normalize, other.mean, other.std
	}
	for _, name := range []string{"order", "layout", "resize"} {
		*o.word(name) = cmp.Or(*o.word(name), *other.word(name))
	}
	return o
}

// IsZero reports whether all options are the defaults.
func (o ImageOptions) IsZero() bool {
	return o.normalize == "" && o.order == "" && o.layout == "" && o.resize == "" && o.mean == nil && o.std == nil
}

// Check reports options that no input can have: none takes images, or one cannot be
// normalized.
func (o ImageOptions) Check(inputs []tensor.Spec) error {
	if o.IsZero() {
		return nil
	}
	if err := o.validate(); err != nil {
		return err
	}
	found, colored := false, false
	for _, s := range inputs {
		in, ok := o.Input(s)
		if !ok {
			continue
		}
		found, colored = true, colored || in.channels == 3
		if err := o.checkNumbers(s, in); err != nil {
			return fmt.Errorf("input %q: %w", s.Name, err)
		}
	}
	switch {
	case !found:
		return fmt.Errorf("no input is an image of layout %s; the model takes %s", cmp.Or(o.layout, "nchw or nhwc"), specTexts(inputs))
	case !colored && o.order != "":
		return fmt.Errorf("order=%s: the images are gray; leave it out", o.order)
	}
	return nil
}

// checkNumbers checks that an input can be normalized.
func (o ImageOptions) checkNumbers(s tensor.Spec, in ImageInput) error {
	switch {
	case !s.Type.IsFloat() && (o.mean != nil || o.normalize != "" && o.normalize != normalizeNone):
		return fmt.Errorf("%s cannot be normalized; leave normalize, mean and std out", s.Type)
	case max(len(o.mean), len(o.std)) > int(in.channels):
		return fmt.Errorf("%d numbers in mean or std, but it has %d channel", max(len(o.mean), len(o.std)), in.channels)
	}
	return nil
}

func specTexts(inputs []tensor.Spec) string {
	out := make([]string, len(inputs))
	for i, s := range inputs {
		out[i] = s.String()
	}
	return strings.Join(out, "; ")
}

// Describe describes for people how images become the inputs that are images; "" if there
// are none:
//
//	x: RGB, NCHW, 224 x 224 (other sizes are resized and cropped at the center), FP32 normalized as ImageNet
func (o ImageOptions) Describe(inputs []tensor.Spec) string {
	var out []string
	for _, s := range inputs {
		if in, ok := o.Input(s); ok {
			out = append(out, s.Name+": "+in.String())
		}
	}
	return strings.Join(out, "; ")
}
