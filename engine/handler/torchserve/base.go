package torchserve

import (
	"errors"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

// Base is base_handler: numbers in, numbers out. Beside the nested lists of TorchServe's envelopes it takes all
// bodies of a model without a handler.
type Base struct {
	in, out []tensor.Spec
}

// Initialize implements [Steps].
func (b *Base) Initialize(in, out []tensor.Spec) error {
	b.in, b.out = in, out
	return nil
}

func media(in Input) string {
	if in.JSON {
		return handler.TypeJSON
	}
	return ""
}

// Preprocess implements [Steps].
func (b *Base) Preprocess(in Input) (tensor.Item, any, error) {
	item, err := handler.Decode(media(in), in.Data, b.in)
	return item, nil, err
}

// PreprocessedSize implements [Steps].
func (b *Base) PreprocessedSize(in Input) int64 { return handler.DecodedSize(media(in), in.Data, b.in) }

// Postprocess appends the output as nested lists, or several outputs as an object by name.
func (b *Base) Postprocess(dst []byte, out tensor.Item, _ any) ([]byte, error) {
	body, err := handler.Encode(dst, handler.JSON, b.out, out)
	if err != nil {
		return body.Data, err
	}
	if n := len(body.Data) - 1; n >= 0 && body.Data[n] == '\n' {
		return body.Data[:n], nil
	}
	return body.Data, errors.New("the answer is empty")
}

// Describe implements [Steps].
func (b *Base) Describe() string { return "numbers; the numbers of the outputs" }
