package handler

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sweetspot/engine/tensor"
)

// parts collects an item's tensors by name as they come.
type parts struct {
	inputs []tensor.Spec
	item   tensor.Item
}

func newParts(inputs []tensor.Spec) parts {
	return parts{inputs, make(tensor.Item, len(inputs))}
}

// find returns the place of the input called name. A single input may also be
// called data or body, as TorchServe's clients call it.
func (p *parts) find(name string) (int, error) {
	i := slices.IndexFunc(p.inputs, func(s tensor.Spec) bool { return s.Name == name })
	if i < 0 && len(p.inputs) == 1 && (name == "data" || name == "body") {
		i = 0
	}
	if i < 0 {
		return 0, fmt.Errorf("unknown input %q, the model takes %s; %s", name, names(p.inputs), want(p.inputs))
	}
	if p.item[i].Data != nil {
		return 0, fmt.Errorf("input %q is given twice", name)
	}
	return i, nil
}

// complete returns the item, or which inputs are missing.
func (p *parts) complete() (tensor.Item, error) {
	var missing []tensor.Spec
	for i, t := range p.item {
		if t.Data == nil {
			missing = append(missing, p.inputs[i])
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("missing input %s; %s", names(missing), want(p.inputs))
	}
	return p.item, nil
}

// read reads input i from s.
func (p *parts) read(i int, s *scanner) error {
	spec := p.inputs[i]
	t, err := readInput(s, spec)
	if err != nil {
		return fmt.Errorf("input %q: %w; %s", spec.Name, err, wantOne(spec))
	}
	p.item[i] = t
	return nil
}

// readInput reads one input's number or array, in its shape or flat.
func readInput(s *scanner, spec tensor.Spec) (tensor.Tensor, error) {
	size := spec.Type.Size()
	room := int(min(max(tensor.Elements(spec.Shape), 0), int64(len(s.b)))) * size
	t, err := readValues(s, spec.Type, room)
	if err != nil {
		return t, err
	}
	t.Shape, err = adapt(spec.Shape, t.Shape)
	return t, err
}

// decodeJSON reads one item from an array, an object by input name, or Open
// Inference Protocol's {"inputs": [...]}.
func decodeJSON(body []byte, inputs []tensor.Spec) (tensor.Item, error) {
	s := &scanner{b: body}
	p := newParts(inputs)
	var err error
	switch {
	case s.peek() == '{':
		err = s.object(func(key string) error { return p.member(key, s) })
	case len(inputs) == 1:
		err = p.read(0, s)
	default:
		err = fmt.Errorf("%s, the model takes %d inputs; %s", s.found(), len(inputs), want(inputs))
	}
	if err != nil {
		return nil, err
	}
	if err := s.end(); err != nil {
		return nil, err
	}
	return p.complete()
}

// member reads one member of the outermost object.
func (p *parts) member(key string, s *scanner) error {
	i, err := p.find(key)
	switch {
	case err == nil:
		return p.read(i, s)
	case key == "inputs":
		return p.oip(s)
	case key == "id" || key == "parameters" || key == "outputs": // OIP's other members say nothing about the values
		_, err := s.skip()
		return err
	}
	return err
}

// oip reads Open Inference Protocol's list of tensors.
func (p *parts) oip(s *scanner) error {
	if !s.accept('[') {
		return s.fail(`%s, expected "inputs" to be a list of {"name", "datatype", "shape", "data"}`, s.found())
	}
	for !s.accept(']') {
		if err := p.oipTensor(s); err != nil {
			return err
		}
		if !s.accept(',') && s.peek() != ']' {
			return s.fail("%s, expected , or ]", s.found())
		}
	}
	return nil
}

func (p *parts) oipTensor(s *scanner) error {
	var name, datatype string
	var shape []int64
	var data *scanner // over the data, which may come before what explains it
	err := s.object(func(key string) (err error) {
		switch key {
		case "name":
			name, err = s.text()
		case "datatype":
			datatype, err = s.text()
		case "shape":
			shape, err = readShape(s)
		case "data":
			s.peek()
			start := s.i
			_, err = s.skip()
			data = &scanner{b: s.b[:s.i], i: start}
		default:
			_, err = s.skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	i, err := p.find(name)
	if err != nil {
		return err
	}
	if err := p.explained(i, datatype, shape, data); err != nil {
		return fmt.Errorf("input %q: %w; %s", name, err, wantOne(p.inputs[i]))
	}
	return nil
}

// explained reads data into input i and holds what the sender said about it
// against the model and against the data.
func (p *parts) explained(i int, datatype string, shape []int64, data *scanner) error {
	spec := p.inputs[i]
	if data == nil {
		return errors.New(`no "data"`)
	}
	if datatype != "" && !strings.EqualFold(datatype, spec.Type.String()) {
		return fmt.Errorf("datatype %s, expected %s", datatype, spec.Type)
	}
	t, err := readValues(data, spec.Type, 0)
	if err != nil {
		return err
	}
	if err := data.end(); err != nil {
		return err
	}
	got := t.Shape
	if shape != nil {
		got = shape
		if n := len(t.Data) / spec.Type.Size(); tensor.Elements(shape) != int64(n) {
			return fmt.Errorf("%d values do not make shape %v", n, shape)
		}
	}
	if t.Shape, err = adapt(spec.Shape, got); err != nil {
		return err
	}
	p.item[i] = t
	return nil
}

func readShape(s *scanner) ([]int64, error) {
	t, err := readValues(s, tensor.Int64, 0)
	if err != nil {
		return nil, err
	}
	if len(t.Shape) != 1 {
		return nil, s.fail("the shape is no list of sizes")
	}
	out := make([]int64, t.Shape[0])
	for i := range out {
		out[i] = tensor.IntAt(tensor.Int64, t.Data, i)
	}
	return out, nil
}
