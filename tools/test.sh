#!/usr/bin/env bash
# Everything that must pass, from nothing: installs, checks, builds, and runs the tests up to those in a real cluster.
# Whatever happens, the cluster is taken down at the end; when something failed, first comes a report of its state.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh

TIMINGS=$(mktemp)
FOOTPRINT=$(mktemp)
export TIMINGS
cluster_started=

finish() {
    local status=$?
    trap - EXIT
    # A second Ctrl-C must not leave half a cluster behind.
    trap '' INT TERM
    if [ -n "$cluster_started" ]; then
        if [ $status != 0 ]; then python3 -m tools.cluster diagnose || true; fi
        timed "cluster down" take_down || status=1
    fi
    echo "== where the time went"
    cat "$TIMINGS"
    rm -f "$TIMINGS" "$FOOTPRINT"
    if [ $status = 0 ]; then echo "== all passed"; else echo "== failed"; fi
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

take_down() {
    python3 -m tools.cluster down
    if [ "${CLUSTER:-local}" = local ]; then FILE=$FOOTPRINT python3 -m tools.cluster footprint-compare; fi
}

python_tests() {
    .venv/bin/pytest -q -p no:cacheprovider "$@"
}

tools/setup.sh
timed "check" make --no-print-directory check
timed "tests against a real API server" python_tests -m "control_plane and not cluster"
timed "tests with the real voice and a real browser" python_tests -m "(voice or browser) and not cluster and not control_plane"

if [ "${CLUSTER:-local}" = local ]; then
    python3 -m tools.cluster down
    FILE=$FOOTPRINT python3 -m tools.cluster footprint-save
fi
cluster_started=yes
timed "cluster" python3 -m tools.cluster up
timed "images" python3 -m tools.cluster images
timed "tests in the cluster" python_tests -m cluster
