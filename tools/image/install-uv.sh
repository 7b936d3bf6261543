#!/bin/sh
# Installs uv to /opt/uv: uv, and a link to the base image's Python, so that the stages agree on it.
set -eu

uv_version=0.13.9
# Where the machine that builds has certificates of its own, they are mounted over this path.
export PIP_CERT=/etc/ssl/certs/ca-certificates.crt

for python in /opt/conda/bin/python3 /usr/local/bin/python3 /usr/bin/python3 none; do
    [ ! -x "$python" ] || break
done
if [ "$python" = none ]; then
    echo "the base image has no Python" >&2
    exit 1
fi

mkdir -p /opt/uv
if "$python" -m pip --version > /dev/null 2>&1; then
    pip="$python -m pip"
else
    "$python" -m venv /tmp/pip
    pip=/tmp/pip/bin/pip
fi
$pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-cache-dir \
    --target /opt/uv/packages "uv==$uv_version"
ln -s packages/bin/uv /opt/uv/uv
ln -s "$python" /opt/uv/python
rm -rf /tmp/pip
