// Package onnxpb holds the messages of the ONNX model format, generated from
// onnx.proto. They are wire compatible with the format but not the whole of it.
// Beside them stands what reads and makes the attributes of a node.
package onnxpb

// The file is registered under its path in the module, so that it stands beside
// any other onnx.proto a program links.
//go:generate protoc -I ../../.. --go_out=../../.. --go_opt=module=sweetspot engine/onnxgraph/onnxpb/onnx.proto
