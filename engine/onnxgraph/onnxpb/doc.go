// Package onnxpb has the messages of the ONNX model format, generated from onnx.proto by
// `make proto`. They are wire compatible with the format, but not complete. The file is
// registered under its path in the module, so that a program can also link another
// onnx.proto. The package also reads and makes the attributes of a node.
package onnxpb
