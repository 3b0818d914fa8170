package torchserve

import (
	"errors"
	"fmt"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

// KeypointList is keypoint_list: what the client of Animated Drawings reads from
// drawn_humanoid_pose_estimator. TorchServe has no handler of this name.
//
// The first output with three dimensions has a heat map for each point, or the first one with two
// dimensions, of them the last of 2 or 3, has the points themselves, in pixels of the input. The point of a heat map is its largest number, moved by a
// quarter towards the larger neighbor in each direction, as in Newell et al. 2016 (Stacked Hourglass Networks).
type KeypointList struct {
	Images handler.ImageOptions // default: as for ImageNet, the whole picture with black around it

	images images
	place  int  // of the output
	points bool // it has points, not heat maps
	out    tensor.Spec
}

var keypointDefaults = imageDefaults{normalize: "imagenet", resize: "pad"}

// Initialize implements [Steps].
func (k *KeypointList) Initialize(in, out []tensor.Spec) error {
	k.images.options, k.points = k.Images, false
	if len(out) == 0 {
		return k.images.initialize(in, keypointDefaults)
	}
	k.place = pick(out, []string{"heat"}, func(s tensor.Spec) bool { return s.Type.IsFloat() && len(s.Shape) == 3 })
	if k.place < 0 {
		k.points = true
		k.place = pick(out, []string{"keypoint", "kpt"}, func(s tensor.Spec) bool {
			return s.Type.IsFloat() && len(s.Shape) == 2 && (s.Shape[1] == 2 || s.Shape[1] == 3)
		})
	}
	if k.place < 0 {
		return fmt.Errorf("keypoint_list: no output has a heat map for each point, or points of 2 or 3 numbers; the model has %s", specTexts(out))
	}
	k.out = out[k.place]
	return k.images.initialize(in, keypointDefaults)
}

// Preprocess implements [Steps].
func (k *KeypointList) Preprocess(in Input) (tensor.Item, any, error) { return k.images.preprocess(in) }

// PreprocessedSize implements [Steps].
func (k *KeypointList) PreprocessedSize(in Input) int64 { return k.images.preprocessedSize(in) }

// point is a point in pixels of the input, with its score if scored.
type point struct {
	x, y, score float64
	scored      bool
}

// Postprocess appends [{"keypoints": [[x, y, score], ...]}], in pixels of the picture. Without a picture in the
// request they are those of the input.
func (k *KeypointList) Postprocess(dst []byte, out tensor.Item, state any) ([]byte, error) {
	at, _ := state.(imageState)
	if at.width == 0 { // without a state the input has its declared size
		at.width, at.height = k.images.in.SizeOf(k.images.spec.Shape)
		at.ScaleX, at.ScaleY = 1, 1
	}
	t := out[k.place]
	var points []point
	var err error
	if k.points {
		points, err = listed(t, k.out.Name)
	} else {
		points, err = peaks(t, k.out.Name, at.width, at.height)
	}
	if err != nil {
		return dst, err
	}
	dst = append(dst, `[{"keypoints":[`...)
	for i, p := range points {
		if i > 0 {
			dst = append(dst, ',')
		}
		x, y := at.Back(p.x, p.y)
		dst = appendNumber(append(dst, '['), float32(x))
		dst = appendNumber(append(dst, ','), float32(y))
		if p.scored {
			dst = appendNumber(append(dst, ','), float32(p.score))
		}
		dst = append(dst, ']')
	}
	return append(dst, "]}]"...), nil
}

// listed returns the points of an output that has them.
func listed(t tensor.Tensor, name string) ([]point, error) {
	if err := checkOutput(t, name, 2); err != nil {
		return nil, err
	}
	n, width := int(t.Shape[0]), int(t.Shape[1])
	if width < 2 {
		return nil, fmt.Errorf("output %q: points of %d numbers", name, width)
	}
	points, v := make([]point, n), floats(t)
	for i := range points {
		p := v[i*width:][:width]
		points[i] = point{x: float64(p[0]), y: float64(p[1])}
		if width > 2 {
			points[i].score, points[i].scored = float64(p[2]), true
		}
	}
	return points, nil
}

// peaks returns the point of each heat map, for an input of width x height pixels.
func peaks(t tensor.Tensor, name string, width, height int) ([]point, error) {
	if err := checkOutput(t, name, 3); err != nil {
		return nil, err
	}
	n, rows, columns := int(t.Shape[0]), int(t.Shape[1]), int(t.Shape[2])
	if rows == 0 || columns == 0 {
		return nil, errors.New("the heat maps are empty")
	}
	points, v := make([]point, n), floats(t)
	for i := range points {
		heat := v[i*rows*columns:][:rows*columns]
		best := 0
		for j, h := range heat {
			if h > heat[best] {
				best = j
			}
		}
		x, y := float64(best%columns), float64(best/columns)
		if c, r := best%columns, best/columns; c > 0 && c < columns-1 && r > 0 && r < rows-1 {
			x += quarter(heat[best-1], heat[best+1])
			y += quarter(heat[best-columns], heat[best+columns])
		}
		points[i] = point{x * float64(width) / float64(columns), y * float64(height) / float64(rows), float64(heat[best]), true}
	}
	return points, nil
}

// quarter returns the move towards the larger of two neighbors.
func quarter(before, after float32) float64 {
	switch {
	case after > before:
		return 0.25
	case after < before:
		return -0.25
	}
	return 0
}

func (k *KeypointList) input() handler.ImageInput { return k.images.in }

// Describe implements [Steps].
func (k *KeypointList) Describe() string {
	return fmt.Sprintf("a picture (%s); a list with keypoints of x, y and score", k.images.in)
}
