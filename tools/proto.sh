#!/usr/bin/env bash
# Writes the Go code of the protocol files, for `make proto`.
#
#   tools/proto.sh [DIR]
#
# DIR is a folder that gets the files instead of this one, with the same paths; a test
# compares them. The plugins are pinned in tools/go.mod.
set -euo pipefail

cd "$(dirname "$0")/.."
out=${1:-.}
if ! command -v protoc >/dev/null; then
	echo "protoc is missing: install it (Debian, Ubuntu: apt-get install protobuf-compiler libprotobuf-dev; macOS: brew install protobuf)" >&2
	exit 1
fi
tool() { go tool -modfile=tools/go.mod -n "$1"; }
generate() {
	protoc -I . --plugin="$(tool protoc-gen-go)" --go_out="$out" --go_opt=module=sweetspot "$@"
}
# The services of oippb/torchserve.proto are those of oip.proto under another name, so that
# only their description is needed.
generate engine/onnxgraph/onnxpb/onnx.proto engine/api/grpc/oippb/torchserve.proto
generate --plugin="$(tool protoc-gen-go-grpc)" --go-grpc_out="$out" --go-grpc_opt=module=sweetspot \
	engine/api/grpc/torchservepb/inference.proto engine/api/grpc/torchservepb/management.proto engine/api/grpc/oippb/oip.proto
