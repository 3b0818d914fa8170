package oip

import (
	"fmt"
	"strconv"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

// AppendAnswer appends an answer to dst: its JSON, and then the bytes of the outputs that are
// Binary. head is the length of the JSON; if nothing is behind it, the header HeaderLength is
// not needed. Outputs in the JSON are flat arrays, with the fewest digits that read back
// unchanged; NaN and infinities are the texts "NaN", "Infinity" and "-Infinity". An error means
// that JSON cannot have an output: it is FP16 or BF16, or a text that is not UTF-8.
func AppendAnswer(dst []byte, a *Answer) (body []byte, head int, err error) {
	start := len(dst)
	dst = append(dst, '{')
	if a.ID != "" {
		dst = append(handler.AppendText(append(dst, `"id":`...), a.ID), ',')
	}
	dst = handler.AppendText(append(dst, `"model_name":`...), a.ModelName)
	if a.ModelVersion != "" {
		dst = handler.AppendText(append(dst, `,"model_version":`...), a.ModelVersion)
	}
	dst, err = appendTensors(append(dst, `,"outputs":`...), a.Outputs, "output")
	if err != nil {
		return dst, 0, err
	}
	dst = append(dst, '}')
	head = len(dst) - start
	return appendBinary(dst, a.Outputs), head, nil
}

// AppendRequest appends a request to dst as AppendAnswer does an answer. Each input is sent as
// its Binary says.
func AppendRequest(dst []byte, r *Request) (body []byte, head int, err error) {
	start := len(dst)
	dst = append(dst, '{')
	if r.ID != "" {
		dst = append(handler.AppendText(append(dst, `"id":`...), r.ID), ',')
	}
	if r.Binary {
		dst = append(dst, `"parameters":{"binary_data_output":true},`...)
	}
	dst, err = appendTensors(append(dst, `"inputs":`...), r.Inputs, "input")
	if err != nil {
		return dst, 0, err
	}
	for i, o := range r.Outputs {
		dst = append(dst, []string{`,"outputs":[`, `,`}[min(i, 1)]...)
		dst = handler.AppendText(append(dst, `{"name":`...), o.Name)
		if o.Binary != AsRequest {
			dst = strconv.AppendBool(append(dst, `,"parameters":{"binary_data":`...), o.Binary == AsBinary)
			dst = append(dst, '}')
		}
		dst = append(dst, '}')
	}
	if len(r.Outputs) > 0 {
		dst = append(dst, ']')
	}
	dst = append(dst, '}')
	head = len(dst) - start
	return appendBinary(dst, r.Inputs), head, nil
}

// appendTensors appends the list of tensors of a kind.
func appendTensors(dst []byte, tensors []Tensor, kind string) ([]byte, error) {
	dst = append(dst, '[')
	for i := range tensors {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendTensor(dst, &tensors[i]); err != nil {
			return dst, fmt.Errorf("%s %q: %w", kind, tensors[i].Name, err)
		}
	}
	return append(dst, ']'), nil
}

func appendTensor(dst []byte, t *Tensor) ([]byte, error) {
	dst = handler.AppendText(append(dst, `{"name":`...), t.Name)
	dst = append(append(append(dst, `,"datatype":"`...), t.Type.String()...), `","shape":[`...)
	for i, size := range t.Shape {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, size, 10)
	}
	if t.Binary {
		dst = strconv.AppendInt(append(dst, `],"parameters":{"binary_data_size":`...), int64(len(t.Data)), 10)
		return append(dst, "}}"...), nil
	}
	if err := checkJSON(t.Type); err != nil {
		return dst, err
	}
	dst, err := handler.AppendFlat(append(dst, `],"data":`...), t.Tensor)
	if err != nil {
		return dst, fmt.Errorf("%w, which JSON cannot have; ask for binary data", err)
	}
	return append(dst, '}'), nil
}

// checkJSON returns an error if JSON cannot have a type.
func checkJSON(t tensor.Type) error {
	if t == tensor.Float16 || t == tensor.BFloat16 {
		return fmt.Errorf(`%s has no form in JSON; ask for it with "parameters": {"binary_data": true}, or for all outputs with {"binary_data_output": true}`, t)
	}
	return nil
}

// appendBinary appends the bytes of the tensors that are Binary.
func appendBinary(dst []byte, tensors []Tensor) []byte {
	for i := range tensors {
		if tensors[i].Binary {
			dst = append(dst, tensors[i].Data...)
		}
	}
	return dst
}
