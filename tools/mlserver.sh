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

here=$(cd "$(dirname "$0")" && pwd)
pins=$here/mlserver-requirements.txt
dir=${SWEETSPOT_MLSERVER:-${XDG_CACHE_HOME:-$HOME/.cache}/sweetspot/mlserver}

say() { printf 'mlserver: %s\n' "$*" >&2; }

if [ "${1:-}" = --where ]; then
	echo "$dir"
	exit
fi

# The stamp is written last, so that an interrupted run is begun again.
stamp=$dir/pins.txt
if cmp -s "$pins" "$stamp"; then
	say "is there: $dir"
else
	python3 -c 'import sys, venv; sys.exit(sys.version_info[:2] < (3, 11))' || {
		say "this needs python3, version 3.11 or later, with venv (Debian, Ubuntu: apt-get install python3-venv)"
		exit 1
	}
	# A folder that this script has not made is left alone.
	if [ -e "$dir" ] && [ ! -e "$dir/pyvenv.cfg" ] && [ -n "$(ls -A "$dir")" ]; then
		say "$dir is not empty and no virtual environment; remove it, or set SWEETSPOT_MLSERVER to another folder"
		exit 1
	fi
	say "makes $dir (about 330 MB)"
	rm -rf "$dir"
	mkdir -p "$(dirname "$dir")"
	python3 -m venv "$dir"
	"$dir/bin/pip" install --disable-pip-version-check --quiet --requirement "$pins" >&2
	"$dir/bin/python" -c 'import mlserver'
	cp "$pins" "$stamp"
fi
say "$("$dir/bin/python" -c 'from importlib.metadata import version; print("MLServer " + version("mlserver"))')"
echo "$dir"
