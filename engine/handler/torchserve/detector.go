package torchserve

import (
	"fmt"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

// Detector is object_detector: the boxes of the objects in a picture.
type Detector struct {
	Images handler.ImageOptions // for what differs from TorchServe's
	Labels Labels
	// Threshold is the smallest score of an answer; nil is 0.5.
	Threshold *float64

	images images
	found  detections
}

const defaultThreshold = 0.5

// detectorDefaults are the options of TorchServe's object_detector, ToTensor of torchvision. A
// picture that does not have the size of the input is stretched.
var detectorDefaults = imageDefaults{normalize: "0..1", resize: "stretch"}

// Initialize implements [Steps].
func (d *Detector) Initialize(in, out []tensor.Spec) error {
	var err error
	if d.found, err = findDetections(out); err != nil {
		return fmt.Errorf("object_detector: %w", err)
	}
	if d.found.labels < 0 && len(out) > 0 {
		return fmt.Errorf("object_detector: no output of integers has the labels of the boxes; the model has %s", specTexts(out))
	}
	d.images.options = d.Images
	return d.images.initialize(in, detectorDefaults)
}

// Preprocess implements [Steps].
func (d *Detector) Preprocess(in Input) (tensor.Item, any, error) { return d.images.preprocess(in) }

// PreprocessedSize implements [Steps].
func (d *Detector) PreprocessedSize(in Input) int64 { return d.images.preprocessedSize(in) }

// Postprocess appends [{"label": [left, top, right, bottom], "score": score}, ...] in the order of
// the model, in pixels of the picture.
func (d *Detector) Postprocess(dst []byte, out tensor.Item, state any) ([]byte, error) {
	all, err := d.found.read(out)
	if err != nil {
		return dst, err
	}
	at, _ := state.(imageState)
	dst = append(dst, '[')
	n := 0
	for _, b := range all {
		if !(float64(b.score) >= orDefault(d.Threshold)) {
			continue
		}
		if n++; n > 1 {
			dst = append(dst, ',')
		}
		dst = append(handler.AppendString(append(dst, '{'), d.Labels.Name(b.label)), ':')
		dst = appendBox(dst, at.box(b.corners))
		dst = appendNumber(append(dst, `,"score":`...), b.score)
		dst = append(dst, '}')
	}
	return append(dst, ']'), nil
}

func (d *Detector) input() handler.ImageInput { return d.images.in }

// Describe implements [Steps].
func (d *Detector) Describe() string {
	return fmt.Sprintf("a picture (%s); the boxes of objects with a score of %v or more", d.images.in, orDefault(d.Threshold))
}

func orDefault(threshold *float64) float64 {
	if threshold == nil {
		return defaultThreshold
	}
	return *threshold
}
