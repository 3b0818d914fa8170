package torchserve

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"

	"sweetspot/engine/handler"
	"sweetspot/engine/handler/picture"
	"sweetspot/engine/tensor"
)

// images is the preprocessing of the handlers of pictures: it fills the one input of a model.
type images struct {
	options handler.ImageOptions // chosen by people

	spec   tensor.Spec
	in     handler.ImageInput
	inputs int // of the model; those after the first may be left out
}

// imageDefaults are the options for what people have not chosen.
type imageDefaults struct{ normalize, resize string }

// imageState is what the postprocessing knows about the picture of a row.
type imageState struct {
	handler.Placement
	width, height int // of the input; 0 is unknown
}

// initialize finds the input of the model. Its normalization is the default one if it is of floats and has colors.
func (im *images) initialize(in []tensor.Spec, defaults imageDefaults) error {
	if len(in) > 1 && !in[1].Optional {
		return fmt.Errorf("the model takes %d inputs, and this handler fills one with a picture; set the others with --value", len(in))
	}
	im.spec, im.inputs = in[0], len(in)
	plain, ok := im.options.Input(in[0])
	if !ok {
		return fmt.Errorf("input %q is no picture, which has three dimensions, of them 3 or 1 channels first or last, of floats or UINT8: %s", in[0].Name, in[0])
	}
	text := "resize=" + defaults.resize
	if plain.Channels() == 3 && in[0].Type.IsFloat() {
		text += ",normalize=" + defaults.normalize
	}
	d, err := handler.ParseImageOptions(text)
	if err != nil {
		return err
	}
	o := im.options.Or(d)
	if err := o.Check(in[:1]); err != nil {
		return fmt.Errorf("image options: %w", err)
	}
	im.in, _ = o.Input(in[0])
	return nil
}

// preprocess converts a picture, as a file or in base64, a nested list of numbers, or their bytes.
func (im *images) preprocess(in Input) (tensor.Item, any, error) {
	file, isFile, err := im.file(in)
	if err != nil {
		return nil, nil, err
	}
	if !isFile {
		media := handler.TypeRaw
		if in.JSON {
			media = handler.TypeJSON
		}
		item, err := handler.Decode(media, in.Data, []tensor.Spec{im.spec})
		if err != nil {
			return nil, nil, err
		}
		w, h := im.in.SizeOf(item[0].Shape)
		return im.row(item[0]), imageState{handler.Placement{Width: w, Height: h, ScaleX: 1, ScaleY: 1}, w, h}, nil
	}
	t, at, err := im.in.Decode(file)
	if err != nil {
		return nil, nil, err
	}
	width, height := im.in.SizeOf(t.Shape)
	return im.row(t), imageState{at, width, height}, nil
}

// row returns the row with a first input, and without the others.
func (im *images) row(t tensor.Tensor) tensor.Item {
	item := make(tensor.Item, im.inputs)
	item[0] = t
	return item
}

// file returns the bytes of the picture of in; false if it is a list of numbers or their bytes.
func (im *images) file(in Input) ([]byte, bool, error) {
	if in.JSON {
		if text := bytes.TrimLeft(in.Data, " \t\r\n"); len(text) == 0 || text[0] != '"' {
			return nil, false, nil
		}
		file, err := decodeBase64(in.Data)
		return file, true, err
	}
	if picture.Is(in.Data) {
		return in.Data, true, nil
	}
	if isBase64Picture(in.Data) {
		text := strings.Join(strings.Fields(string(in.Data)), "")
		file, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			err = fmt.Errorf("base64: %w", err)
		}
		return file, true, err
	}
	if n := tensor.Elements(im.spec.Shape); n >= 0 && int64(len(in.Data)) == n*int64(im.spec.Type.Size()) {
		return nil, false, nil
	}
	return nil, false, fmt.Errorf("%d bytes that are neither a JPEG or PNG file nor base64 of one; send a file, or a nested list of numbers as application/json", len(in.Data))
}

// isBase64Picture reports whether data begins like the base64 of a JPEG or PNG file.
func isBase64Picture(data []byte) bool {
	return bytes.HasPrefix(data, []byte("/9j/")) || bytes.HasPrefix(data, []byte("iVBORw0KGgo"))
}

// preprocessedSize estimates the memory of preprocess.
func (im *images) preprocessedSize(in Input) int64 {
	file, isFile, err := im.file(in)
	switch {
	case err != nil:
		return 0
	case !isFile && in.JSON:
		return handler.DecodedSize(handler.TypeJSON, in.Data, []tensor.Spec{im.spec})
	case !isFile:
		return 0
	}
	n := im.in.DecodedSize(bytes.NewReader(file))
	if !picture.Is(in.Data) {
		n += 2 * int64(len(in.Data))
	}
	return n
}
