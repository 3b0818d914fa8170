package oip

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

// DecodeRequest decodes a request: head is its JSON, and tail has the tensors that the JSON only
// describes. It sets all of r, whose slices it reuses. The tensors share the memory of tail, and
// have memory of their own if they are in the JSON. An error is the caller's fault; it names the
// input or the byte, and what is allowed.
func DecodeRequest(r *Request, head, tail []byte) error {
	d := newDecoder(head, tail)
	*r = Request{Inputs: r.Inputs[:0]}
	seen := false
	err := d.Object(func(key string) (err error) {
		switch key {
		case "id":
			r.ID, err = d.optionalText()
		case "inputs":
			seen = true
			r.Inputs, err = d.tensors(r.Inputs, "input")
		case "outputs":
			r.Outputs, err = d.requestedOutputs()
		case "parameters":
			err = d.optionalObject(func(key string) (err error) {
				if key == "binary_data_output" {
					r.Binary, err = d.optionalBool()
					return err
				}
				return d.ignore()
			})
		default:
			err = d.ignore() // such as model_name of KServe's client
		}
		return err
	})
	if err == nil {
		err = d.End()
	}
	switch {
	case err != nil:
		return err
	case !seen:
		return errors.New(`no "inputs"; send {"inputs": [{"name", "shape", "datatype", "data"}, ...]}`)
	}
	return d.takeBinary(r.Inputs, "input")
}

// DecodeAnswer decodes the answer of a server, as DecodeRequest decodes a request. It also takes
// what some servers write beside the protocol: FP16 and BF16 as numbers, and null for "nothing".
func DecodeAnswer(a *Answer, head, tail []byte) error {
	d := newDecoder(head, tail)
	d.halfNumbers = true
	*a = Answer{Outputs: a.Outputs[:0]}
	text := func(to *string) (err error) {
		*to, err = d.optionalText()
		return err
	}
	err := d.Object(func(key string) (err error) {
		switch key {
		case "id":
			return text(&a.ID)
		case "model_name":
			return text(&a.ModelName)
		case "model_version":
			return text(&a.ModelVersion)
		case "outputs":
			a.Outputs, err = d.tensors(a.Outputs, "output")
			return err
		}
		return d.ignore()
	})
	if err == nil {
		err = d.End()
	}
	if err != nil {
		return err
	}
	return d.takeBinary(a.Outputs, "output")
}

// decoder reads the JSON of a request or an answer.
type decoder struct {
	handler.Reader
	tail        []byte
	left        int64 // more elements than the JSON can have from here on
	halfNumbers bool  // FP16 and BF16 may be numbers

	sizes []int64 // of each tensor in the tail; -1 if its data are in the JSON
	shape []int64 // memory for shapes
}

// usualSizes is the number of sizes that the shapes of most requests have together.
const usualSizes = 16

func newDecoder(head, tail []byte) *decoder {
	return &decoder{Reader: handler.NewReader(head), tail: tail, left: int64(bytes.Count(head, []byte{','})) + 1, shape: make([]int64, 0, usualSizes)}
}

func (d *decoder) ignore() error {
	_, err := d.Skip()
	return err
}

// null reads null if that is the next value. Clients write it for an optional member that they
// leave out.
func (d *decoder) null() (bool, error) {
	if d.Next() != 'n' {
		return false, nil
	}
	value, err := d.Skip()
	if text := string(bytes.TrimSpace(value)); err == nil && text != "null" {
		err = fmt.Errorf("JSON: %.20q is no value", text)
	}
	return true, err
}

// optionalText, optionalBool and optionalObject read a value or null, which is as good as none.
func (d *decoder) optionalText() (string, error) {
	if null, err := d.null(); null {
		return "", err
	}
	return d.Text()
}

func (d *decoder) optionalBool() (bool, error) {
	if null, err := d.null(); null {
		return false, err
	}
	return d.Bool()
}

func (d *decoder) optionalObject(member func(key string) error) error {
	if null, err := d.null(); null {
		return err
	}
	return d.Object(member)
}

// tensors reads the list of tensors of a kind.
func (d *decoder) tensors(dst []Tensor, kind string) ([]Tensor, error) {
	if len(d.sizes) > 0 {
		return dst, fmt.Errorf("%ss are given twice", kind)
	}
	err := d.List(func() error {
		if len(dst) == maxTensors {
			return fmt.Errorf("more than %d %ss", maxTensors, kind)
		}
		t, size, err := d.tensor(kind, len(dst))
		dst, d.sizes = append(dst, t), append(d.sizes, size)
		return err
	})
	return dst, err
}

// fields are the members of a tensor.
type fields struct {
	Tensor
	kind     string
	datatype string
	shaped   bool
	size     int64          // binary_data_size; -1 is none
	data     bool           // its data are in the JSON
	later    handler.Reader // at the data, if they come before their datatype
	parsed   bool           // the data have been read
	nesting  []int64        // of the arrays of the data
	refused  string         // a parameter that is not supported
}

// tensor reads one tensor of the JSON, which is number n of its kind. Its size is that of its
// data in the tail, or -1.
func (d *decoder) tensor(kind string, n int) (Tensor, int64, error) {
	f := fields{kind: kind, size: -1}
	err := d.Object(func(key string) (err error) {
		switch key {
		case "name":
			f.Name, err = d.Text()
		case "datatype":
			if f.datatype, err = d.Text(); err == nil {
				err = f.setType()
			}
		case "shape":
			err = d.readShape(&f)
		case "data":
			err = d.data(&f)
		case "parameters":
			err = d.tensorParameters(&f)
		default:
			err = d.ignore()
		}
		return f.wrap(err)
	})
	if err == nil {
		err = d.complete(&f, n)
	}
	return f.Tensor, f.size, err
}

// wrap adds the name to an error, if it is known.
func (f *fields) wrap(err error) error {
	if err == nil || f.Name == "" {
		return err
	}
	return fmt.Errorf("%s %q: %w", f.kind, f.Name, err)
}

// setType sets the element type.
func (f *fields) setType() error {
	if f.Type != tensor.Invalid {
		return errors.New(`"datatype" is given twice`)
	}
	if err := f.Type.UnmarshalText([]byte(f.datatype)); err != nil {
		return fmt.Errorf("unknown datatype %q; the protocol has BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, FP32, FP64, BF16 and BYTES", f.datatype)
	}
	return nil
}

// readShape reads the member shape.
func (d *decoder) readShape(f *fields) (err error) {
	if f.shaped {
		return errors.New(`"shape" is given twice`)
	}
	start := len(d.shape)
	d.shape, err = d.Ints(d.shape)
	f.Shape, f.shaped = d.shape[start:len(d.shape):len(d.shape)], true
	return err
}

// data reads the member data, or skips it if its datatype comes behind it.
func (d *decoder) data(f *fields) error {
	if f.data {
		return errors.New(`"data" is given twice`)
	}
	f.data = true
	if f.Type == tensor.Invalid {
		var err error
		f.later, err = d.SkipLater()
		return err
	}
	return d.values(f, &d.Reader)
}

// values reads the values of f from r.
func (d *decoder) values(f *fields, r *handler.Reader) error {
	if (f.Type == tensor.Float16 || f.Type == tensor.BFloat16) && !d.halfNumbers {
		return fmt.Errorf(`%s has no form in JSON; send its bytes behind the JSON, with "parameters": {"binary_data_size": ...} and the header %s`, f.Type, HeaderLength)
	}
	elements := d.left
	if f.shaped {
		elements = min(elements, max(tensor.Elements(f.Shape), 0))
	}
	t, err := r.Values(f.Type, elements)
	if err != nil {
		return err
	}
	f.Data, f.nesting, f.parsed = t.Data, t.Shape, true
	d.left -= tensor.Count(t.Type, t.Data)
	return nil
}

// checkNesting compares the values, which are flat or nested, with the shape.
func (f *fields) checkNesting() error {
	count, want := tensor.Count(f.Type, f.Data), tensor.Elements(f.Shape)
	switch {
	case want < 0:
		return fmt.Errorf("shape %v, expected sizes of 0 or more that are not too large together", f.Shape)
	case count != want:
		return fmt.Errorf("%d values, expected %d for the shape %v", count, want, f.Shape)
	case len(f.nesting) > 1 && count > 0 && !slices.Equal(f.nesting, f.Shape):
		return fmt.Errorf("arrays nested as %v do not fit the shape %v; nest them so, or send one flat array", f.nesting, f.Shape)
	}
	return nil
}

// tensorParameters reads the parameters of a tensor.
func (d *decoder) tensorParameters(f *fields) error {
	return d.optionalObject(func(key string) (err error) {
		if null, err := d.null(); null {
			return err
		}
		switch key {
		case "binary_data_size":
			if f.size, err = d.Int(); err == nil && f.size < 0 {
				err = fmt.Errorf("binary_data_size %d, expected 0 or more", f.size)
			}
			return err
		case "shared_memory_region":
			f.refused = key
		}
		return d.ignore()
	})
}

// complete checks a tensor whose members have all been read, and reads its data if they came
// before their datatype.
func (d *decoder) complete(f *fields, n int) error {
	switch {
	case f.Name == "":
		return fmt.Errorf("%s %d has no name", f.kind, n)
	case f.refused != "":
		return f.wrap(errors.New("shared memory is not supported; send the data"))
	case f.Type == tensor.Invalid:
		return f.wrap(errors.New("no datatype"))
	case !f.shaped:
		return f.wrap(errors.New("no shape"))
	case f.data && f.size >= 0:
		return f.wrap(errors.New("it has data and binary_data_size; send one of them"))
	case !f.data && f.size < 0:
		return f.wrap(errors.New("no data: neither data nor the parameter binary_data_size"))
	}
	f.Binary = f.size >= 0
	if !f.data {
		return nil
	}
	if !f.parsed {
		err := d.values(f, &f.later)
		if err == nil {
			err = f.later.End()
		}
		if err != nil {
			return f.wrap(err)
		}
	}
	return f.wrap(f.checkNesting())
}

// takeBinary gives the tensors that are behind the JSON their bytes.
func (d *decoder) takeBinary(tensors []Tensor, kind string) error {
	rest := d.tail
	for i, size := range d.sizes {
		if size < 0 {
			continue
		}
		t := &tensors[i]
		if size > int64(len(rest)) {
			return fmt.Errorf("%s %q: binary_data_size %d, but there are %d bytes left behind the JSON", kind, t.Name, size, len(rest))
		}
		t.Data, rest = rest[:size:size], rest[size:]
	}
	if len(rest) > 0 {
		return fmt.Errorf("%d bytes are left behind the binary data of the last %s", len(rest), kind)
	}
	return nil
}

// requestedOutputs reads the list of requested outputs; it is not nil.
func (d *decoder) requestedOutputs() ([]RequestedOutput, error) {
	if null, err := d.null(); null {
		return nil, err
	}
	out := []RequestedOutput{}
	err := d.List(func() error {
		if len(out) == maxTensors {
			return fmt.Errorf("more than %d outputs", maxTensors)
		}
		o, err := d.requestedOutput()
		out = append(out, o)
		return err
	})
	if err == nil && len(out) == 0 {
		return nil, nil // as Triton: an empty list is none
	}
	return out, err
}

func (d *decoder) requestedOutput() (RequestedOutput, error) {
	var o RequestedOutput
	refused := ""
	err := d.Object(func(key string) (err error) {
		switch key {
		case "name":
			o.Name, err = d.Text()
			return err
		case "parameters":
			return d.optionalObject(func(key string) error {
				if null, err := d.null(); null {
					return err
				}
				switch key {
				case "binary_data":
					binary, err := d.Bool()
					o.Binary = AsJSON
					if binary {
						o.Binary = AsBinary
					}
					return err
				case "classification":
					refused = "classification is not supported; ask for the output and sort its values"
				case "shared_memory_region":
					refused = "shared memory is not supported"
				}
				return d.ignore()
			})
		}
		return d.ignore()
	})
	switch {
	case err != nil:
		return o, err
	case o.Name == "":
		return o, errors.New("a requested output has no name")
	case refused != "":
		return o, fmt.Errorf("output %q: %s", o.Name, refused)
	}
	return o, nil
}

// DecodeIndexRequest decodes a request for the list of versions, {"ready": true} for those that
// can answer; an empty body is a request for all.
func DecodeIndexRequest(body []byte) (onlyReady bool, err error) {
	d := newDecoder(body, nil)
	if d.Next() == 0 {
		return false, d.End()
	}
	err = d.Object(func(key string) (err error) {
		if key == "ready" {
			onlyReady, err = d.optionalBool()
			return err
		}
		return d.ignore()
	})
	if err == nil {
		err = d.End()
	}
	return onlyReady, err
}
