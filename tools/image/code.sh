#!/bin/sh
# Installs the package itself, without what it depends on, into /opt/timbre/app: the layer that changes with the code.
set -eu

export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt UV_PYTHON_DOWNLOADS=never
# The same path as in the image's environment, so that the script's first line names the right interpreter.
/opt/uv/uv venv --quiet --python /opt/uv/python /opt/timbre/venv
/opt/uv/uv pip install --quiet --python /opt/timbre/venv --no-deps --compile-bytecode --target /opt/timbre/app .
