#!/bin/sh
# Set up what a target needs: Debian packages, a virtual environment, the project in it.
#
#   tools/setup.sh dev    a Python and the developer's tools: lint, quick tests
#   tools/setup.sh run    a Python and the broker: the virtual line
#   tools/setup.sh test   all of it and what the tests drive: Chromium, a software TPM
#
# Answers at once when nothing is missing. A package is looked for by the thing that it brings,
# so a machine with its own build of it needs no package; the environment is looked for by a
# digest of all that went into it, because a time stamp says nothing after a checkout.
set -eu

for_what=${1:-}
case $for_what in
  dev | test) lock=requirements.lock ;;
  run) lock=requirements-run.lock ;;
  *)
    echo "usage: tools/setup.sh dev|run|test" >&2
    exit 2
    ;;
esac
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin # where Debian keeps mosquitto, and where not every user looks
venv=.venv

say() { printf 'setup: %s\n' "$*" >&2; }

# ---------------------------------------------------------------- what is missing

# The lock holds wheels for these versions. The modules are the ones that distributions split off
# or that a Python built without its headers lacks; each fails late and unclearly.
usable_python() {
  "$1" -c '
import sys
if not (3, 11) <= sys.version_info < (3, 15): sys.exit(1)
import ctypes, ensurepip, lzma, sqlite3, ssl, venv' 2>/dev/null
}

find_python() {
  for candidate in ${PYTHON:-/usr/bin/python3 /usr/bin/python3.13 /usr/bin/python3.12 \
    /usr/bin/python3.11 python3 python3.14 python3.13 python3.12 python3.11}; do
    if command -v "$candidate" >/dev/null && usable_python "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

needs_command() { command -v "$1" >/dev/null || missing="$missing $2"; }
needs_path() { [ -e "$1" ] || missing="$missing $2"; }
needs_library() { ldconfig -p | grep -qF "$1" || missing="$missing $2"; }

# Sets `python` and `missing`, a list of packages with a space before each.
find_missing() {
  missing=""
  python=$(find_python) || missing=" python3 python3-venv"
  needs_path /etc/ssl/certs/ca-certificates.crt ca-certificates
  [ "$for_what" = dev ] || needs_command mosquitto mosquitto
  [ "$for_what" = test ] || return 0
  needs_command mosquitto_pub mosquitto-clients
  needs_command chromium chromium
  needs_library libatomic.so.1 libatomic1 # playwright's node
  needs_path /usr/share/fonts/truetype fonts-dejavu-core # else the page has no letters
  needs_command swtpm swtpm
  needs_command swtpm_setup swtpm-tools
  needs_command tpm2_quote tpm2-tools
  needs_command ip iproute2
  needs_command nft nftables
  needs_command openssl openssl
  needs_command shellcheck shellcheck
  needs_command mkfs.ext4 e2fsprogs
  needs_command strace strace
  needs_command promtool prometheus
}

# ---------------------------------------------------------------- packages

install_packages() {
  line="apt-get update && apt-get install -y --no-install-recommends$missing"
  if ! command -v apt-get >/dev/null; then
    say "this machine lacks what Debian calls:$missing"
    say "install that with your own package manager, then do this again"
    exit 1
  fi
  if [ "$(id -u)" = 0 ]; then
    as_root=""
  elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root=sudo
  else
    say "packages are missing, and this user may not install them. As root run this one line:"
    printf '\n    %s\n\n' "$line" >&2
    exit 1
  fi
  say "packages:$missing"
  # shellcheck disable=SC2086  # a list of words, and no prefix at all for root
  if ! $as_root sh tools/packages.sh $missing; then
    say "apt could not install them; its words stand above. By hand, as root:"
    printf '\n    %s\n\n' "$line" >&2
    exit 1
  fi
  find_missing
  if [ -n "$missing" ]; then
    say "still missing after the installation:$missing"
    say "a Python of your own (3.11 to 3.14) is taken from PYTHON=/path/to/python3"
    exit 1
  fi
}

# ---------------------------------------------------------------- environment

# Scripts in an environment hold its path, so a moved checkout needs a new one.
digest_of() {
  { pwd -P && readlink -f $venv/bin/python && cat "$1" pyproject.toml; } 2>/dev/null | sha256sum
}

is_ready() {
  [ "$(cat "$venv/.installed-$1" 2>/dev/null)" = "$(digest_of "$1")" ]
}

ready() {
  is_ready requirements.lock || is_ready "$lock" # the whole lock holds the run's lock
}

make_environment() {
  if [ "$(cat $venv/.made-in 2>/dev/null || pwd -P)" != "$(pwd -P)" ] ||
    { [ -e $venv ] && ! usable_python $venv/bin/python; }; then
    say "the environment $venv was made elsewhere or with a Python that is gone: making it anew"
    rm -rf $venv
  fi
  [ -e $venv ] || "$python" -m venv $venv
  $venv/bin/python -m pip --version >/dev/null 2>&1 || $venv/bin/python -m ensurepip
  pwd -P >$venv/.made-in
  rm -f $venv/.installed-* # until pip is through, this environment is neither old nor new
  say "Python packages of $lock (a minute or two the first time)"
  pip --only-binary=:all: --require-hashes -r "$lock"
  pip --no-build-isolation --no-deps -e .
  digest_of "$lock" >"$venv/.installed-$lock"
}

pip() {
  $venv/bin/python -m pip install -qq --disable-pip-version-check --no-input \
    --retries 5 --timeout 60 "$@"
}

# ---------------------------------------------------------------- main

find_missing
if [ -z "$missing" ] && ready; then exit 0; fi
if [ -z "${SETUP_IS_LOCKED:-}" ]; then # `make -j` may want two at once; the second finds it done
  SETUP_IS_LOCKED=1 exec flock -o . "$0" "$for_what"
fi
[ -z "$missing" ] || install_packages
ready || make_environment
