// Package oip is the Open Inference Protocol, version 2, without a transport: its requests and
// answers, their JSON and binary form, and how they become the requests and answers of the
// engine. It has only pure functions and starts no goroutine.
//
// A [Request] has tensors by name with their whole shapes: a model with a batch axis has the
// rows of the request along that axis. A [Signature] says which shapes a model takes and
// returns, and divides tensors into rows and joins rows to tensors. A [Call] is one request on
// its way through the engine: it is the engine.Handler with which package predict runs it, for
// HTTP and for gRPC.
//
// [DecodeRequest] and [AppendAnswer] are the codec of a server, [AppendRequest] and
// [DecodeAnswer] that of a client: JSON, and behind it the bytes of the tensors that the JSON
// only describes. [ModelMetadata] and [ServerMetadata] are the descriptions.
//
// Of the extensions of the protocol there is the one of binary tensors. Sequences, shared
// memory and classification are refused in words.
package oip

import "sweetspot/engine/tensor"

// HeaderLength is the HTTP header with the length of the JSON in bytes, if tensors are behind it.
const HeaderLength = "Inference-Header-Content-Length"

// Bounds of a request.
const (
	// MaxRows is the largest number of rows.
	MaxRows = 10000
	// maxTensors is the largest number of inputs, and of requested outputs.
	maxTensors = 4096
)

// Tensor is a tensor of a request or an answer. Its Shape is that of the whole tensor.
type Tensor struct {
	Name string
	tensor.Tensor
	// Binary means that its bytes are behind the JSON and not in it: in a request that was
	// decoded it says how it came, and in one that is encoded how it goes.
	Binary bool
}

// Request is an inference request. The zero value has no inputs.
type Request struct {
	ID     string // returned with the answer; "" is none
	Inputs []Tensor
	// Outputs are the requested outputs in their order; nil means all of the model.
	Outputs []RequestedOutput
	// Binary means that outputs whose form is not requested are answered as binary.
	Binary bool
}

// RequestedOutput is an output that a request names.
type RequestedOutput struct {
	Name   string
	Binary Form
}

// Form is the form of a requested output.
type Form uint8

// The forms.
const (
	AsRequest Form = iota // as the request says for all outputs
	AsJSON
	AsBinary
)

// Answer is the answer to a request.
type Answer struct {
	ID           string // of the request; "" is none
	ModelName    string
	ModelVersion string // "" is unknown
	Outputs      []Tensor
}

// ModelMetadata describes a model; its JSON is that of the protocol.
type ModelMetadata struct {
	Name     string           `json:"name"`
	Versions []string         `json:"versions,omitempty"`
	Platform string           `json:"platform"`
	Inputs   []TensorMetadata `json:"inputs"`
	Outputs  []TensorMetadata `json:"outputs"`
}

// TensorMetadata describes an input or an output; -1 is an open dimension.
type TensorMetadata struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"` // of tensor.Type
	Shape    []int64 `json:"shape"`
}

// ServerMetadata describes a server; its JSON is that of the protocol.
type ServerMetadata struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Extensions []string `json:"extensions"`
}

// Extensions are the names of the extensions that this package has.
func Extensions() []string { return []string{"binary_tensor_data"} }
