package handler

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sweetspot/engine/tensor"
)

// itemBuilder collects the tensors of an item by input name. Those that are missing have
// no type.
type itemBuilder struct {
	decoder
	item tensor.Item
}

func (d decoder) newItem() itemBuilder {
	return itemBuilder{d, make(tensor.Item, len(d.inputs))}
}

// find returns the index of the input called name. A single input may also be called data
// or body, as in TorchServe's clients.
func (b *itemBuilder) find(name string) (int, error) {
	i := slices.IndexFunc(b.inputs, func(s tensor.Spec) bool { return s.Name == name })
	if i < 0 && b.alone() && (name == "data" || name == "body") {
		i = 0
	}
	if i < 0 {
		return 0, fmt.Errorf("unknown input %q, the model takes %s; %s", name, inputNames(b.inputs), b.hint())
	}
	if b.item[i].Type != tensor.Invalid {
		return 0, fmt.Errorf("input %q is given twice", name)
	}
	return i, nil
}

// complete returns the item, or an error if inputs are missing.
func (b *itemBuilder) complete() (tensor.Item, error) {
	var missing []tensor.Spec
	for i, t := range b.item {
		if t.Type == tensor.Invalid && !b.inputs[i].Optional {
			missing = append(missing, b.inputs[i])
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("missing input %s; %s", inputNames(missing), b.hint())
	}
	return b.item, nil
}

// read reads input i from s.
func (b *itemBuilder) read(i int, s *scanner) error {
	spec := b.inputs[i]
	t, err := readInput(s, spec)
	if err != nil {
		return fmt.Errorf("input %q: %w; %s", spec.Name, err, b.hintOne(spec))
	}
	b.item[i] = t
	return nil
}

// readInput reads the number or array of one input, nested in its shape or flat.
func readInput(s *scanner, spec tensor.Spec) (tensor.Tensor, error) {
	size := spec.Type.Size()
	capacity := int(min(max(tensor.Elements(spec.Shape), 0), int64(len(s.b)))) * size
	t, err := readValues(s, spec.Type, capacity)
	if err != nil {
		return t, err
	}
	t.Shape, err = adaptShape(spec.Shape, t.Shape)
	return t, err
}

// decodeJSON decodes one item from an array, an object by input name, or {"inputs": [...]}
// of the Open Inference Protocol.
func (d decoder) decodeJSON(body []byte) (tensor.Item, error) {
	s := &scanner{b: body}
	b := d.newItem()
	var err error
	switch {
	case s.peek() == '{':
		err = s.readObject(func(key string) error { return b.readMember(key, s) })
	case d.alone():
		err = b.read(0, s)
	default:
		err = fmt.Errorf("%s, the model takes %d inputs; %s", s.describeNext(), len(d.inputs), d.hint())
	}
	if err != nil {
		return nil, err
	}
	if err := s.expectEnd(); err != nil {
		return nil, err
	}
	return b.complete()
}

// readMember reads one member of the outermost object.
func (b *itemBuilder) readMember(key string, s *scanner) error {
	i, err := b.find(key)
	switch {
	case err == nil:
		return b.read(i, s)
	case key == "inputs":
		return b.readOIP(s)
	case key == "id" || key == "parameters" || key == "outputs": // other members of the protocol do not change the values
		_, err := s.skip()
		return err
	}
	return err
}

// readOIP reads the list of tensors of the Open Inference Protocol.
func (b *itemBuilder) readOIP(s *scanner) error {
	if !s.accept('[') {
		return s.errorf(`%s, expected "inputs" to be a list of {"name", "datatype", "shape", "data"}`, s.describeNext())
	}
	for !s.accept(']') {
		if err := b.readOIPTensor(s); err != nil {
			return err
		}
		if !s.accept(',') && s.peek() != ']' {
			return s.errorf("%s, expected , or ]", s.describeNext())
		}
	}
	return nil
}

func (b *itemBuilder) readOIPTensor(s *scanner) error {
	var name, datatype string
	var shape []int64
	var data *scanner // at the data, which may come before its datatype and shape
	err := s.readObject(func(key string) (err error) {
		switch key {
		case "name":
			name, err = s.readString()
		case "datatype":
			datatype, err = s.readString()
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
	i, err := b.find(name)
	if err != nil {
		return err
	}
	if err := b.readOIPData(i, datatype, shape, data); err != nil {
		return fmt.Errorf("input %q: %w; %s", name, err, b.hintOne(b.inputs[i]))
	}
	return nil
}

// readOIPData reads data into input i, and checks the sender's datatype and shape with the
// model and the data.
func (b *itemBuilder) readOIPData(i int, datatype string, shape []int64, data *scanner) error {
	spec := b.inputs[i]
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
	if err := data.expectEnd(); err != nil {
		return err
	}
	got := t.Shape
	if shape != nil {
		got = shape
		if n := tensor.Count(t.Type, t.Data); tensor.Elements(shape) != n {
			return fmt.Errorf("%d values do not fit shape %v", n, shape)
		}
	}
	if t.Shape, err = adaptShape(spec.Shape, got); err != nil {
		return err
	}
	b.item[i] = t
	return nil
}

func readShape(s *scanner) ([]int64, error) {
	t, err := readValues(s, tensor.Int64, 0)
	if err != nil {
		return nil, err
	}
	if len(t.Shape) != 1 {
		return nil, s.errorf("the shape is not a list of sizes")
	}
	out := make([]int64, t.Shape[0])
	for i := range out {
		out[i] = tensor.IntAt(tensor.Int64, t.Data, i)
	}
	return out, nil
}
