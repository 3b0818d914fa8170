// Package torchservepb has the messages and services of TorchServe's gRPC, generated from
// inference.proto and management.proto by `make proto`. The protocol files are our own; they
// are wire compatible with TorchServe's.
//
// It is generated: TestProtoIsFresh compares it with the protocol files, and the tests of api/grpc use it.
package torchservepb
