#!/usr/bin/env bash
# Makes a virtual environment with the Python model servers that sweetspot is compared with
# and tunes in examples: LitServe, mosec, BentoML, each pinned, with onnxruntime. Prints the
# folder on stdout and what it does on stderr. A second run only checks.
#
#   tools/peers.sh          make or check
#   tools/peers.sh --where  print the folder, make nothing
#
# SWEETSPOT_PEERS is another folder than the one in the user's cache.
set -euo pipefail

where=${1:-}
. "$(dirname "${BASH_SOURCE[0]}")/venv.sh"
# numpy and onnxruntime have no packages for other versions of Python.
venv peers SWEETSPOT_PEERS "300 MB" 11 14 'import litserve, mosec, bentoml, onnxruntime' litserve mosec bentoml onnxruntime
