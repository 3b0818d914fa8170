package torchserve

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

// detections says which outputs of a detector have what; -1 is none.
type detections struct {
	boxes, scores, labels int
	// scored means that the boxes have five numbers, of which the last is the score.
	scored bool
}

// detection is one object: the corners left, top, right, bottom in pixels of the input.
type detection struct {
	corners [4]float32
	score   float32
	label   int64
}

// findDetections finds the outputs by their shapes, and by their names if several have one shape:
// boxes of four numbers, or of five with the score, and a score and a label for each.
func findDetections(out []tensor.Spec) (detections, error) {
	d := detections{boxes: -1, scores: -1, labels: -1}
	if len(out) == 0 {
		return d, nil
	}
	d.boxes = pick(out, []string{"box", "det"}, func(s tensor.Spec) bool {
		return s.Type.IsFloat() && len(s.Shape) == 2 && (s.Shape[1] == 4 || s.Shape[1] == 5)
	})
	if d.boxes < 0 {
		return d, fmt.Errorf("no output has boxes, which are floats with two dimensions, of them the last of 4, or of 5 with the score; the model has %s", specTexts(out))
	}
	d.scored = out[d.boxes].Shape[1] == 5
	d.scores = pick(out, []string{"score", "conf"}, func(s tensor.Spec) bool { return s.Type.IsFloat() && len(s.Shape) == 1 })
	if d.scores < 0 && !d.scored {
		return d, fmt.Errorf("no output of floats has the scores of the boxes; the model has %s", specTexts(out))
	}
	isIndex := func(s tensor.Spec) bool { return strings.Contains(strings.ToLower(s.Name), "batch") }
	d.labels = pick(out, []string{"label", "class"}, func(s tensor.Spec) bool {
		return (s.Type == tensor.Int64 || s.Type == tensor.Int32) && len(s.Shape) == 1 && !isIndex(s)
	})
	return d, nil
}

// pick returns the place of the first fitting output with one of these words in its name, or else of the
// first fitting one; -1 if there is none.
func pick(out []tensor.Spec, words []string, fits func(tensor.Spec) bool) int {
	for i, s := range out {
		named := slices.ContainsFunc(words, func(w string) bool { return strings.Contains(strings.ToLower(s.Name), w) })
		if named && fits(s) {
			return i
		}
	}
	return slices.IndexFunc(out, fits)
}

func specTexts(specs []tensor.Spec) string {
	texts := make([]string, len(specs))
	for i, s := range specs {
		texts[i] = s.String()
	}
	return strings.Join(texts, "; ")
}

// read returns the detections of a row.
func (d detections) read(out tensor.Item) ([]detection, error) {
	if err := checkOutput(out[d.boxes], "boxes", 2); err != nil {
		return nil, err
	}
	n, width := int(out[d.boxes].Shape[0]), int(out[d.boxes].Shape[1])
	if width < 4 || d.scored && width < 5 {
		return nil, fmt.Errorf("boxes of %d numbers", width)
	}
	all, numbers := make([]detection, n), floats(out[d.boxes])
	for i := range all {
		all[i].corners = [4]float32(numbers[i*width:])
		if d.scored {
			all[i].score = numbers[i*width+4]
		}
	}
	if d.scores >= 0 && !d.scored {
		scores := floats(out[d.scores])
		if len(scores) != n {
			return nil, fmt.Errorf("%d scores for %d boxes", len(scores), n)
		}
		for i := range all {
			all[i].score = scores[i]
		}
	}
	if d.labels < 0 {
		return all, nil
	}
	t := out[d.labels]
	if t.Type.Size() == 0 || t.Type.IsFloat() || len(t.Data) != n*t.Type.Size() {
		return nil, fmt.Errorf("%d bytes of labels for %d boxes", len(t.Data), n)
	}
	for i := range all {
		all[i].label = tensor.IntAt(t.Type, t.Data, i)
	}
	return all, nil
}

// box returns corners in pixels of the picture, for corners in pixels of the input.
func (s imageState) box(c [4]float32) [4]float32 {
	if s.width == 0 {
		return c
	}
	left, top := s.Back(float64(c[0]), float64(c[1]))
	right, bottom := s.Back(float64(c[2]), float64(c[3]))
	return [4]float32{float32(left), float32(top), float32(right), float32(bottom)}
}

// clipped returns a box without what is outside the picture.
func (s imageState) clipped(c [4]float32) [4]float32 {
	if s.width == 0 {
		return c
	}
	w, h := float32(s.Width), float32(s.Height)
	return [4]float32{min(max(c[0], 0), w), min(max(c[1], 0), h), min(max(c[2], 0), w), min(max(c[3], 0), h)}
}

func appendBox(dst []byte, c [4]float32) []byte {
	for i, v := range c {
		dst = appendNumber(append(dst, "[,,,"[i]), v)
	}
	return append(dst, ']')
}

// DetectionList is detection_list: what the client of Animated Drawings reads from
// drawn_humanoid_detector. TorchServe has no handler of this name.
type DetectionList struct {
	Images    handler.ImageOptions // default: 0 to 1, stretched to the size of the input
	Labels    Labels
	Threshold *float64 // the smallest score of an answer; nil is 0.5

	images images
	found  detections
}

// Initialize implements [Steps].
func (d *DetectionList) Initialize(in, out []tensor.Spec) error {
	var err error
	if d.found, err = findDetections(out); err != nil {
		return fmt.Errorf("detection_list: %w", err)
	}
	d.images.options = d.Images
	return d.images.initialize(in, detectorDefaults)
}

// Preprocess implements [Steps].
func (d *DetectionList) Preprocess(in Input) (tensor.Item, any, error) {
	return d.images.preprocess(in)
}

// PreprocessedSize implements [Steps].
func (d *DetectionList) PreprocessedSize(in Input) int64 { return d.images.preprocessedSize(in) }

// Postprocess appends [{"bbox": [left, top, right, bottom], "score": score, "class_name": label}, ...],
// the highest score first, in pixels of the picture and inside it. A model without labels has no class_name.
func (d *DetectionList) Postprocess(dst []byte, out tensor.Item, state any) ([]byte, error) {
	all, err := d.found.read(out)
	if err != nil {
		return dst, err
	}
	all = slices.DeleteFunc(all, func(b detection) bool { return !(float64(b.score) >= orDefault(d.Threshold)) })
	slices.SortStableFunc(all, func(a, b detection) int { return cmp.Compare(b.score, a.score) })
	at, _ := state.(imageState)
	dst = append(dst, '[')
	for i, b := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendBox(append(dst, `{"bbox":`...), at.clipped(at.box(b.corners)))
		dst = appendNumber(append(dst, `,"score":`...), b.score)
		if d.found.labels >= 0 {
			dst = handler.AppendString(append(dst, `,"class_name":`...), d.Labels.Name(b.label))
		}
		dst = append(dst, '}')
	}
	return append(dst, ']'), nil
}

func (d *DetectionList) input() handler.ImageInput { return d.images.in }

// Describe implements [Steps].
func (d *DetectionList) Describe() string {
	return fmt.Sprintf("a picture (%s); a list of objects with bbox and score, of scores of %v or more", d.images.in, orDefault(d.Threshold))
}
