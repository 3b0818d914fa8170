package torchserve

import (
	"cmp"
	"fmt"
	"slices"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

// visionDefaults are the options of TorchServe's handlers of pictures: Resize(256), CenterCrop(224),
// ToTensor and Normalize of torchvision.
var visionDefaults = imageDefaults{normalize: "imagenet", resize: "crop"}

// Classifier is image_classifier: the probabilities of the most probable classes.
type Classifier struct {
	Images handler.ImageOptions // for what differs from TorchServe's
	Labels Labels
	TopK   int // most classes of an answer; 0 is 5

	images images
	out    tensor.Spec
}

const defaultTopK = 5

// Initialize implements [Steps].
func (c *Classifier) Initialize(in, out []tensor.Spec) error {
	c.TopK = cmp.Or(c.TopK, defaultTopK)
	if len(out) > 0 {
		c.out = out[0]
		if len(c.out.Shape) != 1 || !isNumbers(c.out) {
			return fmt.Errorf("image_classifier reads the first output as one number for each class, and %q is %s %v", c.out.Name, c.out.Type, c.out.Shape)
		}
	}
	c.images.options = c.Images
	if err := c.images.initialize(in, visionDefaults); err != nil {
		return err
	}
	c.images.in = c.images.in.AlwaysResized()
	return nil
}

// Preprocess implements [Steps].
func (c *Classifier) Preprocess(in Input) (tensor.Item, any, error) { return c.images.preprocess(in) }

// PreprocessedSize implements [Steps].
func (c *Classifier) PreprocessedSize(in Input) int64 { return c.images.preprocessedSize(in) }

// Postprocess appends {"label": probability, ...}, the most probable class first.
func (c *Classifier) Postprocess(dst []byte, out tensor.Item, _ any) ([]byte, error) {
	if err := checkOutput(out[0], c.out.Name, 1); err != nil {
		return dst, err
	}
	p := floats(out[0])
	softmax(p, 1)
	members := make([]member, 0, c.TopK)
	for _, class := range largest(p, c.TopK) {
		members = append(members, member{c.Labels.Name(int64(class)), p[class]})
	}
	return appendObject(dst, members), nil
}

func (c *Classifier) input() handler.ImageInput { return c.images.in }

// Describe implements [Steps].
func (c *Classifier) Describe() string {
	return fmt.Sprintf("a picture (%s); the probabilities of the %d most probable classes", c.images.in, c.TopK)
}

// largest returns the places of the n largest numbers, the largest first; of equal ones the first one.
func largest(v []float32, n int) []int {
	places := make([]int, len(v))
	for i := range places {
		places[i] = i
	}
	slices.SortStableFunc(places, func(a, b int) int { return cmp.Compare(v[b], v[a]) })
	return places[:min(n, len(v))]
}
