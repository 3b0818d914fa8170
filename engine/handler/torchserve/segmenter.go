package torchserve

import (
	"fmt"
	"slices"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

// Segmenter is image_segmenter: the most probable class of each pixel.
type Segmenter struct {
	Images handler.ImageOptions // for what differs from TorchServe's

	images images
	out    tensor.Spec
	place  int // of the output
}

// Initialize implements [Steps]. The output is the one called out, or else the first.
func (s *Segmenter) Initialize(in, out []tensor.Spec) error {
	s.place = max(0, slices.IndexFunc(out, func(o tensor.Spec) bool { return o.Name == "out" }))
	if len(out) > 0 {
		s.out = out[s.place]
		if len(s.out.Shape) != 3 || !isNumbers(s.out) {
			return fmt.Errorf("image_segmenter reads an output with classes, rows and columns, and %q is %s %v", s.out.Name, s.out.Type, s.out.Shape)
		}
	}
	s.images.options = s.Images
	if err := s.images.initialize(in, visionDefaults); err != nil {
		return err
	}
	s.images.in = s.images.in.AlwaysResized()
	return nil
}

// Preprocess implements [Steps].
func (s *Segmenter) Preprocess(in Input) (tensor.Item, any, error) { return s.images.preprocess(in) }

// PreprocessedSize implements [Steps].
func (s *Segmenter) PreprocessedSize(in Input) int64 { return s.images.preprocessedSize(in) }

// Postprocess appends rows of columns of [class, probability].
func (s *Segmenter) Postprocess(dst []byte, out tensor.Item, _ any) ([]byte, error) {
	t := out[s.place]
	if err := checkOutput(t, s.out.Name, 3); err != nil {
		return dst, err
	}
	p := floats(t)
	classes, rows, columns := int(t.Shape[0]), int(t.Shape[1]), int(t.Shape[2])
	pixels := rows * columns
	if classes == 0 {
		return dst, fmt.Errorf("output %q has no classes: %v", s.out.Name, t.Shape)
	}
	dst = append(dst, '[')
	for i := range pixels {
		dst = append(dst, separator(i, columns)...)
		softmax(p[i:], pixels)
		best := 0
		for c := 1; c < classes; c++ {
			if p[i+c*pixels] > p[i+best*pixels] {
				best = c
			}
		}
		dst = append(appendNumber(append(dst, '['), float32(best)), ',')
		dst = append(appendNumber(dst, p[i+best*pixels]), ']')
	}
	if pixels > 0 {
		dst = append(dst, ']')
	}
	return append(dst, ']'), nil
}

// separator returns what stands before pixel i of rows of n pixels.
func separator(i, n int) string {
	switch {
	case i == 0:
		return "["
	case i%n == 0:
		return "],["
	}
	return ","
}

func (s *Segmenter) input() handler.ImageInput { return s.images.in }

// Describe implements [Steps].
func (s *Segmenter) Describe() string {
	return fmt.Sprintf("a picture (%s); for each pixel the most probable class and its probability", s.images.in)
}
