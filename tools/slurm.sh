#!/usr/bin/env bash
# Unpacks Debian's Slurm into a folder, for the test of docs/examples/slurm that runs it. It installs
# nothing and needs no rights. Prints the folder on stdout and what it does on stderr. A second run only
# checks.
#
#   tools/slurm.sh          make or check
#   tools/slurm.sh --where  print the folder, make nothing
#
# SWEETSPOT_SLURM is another folder than the one in the user's cache.
set -euo pipefail

dir=${SWEETSPOT_SLURM:-${XDG_CACHE_HOME:-$HOME/.cache}/sweetspot/slurm}
packages=(slurmctld slurmd slurm-client slurm-wlm-basic-plugins)

say() { printf 'slurm: %s\n' "$*" >&2; }

if [ "${1:-}" = --where ]; then
	echo "$dir"
	exit
fi
if [ -e "$dir/usr/sbin/slurmctld-wlm" ] || [ -e "$dir/usr/sbin/slurmctld" ]; then
	say "it is there: $dir"
	echo "$dir"
	exit
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
	say "this needs Debian or a system like it, for its packages ${packages[*]}"
	exit 1
fi

# What these packages need and this machine has not: found by a simulated installation.
wanted=$(apt-get -s install --no-install-recommends "${packages[@]}" | awk '/^Inst / {print $2}')
if [ -z "$wanted" ]; then
	wanted=${packages[*]} # they are installed; the folder is filled all the same
fi
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
say "getting" $wanted
# shellcheck disable=SC2086 # a list of words
(cd "$temp" && apt-get download $wanted >&2)
mkdir -p "$temp/root"
for deb in "$temp"/*.deb; do
	dpkg-deb -x "$deb" "$temp/root"
done
mkdir -p "$(dirname "$dir")"
rm -rf "$dir"
mv "$temp/root" "$dir"
say "unpacked into $dir"
echo "$dir"
