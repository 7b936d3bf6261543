#!/usr/bin/env bash
# Installs what Timbre is built and tested with. Every step is skipped when its work is done, so it may be
# repeated, and goes on where it was cut off.
#
#   tools/setup.sh            all of it (Debian packages need root)
#   tools/setup.sh python     the Python environment alone
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh

PACKAGES=(
    buildah ca-certificates chromium containerd containernetworking-plugins docker-registry ffmpeg git iproute2 iptables
    mmdebstrap openssl procps python3-venv runc
)

install_packages() {
    local missing=()
    for package in "${PACKAGES[@]}"; do
        dpkg-query --show --showformat '${Status}' "$package" 2> /dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then return; fi
    if [ "$(id -u)" != 0 ]; then
        echo "these Debian packages are missing; install them as root: ${missing[*]}" >&2
        return 1
    fi
    echo "installing ${missing[*]}"
    # An installation that was cut off has to be finished first.
    dpkg --configure -a
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
}

install_uv() {
    if command -v uv > /dev/null && uv_is_new_enough; then return; fi
    # A virtual environment: Debian's own pip refuses to install anywhere else.
    [ -x "$TIMBRE_TOOLS/bin/pip" ] || python3 -m venv --clear "$TIMBRE_TOOLS"
    "$TIMBRE_TOOLS/bin/pip" install --quiet --disable-pip-version-check "uv>=0.9.30"
}

uv_is_new_enough() {
    local version
    version=$(uv --version 2> /dev/null | awk '{print $2}') || return 1
    [ "$(printf '%s\n0.9.30\n' "$version" | sort -V | head -1)" = 0.9.30 ]
}

sync_python() {
    UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}" uv sync --frozen --all-extras --quiet
}

build_programs() {
    python3 -m tools.cluster bin > /dev/null
}

if [ "${1:-all}" = all ] && command -v dpkg-query > /dev/null; then
    timed "Debian packages" install_packages
fi
timed "uv" install_uv
timed "Python packages" sync_python
if [ "${1:-all}" = all ]; then
    timed "Kubernetes, helm and other Go programs" build_programs
fi
