#!/usr/bin/env bash
# Gets SwiftShader, a Vulkan device that computes on the CPU, for the tests of WebGPU on machines without
# a GPU: from the npm package of a Chromium build that has it, pinned by its checksum. Only its two
# libraries are kept. Prints the folder on stdout and what it does on stderr.
# A second run only checks. It needs npm and node (version 10.16 or newer, for brotli), linux/amd64.
#
#   tools/swiftshader.sh          get or check
#   tools/swiftshader.sh --where  print the folder, get nothing
#
# SWEETSPOT_SWIFTSHADER is another folder than the one in the user's cache.
set -euo pipefail

package=@sparticuz/chromium@147.0.0
sum=18fe5404ce845594cd7d592fc07f37a19514079ba4d9c27192ad8b908743f16b
dir=${SWEETSPOT_SWIFTSHADER:-${XDG_CACHE_HOME:-$HOME/.cache}/sweetspot/swiftshader-147.0.0}

say() { printf 'swiftshader: %s\n' "$*" >&2; }

if [ "${1:-}" = --where ]; then
	echo "$dir"
	exit
fi
# The file is written last, so that an interrupted run is begun again.
if (cd "$dir" 2>/dev/null && sha256sum --quiet -c SHA256SUMS) 2>/dev/null; then
	say "is there: $dir"
	echo "$dir"
	exit
fi
if [ -e "$dir" ] && [ ! -e "$dir/libvk_swiftshader.so" ] && [ -n "$(ls -A "$dir")" ]; then
	say "$dir is not empty and has no SwiftShader; remove it, or set SWEETSPOT_SWIFTSHADER to another folder"
	exit 1
fi
for tool in npm node; do
	command -v "$tool" >/dev/null || { say "this needs $tool"; exit 1; }
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
say "downloads $package (68 MB)"
archive=$(cd "$tmp" && npm pack --silent "$package")
echo "$sum  $tmp/$archive" | sha256sum --quiet -c - || { say "the package is not the one that was pinned"; exit 1; }
tar -xzf "$tmp/$archive" -C "$tmp" package/bin/swiftshader.tar.br
node -e 'const fs = require("fs"); process.stdout.write(require("zlib").brotliDecompressSync(fs.readFileSync(process.argv[1])))' \
	"$tmp/package/bin/swiftshader.tar.br" >"$tmp/swiftshader.tar"
mkdir -p "$dir"
tar -xf "$tmp/swiftshader.tar" --no-same-owner -C "$dir" libvk_swiftshader.so libvulkan.so.1 vk_swiftshader_icd.json
(cd "$dir" && sha256sum libvk_swiftshader.so libvulkan.so.1 vk_swiftshader_icd.json >SHA256SUMS)
echo "$dir"
