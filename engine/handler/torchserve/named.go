package torchserve

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"sweetspot/engine/handler"
)

// Options are what people choose about a handler. Its zero value has the defaults.
type Options struct {
	Images     handler.ImageOptions // how pictures become the input
	Labels     Labels
	Vocabulary *Vocabulary // of text_classifier
	Threshold  *float64    // the smallest score of object_detector and detection_list; nil is 0.5
	TopK       int         // the most classes of image_classifier; 0 is 5
	NGrams     int         // of text_classifier; 0 is 2
}

// makers make the steps of each name.
var makers = []struct {
	name string
	make func(Options) Steps
}{
	{"base_handler", func(Options) Steps { return &Base{} }},
	{"image_classifier", func(o Options) Steps { return &Classifier{Images: o.Images, Labels: o.Labels, TopK: o.TopK} }},
	{"image_segmenter", func(o Options) Steps { return &Segmenter{Images: o.Images} }},
	{"object_detector", func(o Options) Steps {
		return &Detector{Images: o.Images, Labels: o.Labels, Threshold: o.Threshold}
	}},
	{"text_classifier", func(o Options) Steps {
		return &TextClassifier{Labels: o.Labels, Vocabulary: o.Vocabulary, NGrams: o.NGrams}
	}},
	{"detection_list", func(o Options) Steps {
		return &DetectionList{Images: o.Images, Labels: o.Labels, Threshold: o.Threshold}
	}},
	{"keypoint_list", func(o Options) Steps { return &KeypointList{Images: o.Images} }},
}

// Names returns the names of the handlers.
func Names() []string {
	names := make([]string, len(makers))
	for i, m := range makers {
		names[i] = m.name
	}
	return names
}

// Named returns the steps of a handler.
func Named(name string, o Options) (Steps, error) {
	for _, m := range makers {
		if m.name == name {
			return m.make(o), nil
		}
	}
	return nil, fmt.Errorf("there is no handler %q; there is %s", name, strings.Join(Names(), ", "))
}

// IsNamed reports whether there is a handler of this name.
func IsNamed(name string) bool { return slices.Contains(Names(), name) }

// settings are the options that are numbers or words, by name.
var settings = map[string]func(o *Options, e *Envelope, value string) error{
	"threshold": func(o *Options, _ *Envelope, value string) error {
		v, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%q is not a number", value)
		}
		o.Threshold = &v
		return nil
	},
	"top_k":  func(o *Options, _ *Envelope, value string) error { return setCount(&o.TopK, value, 1000) },
	"ngrams": func(o *Options, _ *Envelope, value string) error { return setCount(&o.NGrams, value, 8) },
	"envelope": func(_ *Options, e *Envelope, value string) error {
		return e.UnmarshalText([]byte(value))
	},
}

func setCount(n *int, value string, most int) error {
	v, err := strconv.Atoi(value)
	if err != nil || v < 1 || v > most {
		return fmt.Errorf("%q is not a number from 1 to %d", value, most)
	}
	*n = v
	return nil
}

// Parse reads NAME or NAME,OPTION=VALUE,...: the name of a handler, threshold, top_k, ngrams and envelope. It sets
// the options in o and e.
func Parse(text string, o *Options, e *Envelope) (name string, err error) {
	name, rest, more := strings.Cut(text, ",")
	if _, err := Named(name, *o); err != nil {
		return "", err
	}
	for more {
		var part string
		part, rest, more = strings.Cut(rest, ",")
		key, value, ok := strings.Cut(part, "=")
		set, known := settings[key]
		if !ok || !known {
			return "", fmt.Errorf("%q is not an option; write envelope=json, ngrams=2, threshold=0.5 or top_k=5", part)
		}
		if err := set(o, e, value); err != nil {
			return "", fmt.Errorf("%s: %w", key, err)
		}
	}
	return name, nil
}
