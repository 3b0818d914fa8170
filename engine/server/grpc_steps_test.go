package server_test

import (
	"google.golang.org/grpc/codes"

	pb "sweetspot/engine/api/grpc/torchservepb"
)

// Reasons of several steps.
const (
	unknownIsInternal = "TorchServe says that its server has failed"
	withClass         = "TorchServe adds the class of its exception"
)

var (
	describe   = pb.ManagementAPIsServiceClient.DescribeModel
	list       = pb.ManagementAPIsServiceClient.ListModels
	register   = pb.ManagementAPIsServiceClient.RegisterModel
	scale      = pb.ManagementAPIsServiceClient.ScaleWorker
	setDefault = pb.ManagementAPIsServiceClient.SetDefault
	unregister = pb.ManagementAPIsServiceClient.UnregisterModel
)

// rpcContract are the calls of both services, in their order.
var rpcContract = []rpcStep{
	{name: "ping", call: ping, rpcAnswer: rpcAnswer{codes.OK, "{\n  \"status\": \"Healthy\"\n}"}},
	{name: "data", call: predictWords("", "data", "hello"), rpcAnswer: rpcAnswer{codes.OK, "HELLO"}},
	{name: "body", call: predictWords("", "body", "hello"), rpcAnswer: rpcAnswer{codes.OK, "HELLO"}},
	{name: "version", call: predictWords("1.0", "data", "hello"), rpcAnswer: rpcAnswer{codes.OK, "HELLO"}},
	{name: "stream of one piece", call: streamModel(&pb.PredictionsRequest{ModelName: "words", Input: map[string][]byte{"data": []byte("hello")}}), rpcAnswer: rpcAnswer{codes.OK, "HELLO"}, torchServe: &rpcAnswer{codes.Internal, "~Worker died..*"}, why: "TorchServe kills the worker of a handler that does not stream"},
	{
		name: "unknown model", call: predictModel(&pb.PredictionsRequest{ModelName: "none", Input: map[string][]byte{"data": []byte("a")}}),
		rpcAnswer:  rpcAnswer{codes.NotFound, "Model not found: none; served here: words"},
		torchServe: &rpcAnswer{codes.Internal, "~Model not found: none.*"}, why: unknownIsInternal,
	},
	{
		name: "unknown version", call: predictWords("9.0", "data", "a"),
		rpcAnswer:  rpcAnswer{codes.NotFound, "Model version: 9.0 does not exist for model: words; its version is 1.0"},
		torchServe: &rpcAnswer{codes.Internal, "~Model version: 9.0 does not exist for model: words.*"}, why: unknownIsInternal,
	},
	{
		name: "no model", call: predictModel(&pb.PredictionsRequest{Input: map[string][]byte{"data": []byte("a")}}),
		rpcAnswer:  rpcAnswer{codes.InvalidArgument, "Parameter model_name is required."},
		torchServe: &rpcAnswer{codes.Internal, "~Parameter model_name is required..*"}, why: unknownIsInternal,
	},
	{
		name: "handler fails", call: predictWords("", "data", "fail"),
		rpcAnswer:  rpcAnswer{codes.Internal, "Prediction failed: the row failed"},
		torchServe: &rpcAnswer{codes.Internal, "~the row failed.*"}, why: withClass,
	},

	{name: "list", call: manage(list, &pb.ListModelsRequest{Limit: 10}), rpcAnswer: rpcAnswer{codes.OK, `{"models": [{"modelName": "words", "modelUrl": "words.mar"}]}`}},
	{name: "describe", call: manage(describe, &pb.DescribeModelRequest{ModelName: "words"}), rpcAnswer: rpcAnswer{codes.OK, `[{"modelName": "words", "modelVersion": "1.0", "minWorkers": 1, "maxWorkers": 1, "batchSize": 1, "workers": [{"status": "READY"}]}]`}},
	{name: "describe all", call: manage(describe, &pb.DescribeModelRequest{ModelName: "words", ModelVersion: "all"}), rpcAnswer: rpcAnswer{codes.OK, `[{"modelName": "words"}]`}},
	{
		name: "describe unknown", call: manage(describe, &pb.DescribeModelRequest{ModelName: "none"}),
		rpcAnswer:  rpcAnswer{codes.NotFound, "Model not found: none"},
		torchServe: &rpcAnswer{codes.NotFound, "~Model not found: none.*"}, why: withClass,
	},
	{
		name: "describe unknown version", call: manage(describe, &pb.DescribeModelRequest{ModelName: "words", ModelVersion: "9.0"}),
		rpcAnswer:  rpcAnswer{codes.NotFound, "Model version: 9.0 does not exist for model: words"},
		torchServe: &rpcAnswer{codes.NotFound, "~Model version: 9.0 does not exist for model: words.*"}, why: withClass,
	},
	{
		name: "register without url", call: manage(register, &pb.RegisterModelRequest{ModelName: "x"}),
		rpcAnswer:  rpcAnswer{codes.InvalidArgument, "Parameter url is required."},
		torchServe: &rpcAnswer{codes.InvalidArgument, "~Parameter url is required..*"}, why: withClass,
	},
	{
		name: "register nothing", call: manage(register, &pb.RegisterModelRequest{Url: "none.mar"}),
		rpcAnswer:  rpcAnswer{codes.NotFound, "~.*none.mar"},
		torchServe: &rpcAnswer{codes.NotFound, "~.*none.mar.*"}, why: withClass,
	},
	{
		name: "register no archive", call: manage(register, &pb.RegisterModelRequest{Url: "notzip.mar"}),
		rpcAnswer:  rpcAnswer{codes.InvalidArgument, "notzip.mar is no archive"},
		torchServe: &rpcAnswer{codes.InvalidArgument, "~Model name is not defined..*"}, why: "TorchServe reads a file that is no archive as an archive without a manifest",
	},
	{
		name: "register twice", call: manage(register, &pb.RegisterModelRequest{Url: "words.mar"}),
		rpcAnswer:  rpcAnswer{codes.AlreadyExists, "Model version 1.0 is already registered for model words"},
		torchServe: &rpcAnswer{codes.Unknown, ""}, why: "TorchServe does not say why",
	},
	{name: "register another version", call: manage(register, &pb.RegisterModelRequest{Url: "words-2.mar", InitialWorkers: 1, BatchSize: 4, MaxBatchDelay: 20, Synchronous: true}), rpcAnswer: rpcAnswer{codes.OK, `Model "words" Version: 2.0 registered with 1 initial workers`}},
	{name: "describe it", call: manage(describe, &pb.DescribeModelRequest{ModelName: "words", ModelVersion: "2.0"}), rpcAnswer: rpcAnswer{codes.OK, `[{"modelVersion": "2.0", "batchSize": 4, "maxBatchDelay": 20}]`}},
	{name: "predict with it", call: predictWords("2.0", "data", "two"), rpcAnswer: rpcAnswer{codes.OK, "TWO"}},
	{name: "register in the background", call: manage(register, &pb.RegisterModelRequest{Url: "more.mar"}), rpcAnswer: rpcAnswer{codes.OK, "Processing worker updates..."}},
	{name: "scale", call: manage(scale, &pb.ScaleWorkerRequest{ModelName: "more", MinWorker: 2, Synchronous: true}), rpcAnswer: rpcAnswer{codes.OK, "Workers scaled to 2 for model: more"}},
	{name: "scale version", call: manage(scale, &pb.ScaleWorkerRequest{ModelName: "more", ModelVersion: "1.0", MinWorker: 1, Synchronous: true}), rpcAnswer: rpcAnswer{codes.OK, "Workers scaled to 1 for model: more, version: 1.0"}},
	{name: "scale in the background", call: manage(scale, &pb.ScaleWorkerRequest{ModelName: "more", MinWorker: 1}), rpcAnswer: rpcAnswer{codes.OK, "Processing worker updates..."}},
	{
		name: "scale unknown", call: manage(scale, &pb.ScaleWorkerRequest{ModelName: "none", MinWorker: 1}),
		rpcAnswer:  rpcAnswer{codes.NotFound, "Model not found: none"},
		torchServe: &rpcAnswer{codes.NotFound, "~Model not found: none.*"}, why: withClass,
	},
	{
		name: "scale to less than the minimum", call: manage(scale, &pb.ScaleWorkerRequest{ModelName: "more", MinWorker: 3, MaxWorker: 2}),
		rpcAnswer:  rpcAnswer{codes.InvalidArgument, "max_worker cannot be less than min_worker."},
		torchServe: &rpcAnswer{codes.InvalidArgument, "~max_worker cannot be less than min_worker..*"}, why: withClass,
	},
	{name: "set default", call: manage(setDefault, &pb.SetDefaultRequest{ModelName: "words", ModelVersion: "2.0"}), rpcAnswer: rpcAnswer{codes.OK, `Default version successfully updated for model "words" to "2.0"`}},
	{
		name: "set unknown default", call: manage(setDefault, &pb.SetDefaultRequest{ModelName: "words", ModelVersion: "9.0"}),
		rpcAnswer:  rpcAnswer{codes.NotFound, "Model version: 9.0 does not exist for model: words"},
		torchServe: &rpcAnswer{codes.NotFound, "~Model version 9.0 does not exist for model words.*"}, why: withClass,
	},
	{
		name: "unregister default", call: manage(unregister, &pb.UnregisterModelRequest{ModelName: "words", ModelVersion: "2.0"}),
		rpcAnswer:  rpcAnswer{codes.PermissionDenied, "Cannot remove default version for model words"},
		torchServe: &rpcAnswer{codes.Unknown, ""}, why: "TorchServe does not say why",
	},
	{name: "unregister version", call: manage(unregister, &pb.UnregisterModelRequest{ModelName: "words", ModelVersion: "1.0"}), rpcAnswer: rpcAnswer{codes.OK, `Model "words" unregistered`}},
	{
		name: "unregister unknown", call: manage(unregister, &pb.UnregisterModelRequest{ModelName: "none"}),
		rpcAnswer:  rpcAnswer{codes.NotFound, "Model not found: none"},
		torchServe: &rpcAnswer{codes.NotFound, "~Model not found: none.*"}, why: withClass,
	},
	{name: "page", call: manage(list, &pb.ListModelsRequest{Limit: 1}), rpcAnswer: rpcAnswer{codes.OK, `{"nextPageToken": "1", "models": [{"modelName": "more"}]}`}},
	{name: "next page", call: manage(list, &pb.ListModelsRequest{Limit: 1, NextPageToken: 1}), rpcAnswer: rpcAnswer{codes.OK, `{"models": [{"modelName": "words"}]}`}},
}
