#!/usr/bin/env bash
# Makes a virtual environment with Triton's client for the Open Inference Protocol over HTTP and gRPC,
# pinned, with which a test asks sweetspot. Prints the folder on stdout and what it does on
# stderr. A second run only checks.
#
#   tools/oip-client.sh          make or check
#   tools/oip-client.sh --where  print the folder, make nothing
#
# SWEETSPOT_OIP_CLIENT is another folder than the one in the user's cache.
set -euo pipefail

where=${1:-}
. "$(dirname "${BASH_SOURCE[0]}")/venv.sh"
venv oip-client SWEETSPOT_OIP_CLIENT "100 MB" 11 "" 'import tritonclient.http, tritonclient.grpc' tritonclient
