// Package oippb has the messages and the gRPC service of the Open Inference Protocol,
// generated from oip.proto by `make proto`. The protocol file is our own; it is wire
// compatible with the protocol's. torchserve.proto describes the same service under the name
// that TorchServe gives it.
//
// It is generated: TestProtoIsFresh compares it with the protocol files, and the tests of api/grpc use it.
package oippb

// TorchServeService is the name of the service in torchserve.proto, and TorchServeFile its
// path.
const (
	TorchServeService = "org.pytorch.serve.grpc.openinference.GRPCInferenceService"
	TorchServeFile    = "engine/api/grpc/oippb/torchserve.proto"
)
