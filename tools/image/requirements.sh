#!/bin/sh
# Writes what one extra needs, as the lock file has it, to /requirements.   requirements.sh inference|operator
#
# A stage of its own: pyproject.toml changes for many reasons, and the environment is only made anew when this list does.
set -eu

export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
mkdir -p /requirements
/opt/uv/uv export --quiet --frozen --no-dev --extra "$1" --no-emit-project --no-header --no-annotate \
    --output-file /requirements/all.txt > /dev/null
# What is left to install where the base image carries torch.
/opt/uv/uv export --quiet --frozen --no-dev --extra "$1" --no-emit-project --no-header --no-annotate \
    --prune torch --prune torchaudio --output-file /requirements/without-torch.txt > /dev/null
