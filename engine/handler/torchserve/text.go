package torchserve

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

// TextClassifier is text_classifier: the probabilities of all classes of a text.
//
// The first input of integers with one dimension gets the ids of the tokens and then those of the pairs of neighbors, as in TorchServe, whose models begin with an
// EmbeddingBag. A second input of integers is its offsets, and gets 0.
type TextClassifier struct {
	Labels     Labels
	Vocabulary *Vocabulary
	NGrams     int // the longest sequence of tokens that has an id of its own; 0 is 2

	in, out []tensor.Spec
}

const defaultNGrams = 2

// Initialize implements [Steps].
func (c *TextClassifier) Initialize(in, out []tensor.Spec) error {
	c.in, c.out = in, out
	if c.NGrams == 0 {
		c.NGrams = defaultNGrams
	}
	switch {
	case c.Vocabulary == nil:
		return fmt.Errorf("text_classifier needs a vocabulary: %s beside the model, or --vocab FILE", VocabularyFile)
	case !isIndex(in[0]) || len(in[0].Shape) != 1:
		return fmt.Errorf("text_classifier fills the first input with the ids of a text, which are integers with one dimension, and %q is %s %v", in[0].Name, in[0].Type, in[0].Shape)
	case len(in) > 2 && !in[2].Optional || len(in) > 1 && (!isIndex(in[1]) || len(in[1].Shape) > 1):
		return fmt.Errorf("text_classifier fills the ids of a text and their offsets, and the model takes %s; set the others with --value", specTexts(in))
	}
	if len(out) == 0 {
		return nil
	}
	if n := len(out[0].Shape); n != 1 && (n != 2 || out[0].Shape[0] != 1) || !out[0].Type.IsFloat() {
		return fmt.Errorf("text_classifier reads the first output as one number for each class, and %q is %s %v", out[0].Name, out[0].Type, out[0].Shape)
	}
	return nil
}

func isIndex(s tensor.Spec) bool { return s.Type == tensor.Int64 || s.Type == tensor.Int32 }

// textOf returns the text of an input.
func textOf(in Input) (string, error) {
	if in.JSON {
		r := handler.NewReader(in.Data)
		if r.Next() != '"' {
			return "", errors.New("the input is not a text; send it as text/plain, or as a JSON string")
		}
		text, err := r.Text()
		if err == nil {
			err = r.End()
		}
		return text, err
	}
	if !utf8.Valid(in.Data) {
		return "", errors.New("the text is not UTF-8")
	}
	return string(in.Data), nil
}

// Preprocess implements [Steps]. The state is the tokens, a []string.
func (c *TextClassifier) Preprocess(in Input) (tensor.Item, any, error) {
	text, err := textOf(in)
	if err != nil {
		return nil, nil, err
	}
	tokens := Tokens(text)
	item, err := c.Row(tokens)
	return item, tokens, err
}

// Row returns the row of a text with these tokens. A token without an id is an error.
func (c *TextClassifier) Row(tokens []string) (tensor.Item, error) {
	if len(tokens) == 0 {
		return nil, errors.New("the text has no words")
	}
	all := ngrams(tokens, c.NGrams)
	if want := c.in[0].Shape[0]; want >= 0 && want != int64(len(all)) {
		return nil, fmt.Errorf("the text has %d tokens and pairs of tokens, and the model takes %d; export it with an open dimension", len(all), want)
	}
	data := make([]byte, 0, len(all)*c.in[0].Type.Size())
	for _, token := range all {
		id, ok := c.Vocabulary.ID(token)
		if !ok {
			return nil, fmt.Errorf("%.60q is not in the vocabulary, which has no %s", token, unknownToken)
		}
		data = tensor.AppendInt(data, c.in[0].Type, id)
	}
	item := make(tensor.Item, len(c.in))
	item[0] = tensor.Tensor{Type: c.in[0].Type, Shape: []int64{int64(len(all))}, Data: data}
	if err := c.checkIDs(item[0]); err != nil {
		return nil, err
	}
	if len(c.in) > 1 && !c.in[1].Optional {
		shape := make([]int64, len(c.in[1].Shape))
		for i := range shape {
			shape[i] = 1
		}
		item[1] = tensor.Tensor{Type: c.in[1].Type, Shape: shape, Data: make([]byte, c.in[1].Type.Size())}
	}
	return item, nil
}

// checkIDs reports an id for which the model has no embedding.
func (c *TextClassifier) checkIDs(ids tensor.Tensor) error {
	s := c.in[0]
	for i := range len(ids.Data) / ids.Type.Size() {
		if id := tensor.IntAt(ids.Type, ids.Data, i); s.Bounded && float64(id) > s.Max {
			return fmt.Errorf("the vocabulary has the id %d, and the model takes ids up to %v: they do not belong together", id, s.Max)
		}
	}
	return nil
}

// PreprocessedSize implements [Steps].
func (c *TextClassifier) PreprocessedSize(in Input) int64 {
	// A text of n bytes has at most n/2+1 tokens. Each has a string, its n-grams and their ids.
	const each = 16 + 8
	n := int64(len(in.Data))
	return 8*n + (n/2+1)*int64(c.NGrams)*each + int64(c.NGrams)*int64(c.NGrams)*n
}

// Postprocess appends {"label": probability, ...} in the order of the classes.
func (c *TextClassifier) Postprocess(dst []byte, out tensor.Item, _ any) ([]byte, error) {
	t := out[0]
	if len(t.Shape) == 2 && t.Shape[0] == 1 {
		t.Shape = t.Shape[1:]
	}
	if err := checkOutput(t, c.out[0].Name, 1); err != nil {
		return dst, err
	}
	p := floats(t)
	softmax(p, 1)
	members := make([]member, len(p))
	for i, v := range p {
		members[i] = member{c.Labels.Name(int64(i)), v}
	}
	return appendObject(dst, members), nil
}

// Describe implements [Steps].
func (c *TextClassifier) Describe() string {
	return fmt.Sprintf("a text (%d tokens in the vocabulary, sequences of up to %d); the probabilities of all classes", c.Vocabulary.Len(), c.NGrams)
}

// Words returns the tokens that Preprocess found, from its state.
func Words(state any) []string {
	words, _ := state.([]string)
	return words
}
