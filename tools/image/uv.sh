# Functions for the image builds: finding the base image's Python, and having uv for the length of one RUN line.

# Where the machine that builds has certificates or an index of its own, they are mounted over these paths.
export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt

uv_version=0.13.9
uv_folder=/tmp/uv
uv=$uv_folder/bin/uv

base_python() {
    for candidate in /opt/conda/bin/python3 /usr/local/bin/python3 /usr/bin/python3; do
        if [ -x "$candidate" ]; then
            echo "$candidate"
            return
        fi
    done
    echo "the base image has no Python" >&2
    return 1
}

install_uv() {
    if "$1" -m pip --version > /dev/null 2>&1; then
        "$1" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-cache-dir \
            --target "$uv_folder" "uv==$uv_version"
    else
        "$1" -m venv "$uv_folder"
        "$uv_folder/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir "uv==$uv_version"
    fi
}

remove_uv() {
    rm -rf "$uv_folder"
}

locked_version() {
    sed -n "/^name = \"$1\"\$/{n;s/^version = \"\(.*\)\"\$/\1/p;q}" uv.lock
}
