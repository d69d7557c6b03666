#!/bin/sh
# requirements.lock (everything) and requirements-run.lock (what `make run` needs) from
# pyproject.toml, with a hash for every file and no address of any registry.
#
#   tools/lock.sh              keeps the versions that still fit
#   tools/lock.sh --upgrade    takes the newest that fit
#
# One lock holds for every Python from 3.11 on, x86-64 and ARM. The second is cut out of the
# first, so that both agree on every version.
set -eu
cd "$(dirname "$0")/.."

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
.venv/bin/python -m venv "$tools"
"$tools/bin/pip" install -q --disable-pip-version-check --only-binary=:all: --require-hashes \
  -r /dev/stdin <<'LOCKER'
uv==0.13.9 \
  --hash=sha256:d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19 \
  --hash=sha256:5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe
LOCKER

# lock NAME OPTION...: the old file is what uv keeps versions from, so it works on a copy.
lock() {
  name=$1
  shift
  [ ! -e "$name" ] || grep -v '^#' "$name" >"$tools/$name"
  "$tools/bin/uv" pip compile pyproject.toml --quiet --no-config --universal \
    --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
    --output-file "$tools/$name" "$@" >/dev/null
  { echo "# Made by \`make lock\` from pyproject.toml." && cat "$tools/$name"; } >"$name"
}

lock requirements.lock --extra hil --extra dev --extra install "$@"
lock requirements-run.lock --extra hil --extra install --constraints requirements.lock "$@"
