package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"sweetspot/engine/catalog"
	"sweetspot/engine/handler/torchserve"
	"sweetspot/sweep/plan"
)

// handlerFlags say which of TorchServe's handlers ONNX models have.
type handlerFlags struct {
	handlers, labels, vocabularies []string
}

func (f *handlerFlags) bind(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.handlers, "handler", nil,
		"handler of an ONNX model: [MODEL=]NAME[,threshold=0.5][,top_k=5][,ngrams=2][,envelope=json], where NAME is "+strings.Join(torchserve.Names(), ", ")+" (default: that of its archive; without one, the inputs and outputs of the model)")
	fs.StringArrayVar(&f.labels, "labels", nil, "names of the classes for --handler: [MODEL=]FILE, in the form of index_to_name.json (default: that file of the archive or folder)")
	fs.StringArrayVar(&f.vocabularies, "vocab", nil, "vocabulary of text_classifier: [MODEL=]FILE, in the form of vocab.json (default: that file of the archive or folder)")
}

// choices returns the choice for each model that is named, and for all others under "".
func (f *handlerFlags) choices() (map[string]catalog.HandlerChoice, error) {
	out := map[string]catalog.HandlerChoice{}
	for _, v := range []struct {
		flag   string
		values []string
		set    func(*catalog.HandlerChoice) *string
	}{
		{"--handler", f.handlers, func(c *catalog.HandlerChoice) *string { return &c.Handler }},
		{"--labels", f.labels, func(c *catalog.HandlerChoice) *string { return &c.Labels }},
		{"--vocab", f.vocabularies, func(c *catalog.HandlerChoice) *string { return &c.Vocabulary }},
	} {
		for _, text := range v.values {
			model, value := splitModel(text)
			c := out[model]
			if *v.set(&c) != "" {
				return nil, fmt.Errorf("%s %s: given twice for one model; write %s MODEL=%s for one of several models", v.flag, text, v.flag, value)
			}
			if *v.set(&c) = value; value == "" {
				return nil, fmt.Errorf("%s %s: nothing is named", v.flag, text)
			}
			out[model] = c
		}
	}
	for model, c := range out {
		if model == "" {
			continue
		}
		for _, v := range []struct{ of, all *string }{{&c.Handler, new(out[""].Handler)}, {&c.Labels, new(out[""].Labels)}, {&c.Vocabulary, new(out[""].Vocabulary)}} {
			if *v.of == "" {
				*v.of = *v.all
			}
		}
		out[model] = c
	}
	for _, c := range out {
		if c.Handler == "" {
			continue
		}
		if _, err := torchserve.Parse(c.Handler, new(torchserve.Options), new(torchserve.Envelope)); err != nil {
			return nil, fmt.Errorf("--handler: %w", err)
		}
	}
	return out, nil
}

// splitModel splits [MODEL=]VALUE. A MODEL has none of the characters of paths and lists.
func splitModel(text string) (model, value string) {
	model, value, ok := strings.Cut(text, "=")
	if !ok || strings.ContainsAny(model, `,/\`) {
		return "", text
	}
	return model, value
}

// overlay sets in a plan what was given. A plan has one model.
func (f *handlerFlags) overlay(p *plan.Plan) error {
	choices, err := f.choices()
	if err != nil {
		return err
	}
	for _, model := range slices.Sorted(maps.Keys(choices)) { // that of a name wins over the one for all
		c := choices[model]
		setText(&p.Handler, c.Handler)
		setText(&p.Labels, c.Labels)
		setText(&p.Vocabulary, c.Vocabulary)
	}
	return nil
}

// handlerArgs are the flags for an engine child.
func handlerArgs(p plan.Plan) []string {
	var out []string
	for _, v := range []struct{ flag, value string }{{"--handler=", p.Handler}, {"--labels=", p.Labels}, {"--vocab=", p.Vocabulary}} {
		if v.value != "" {
			out = append(out, v.flag+v.value)
		}
	}
	return out
}

// withEnvelope sets the service_envelope of a configuration for all models.
func withEnvelope(choices map[string]catalog.HandlerChoice, envelope string) map[string]catalog.HandlerChoice {
	if envelope == "" {
		return choices
	}
	if _, ok := choices[""]; !ok {
		choices[""] = catalog.HandlerChoice{}
	}
	for model, c := range choices {
		c.Envelope = envelope
		choices[model] = c
	}
	return choices
}
