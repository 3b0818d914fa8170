#!/usr/bin/env bash
# Makes a virtual environment with MLServer, which speaks the Open Inference Protocol over HTTP and gRPC,
# pinned, which a test loads. Prints the folder on stdout and what it does on
# stderr. A second run only checks.
#
#   tools/mlserver.sh          make or check
#   tools/mlserver.sh --where  print the folder, make nothing
#
# SWEETSPOT_MLSERVER is another folder than the one in the user's cache.
set -euo pipefail

where=${1:-}
. "$(dirname "${BASH_SOURCE[0]}")/venv.sh"
venv mlserver SWEETSPOT_MLSERVER "330 MB" 11 "" 'import mlserver' mlserver
