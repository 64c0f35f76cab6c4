#!/usr/bin/env bash
# Makes the machine ready: system packages where that is possible, then a virtual environment from the lock file.
# Safe to run again: it does only what is missing. What it could not install is said at the end; tests that need it skip.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/sbin" # where kamailio is

PACKAGES="libopus0 sip-tester kamailio kamailio-tls-modules baresip sox espeak-ng gcc libc6-dev python3-dev"
commands_present() {
    command -v sipp kamailio baresip sox espeak-ng gcc >/dev/null 2>&1 || return 1
    ldconfig -p 2>/dev/null | grep -q 'libopus\.so\.0'
}
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}
install_packages() {
    command -v apt-get >/dev/null 2>&1 || { echo "setup: no apt-get here: install by hand: $PACKAGES"; return 0; }
    as_root true 2>/dev/null || { echo "setup: neither root nor sudo: install by hand: $PACKAGES"; return 0; }
    echo "setup: installing system packages: $PACKAGES"
    export DEBIAN_FRONTEND=noninteractive
    as_root apt-get update -qq || true
    had_kamailio=$(command -v kamailio || true)
    # shellcheck disable=SC2086
    as_root apt-get install -y -qq --no-install-recommends $PACKAGES >/dev/null ||
        echo "setup: apt-get could not install everything; tests that need it will skip"
    # Its package starts a service on port 5060; the tests start their own.
    if [ -z "$had_kamailio" ] && command -v systemctl >/dev/null 2>&1; then
        as_root systemctl disable --now --quiet kamailio 2>/dev/null || true
    fi
}
# `baresip` alone lacks its audio files module on a minimal install; the Debian package recommends baresip-core's modules.
for command in sipp kamailio baresip sox espeak-ng gcc; do
    command -v "$command" >/dev/null 2>&1 || MISSING=1
done
if [ -n "${MISSING:-}" ] || ! commands_present; then install_packages; fi

find_python() {
    for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
        [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
        "$candidate" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null || continue
        echo "$candidate"
        return
    done
    echo "setup: Python 3.11 or newer is needed" >&2
    exit 1
}
python=$(find_python)
if [ ! -x .venv/bin/python ]; then
    echo "setup: making .venv with $("$python" --version)"
    "$python" -m venv .venv 2>/dev/null || {
        as_root apt-get install -y -qq python3-venv >/dev/null
        "$python" -m venv .venv
    }
fi
if ! cmp -s requirements.lock .venv/requirements.installed; then
    echo "setup: installing Python packages from requirements.lock"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
    cp requirements.lock .venv/requirements.installed
fi
echo "setup: ready"
