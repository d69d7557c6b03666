#!/bin/sh
# Install Debian packages without starting any service. Runs as root, for tools/setup.sh.
#
#   tools/packages.sh PACKAGE...
#
# Debian starts a service as soon as it is installed, and mosquitto would take port 1883 with a
# configuration that is not ours. While policy-rc.d answers 101, no service starts.
set -eu

policy=/usr/sbin/policy-rc.d
ours="# site gateway set-up: no service starts while it installs packages"

log=$(mktemp)

clean_up() {
  rm -f "$log"
  if grep -qsxF "$ours" $policy; then rm -f $policy; fi
}

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ ! -e $policy ]; then # one of ours that a killed run left behind is taken over
  printf '#!/bin/sh\n%s\nexit 101\n' "$ours" >$policy
  chmod 755 $policy
fi

apt() {
  DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes apt-get -qq -o DPkg::Lock::Timeout=300 \
    -o Acquire::Retries=3 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 "$@"
}

dpkg --configure -a >"$log" 2>&1 || true # what a run that was cut off left half done
# A foreign source that is down must not stop us: whether the packages came decides.
apt update || echo "setup: some package lists could not be fetched" >&2
if ! apt install -y --no-install-recommends "$@" >"$log"; then
  cat "$log" >&2
  exit 1
fi
