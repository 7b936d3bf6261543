#!/bin/sh
# Makes the Python environment of an image, /opt/timbre/venv, out of /requirements and nothing else.
#
#   environment.sh [auto|base|lock]
#
# The word says where torch comes from: the base image (a PyTorch image) or the lock file. "auto" looks.
# uv comes and goes within this script, so that it never reaches an image's layer.
set -eu

torch_from=${1:-auto}
target=/opt/timbre/venv
here=$(dirname "$0")

locked_version() {
    sed -n "s/^$1==\([^ ;]*\).*/\1/p" /requirements/all.txt
}

sh "$here/install-uv.sh"
python=$(readlink /opt/uv/python)
if [ "$torch_from" = auto ]; then
    if "$python" -c 'import torch' 2>/dev/null; then torch_from=base; else torch_from=lock; fi
fi
echo "environment: torch from $torch_from, $("$python" --version) at $python"

export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
export UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
if [ "$torch_from" = base ]; then
    /opt/uv/uv venv --quiet --python "$python" --system-site-packages "$target"
    /opt/uv/uv pip install --python "$target" --no-deps -r /requirements/without-torch.txt
    if ! "$target/bin/python" -c 'import torchaudio' 2>/dev/null; then
        /opt/uv/uv pip install --python "$target" --no-deps "torchaudio==$(locked_version torchaudio)"
    fi
else
    /opt/uv/uv venv --quiet --python "$python" "$target"
    /opt/uv/uv pip install --python "$target" --no-deps -r /requirements/all.txt
fi

for package in torch torchaudio; do
    want=$(locked_version "$package")
    [ -n "$want" ] || continue
    have=$("$target/bin/python" -c "import $package; print($package.__version__.split('+')[0])")
    if [ "$have" != "$want" ]; then
        echo "environment: $package is $have, and uv.lock says $want; choose another BASE_IMAGE or TORCH_FROM=lock" >&2
        exit 1
    fi
done

# The code lies in a folder, and a layer, of its own.
echo /opt/timbre/app > "$("$target/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/timbre.pth"
rm -rf /opt/uv
sh "$here/strip.sh"
