#!/usr/bin/env bash
# Makes a virtual environment with a real TorchServe, pinned, for the tests that compare
# with it. Prints the folder on stdout and what it does on stderr. A second run only checks.
#
#   tools/torchserve.sh          make or check
#   tools/torchserve.sh --where  print the folder, make nothing
#
# SWEETSPOT_TORCHSERVE is another folder than the one in the user's cache.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
pins=$here/torchserve-requirements.txt
dir=${SWEETSPOT_TORCHSERVE:-${XDG_CACHE_HOME:-$HOME/.cache}/sweetspot/torchserve-0.12.0}
# Debian's own interpreter: its torch is for no other one.
python=/usr/bin/python3
packages=(python3-torch python3-torchvision python3-pil python3-venv openjdk-17-jre-headless)

say() { printf 'torchserve: %s\n' "$*" >&2; }

if [ "${1:-}" = --where ]; then
	echo "$dir"
	exit
fi

# The packages of Debian: torch and Java are 1 GB there and 6 GB elsewhere.
if ! command -v dpkg-query >/dev/null; then
	say "this needs Debian 12 or a system like it, for its packages ${packages[*]}"
	exit 1
fi
missing=()
for p in "${packages[@]}"; do
	dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
done
if [ ${#missing[@]} -gt 0 ]; then
	install=(apt-get install -y --no-install-recommends "${missing[@]}")
	if [ "$(id -u)" != 0 ]; then
		say "packages are missing; install them as root and run this again:"
		say "  apt-get update && ${install[*]}"
		exit 1
	fi
	say "installs ${missing[*]} (about 1 GB on disk)"
	apt-get update >&2
	"${install[@]}" >&2
fi

# The stamp is written last, so that an interrupted run is begun again.
stamp=$dir/pins.txt
if cmp -s "$pins" "$stamp"; then
	say "is there: $dir"
else
	say "makes $dir"
	rm -rf "$dir"
	mkdir -p "$(dirname "$dir")"
	"$python" -m venv --system-site-packages "$dir"
	"$dir/bin/pip" install --disable-pip-version-check --quiet --requirement "$pins" >&2
	"$dir/bin/python" -c 'import ts.torch_handler.image_classifier, onnxruntime'
	cp "$pins" "$stamp"
fi
say "$("$dir/bin/python" -c 'import ts, torch, onnxruntime; print("TorchServe", ts.version.__version__.strip(), "torch", torch.__version__, "onnxruntime", onnxruntime.__version__)')"
echo "$dir"
