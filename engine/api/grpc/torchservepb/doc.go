// Package torchservepb has the messages and services of TorchServe's gRPC, generated from
// inference.proto and management.proto by `make proto`. The protocol files are our own; they
// are wire compatible with TorchServe's.
package torchservepb
