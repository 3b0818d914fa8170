# A part of the scripts beside it, which source it: makes a virtual environment with pinned packages of Python.
# A second run only checks.
#
#   venv NAME VARIABLE SIZE LOWEST HIGHEST CHECK [PACKAGE...]
#
# NAME-requirements.txt has the pins. VARIABLE is the environment variable that names another folder than NAME in the
# user's cache. SIZE is said before the download. LOWEST and HIGHEST are the minor versions of Python 3 for which there are
# packages, HIGHEST empty for all later ones. CHECK is a statement of Python that loads what was installed. The versions of the
# PACKAGEs are printed. The folder is printed on stdout, everything else on stderr. With --where as $where the folder is
# printed and nothing is made.

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

venv() {
	local name=$1 variable=$2 size=$3 lowest=$4 highest=$5 check=$6
	shift 6
	local pins=$tools/$name-requirements.txt
	local dir=${!variable:-${XDG_CACHE_HOME:-$HOME/.cache}/sweetspot/$name}
	say() { printf '%s: %s\n' "$name" "$*" >&2; }

	if [ "${where:-}" = --where ]; then
		echo "$dir"
		return
	fi
	# The stamp is written last, so that an interrupted run is begun again.
	if cmp -s "$pins" "$dir/pins.txt"; then
		say "is there: $dir"
	else
		python3 -c "import sys, venv; sys.exit(not (3, $lowest) <= sys.version_info[:2] <= (3, ${highest:-999}))" || {
			local versions="3.$lowest or later"
			test -z "$highest" || versions="3.$lowest to 3.$highest"
			say "this needs python3, version $versions, with venv (Debian, Ubuntu: apt-get install python3-venv)"
			return 1
		}
		# A folder that this script has not made is left alone.
		if [ -e "$dir" ] && [ ! -e "$dir/pyvenv.cfg" ] && [ -n "$(ls -A "$dir")" ]; then
			say "$dir is not empty and no virtual environment; remove it, or set $variable to another folder"
			return 1
		fi
		say "makes $dir (about $size)"
		rm -rf "$dir"
		mkdir -p "$(dirname "$dir")"
		python3 -m venv "$dir"
		"$dir/bin/pip" install --disable-pip-version-check --quiet --requirement "$pins" >&2
		"$dir/bin/python" -c "$check"
		cp "$pins" "$dir/pins.txt"
	fi
	say "$("$dir/bin/python" -c '
import sys
from importlib.metadata import version
print(", ".join(n + " " + version(n) for n in sys.argv[1:]))' "$@")"
	echo "$dir"
}
