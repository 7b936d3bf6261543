#!/bin/sh
# Makes the Python environment of an image: /opt/timbre/venv, with the locked versions of one extra and nothing else.
#
#   environment.sh inference|operator [auto|base|lock]
#
# The second word says where torch comes from: the base image (a PyTorch image) or the lock file. "auto" looks.
# Installers come, work and go within this script, so that they never reach an image's layer.
set -eu

extra=$1
torch_from=${2:-auto}
target=/opt/timbre/venv
here=$(dirname "$0")
. "$here/uv.sh"

python=$(base_python)
if [ "$torch_from" = auto ]; then
    if "$python" -c 'import torch' 2>/dev/null; then torch_from=base; else torch_from=lock; fi
fi
if [ "$extra" != inference ]; then torch_from=lock; fi
echo "environment: extra $extra, torch from $torch_from, $("$python" --version) at $python"

install_uv "$python"
export UV_PROJECT_ENVIRONMENT=$target UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
if [ "$torch_from" = base ]; then
    "$uv" venv --quiet --python "$python" --system-site-packages "$target"
    requirements=$(mktemp)
    "$uv" export --quiet --frozen --no-dev --no-hashes --extra "$extra" --no-emit-project \
        --prune torch --prune torchaudio --output-file "$requirements" > /dev/null
    "$uv" pip install --python "$target" --no-deps -r "$requirements"
    if ! "$target/bin/python" -c 'import torchaudio' 2>/dev/null; then
        "$uv" pip install --python "$target" --no-deps "torchaudio==$(locked_version torchaudio)"
    fi
    rm -f "$requirements"
else
    "$uv" venv --quiet --python "$python" "$target"
    "$uv" sync --frozen --no-dev --extra "$extra" --no-install-project
fi

if [ "$extra" = inference ]; then
    for package in torch torchaudio; do
        want=$(locked_version "$package")
        have=$("$target/bin/python" -c "import $package; print($package.__version__.split('+')[0])")
        if [ "$have" != "$want" ]; then
            echo "environment: $package is $have, and uv.lock says $want; choose another BASE_IMAGE or TORCH_FROM=lock" >&2
            exit 1
        fi
    done
fi

# The code lies in a folder, and a layer, of its own.
echo /opt/timbre/app > "$("$target/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/timbre.pth"
remove_uv
sh "$here/strip.sh"
