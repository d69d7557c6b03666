#!/bin/sh
# Make every set of test vectors anew: each generate.py in a folder that holds vectors.
# Fails when one changes, because vectors are promises to firmware that is already out there.
set -eu
cd "$(dirname "$0")/.."

before=$(mktemp)
after=$(mktemp)
trap 'rm -f "$before" "$after"' EXIT
sums() { git ls-files -z --cached --others --exclude-standard -- '*vectors/*' | xargs -0r sha256sum; }

generators=$(git ls-files --cached --others --exclude-standard -- '*vectors/*generate.py')
[ -n "$generators" ] || echo "no generator here: all vectors were written by hand"
sums >"$before"
for generator in $generators; do
  echo "$generator"
  .venv/bin/python "$generator"
done
sums >"$after"
if ! diff "$before" "$after"; then
  echo "these vectors changed; if that is meant, commit them with the reason" >&2
  exit 1
fi
