// Package onnxpb has the messages of the ONNX model format, generated from onnx.proto. They
// are wire compatible with the format, but not complete. It also reads and makes the
// attributes of a node.
package onnxpb

// The file is registered under its path in the module, so that a program can also link
// another onnx.proto.
//go:generate protoc -I ../../.. --go_out=../../.. --go_opt=module=sweetspot engine/onnxgraph/onnxpb/onnx.proto
