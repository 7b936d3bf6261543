#!/bin/sh
# Installs the package itself, without what it depends on, into /opt/timbre/app: the layer that changes with the code.
set -eu

. "$(dirname "$0")/uv.sh"
python=$(base_python)
install_uv "$python"
# The same path as in the image's environment, so that the script's first line names the right interpreter.
"$uv" venv --quiet --python "$python" /opt/timbre/venv
"$uv" pip install --quiet --python /opt/timbre/venv --no-deps --compile-bytecode --target /opt/timbre/app .
