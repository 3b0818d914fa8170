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

here=$(cd "$(dirname "$0")" && pwd)
pins=$here/peers-requirements.txt
dir=${SWEETSPOT_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/sweetspot/peers}

say() { printf 'peers: %s\n' "$*" >&2; }

if [ "${1:-}" = --where ]; then
	echo "$dir"
	exit
fi

# The stamp is written last, so that an interrupted run is begun again.
stamp=$dir/pins.txt
if cmp -s "$pins" "$stamp"; then
	say "is there: $dir"
else
	# numpy and onnxruntime have no packages for other versions.
	python3 -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || {
		say "this needs python3, version 3.11 to 3.14, with venv (Debian, Ubuntu: apt-get install python3-venv)"
		exit 1
	}
	# A folder that this script has not made is left alone.
	if [ -e "$dir" ] && [ ! -e "$dir/pyvenv.cfg" ] && [ -n "$(ls -A "$dir")" ]; then
		say "$dir is not empty and no virtual environment; remove it, or set SWEETSPOT_PEERS to another folder"
		exit 1
	fi
	say "makes $dir (about 300 MB)"
	rm -rf "$dir"
	mkdir -p "$(dirname "$dir")"
	python3 -m venv "$dir"
	"$dir/bin/pip" install --disable-pip-version-check --quiet --requirement "$pins" >&2
	"$dir/bin/python" -c 'import litserve, mosec, bentoml, onnxruntime'
	cp "$pins" "$stamp"
fi
say "$("$dir/bin/python" -c '
from importlib.metadata import version
print(", ".join(n + " " + version(n) for n in ("litserve", "mosec", "bentoml", "onnxruntime")))')"
echo "$dir"
