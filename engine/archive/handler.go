package archive

import (
	_ "embed" // of the handler
	"encoding/json"
)

// HandlerFile and ModelFile are the names of what [HandlerFiles] returns.
const (
	HandlerFile = "handler.py"
	ModelFile   = "model.json"
)

//go:embed handler.py
var handlerText string

// Signature is what the handler knows of a model.
type Signature struct {
	File    string `json:"file"` // the ONNX file
	Batch   bool   `json:"batch"`
	Inputs  []Spec `json:"inputs"`
	Outputs []Spec `json:"outputs"`
}

// Spec is one input or output.
type Spec struct {
	Name  string  `json:"name"`
	Type  string  `json:"type"`  // as Open Inference Protocol v2 names it
	Shape []int64 `json:"shape"` // without the batch axis
	Whole bool    `json:"whole"` // the model has no batch axis there
	Axis  int     `json:"axis"`  // where the batch axis is
}

// HandlerFiles returns the files that run an ONNX model in TorchServe: a handler in Python,
// which needs onnxruntime and numpy, and the signature that it reads.
func HandlerFiles(s Signature) ([]Content, error) {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, err
	}
	return []Content{Text(HandlerFile, handlerText), Text(ModelFile, string(text)+"\n")}, nil
}
