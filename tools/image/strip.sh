#!/bin/sh
# Removes what a base image carries and a server never needs: installers, compilers, notebooks.
set -eu

rm -rf /opt/conda/pkgs /opt/conda/condabin /opt/conda/conda-meta /root/.cache/pip /root/.conda \
    /usr/share/python-wheels /var/lib/apt/lists/* /var/cache/apt/*.bin

for folder in /usr/bin /usr/local/bin /opt/conda/bin; do
    for pattern in 'pip*' 'uv' 'uvx' 'conda*' 'mamba*' 'jupyter*' 'ipython*' 'activate' 'deactivate' 'easy_install*' \
        'gcc*' '*-linux-gnu-gcc*' 'g++*' '*-linux-gnu-g++*' 'cc' 'c++' 'c89*' 'c99*' 'cpp*' '*-linux-gnu-cpp*' \
        'clang*' 'make' 'gmake' 'cmake' 'ld' 'ld.*' '*-linux-gnu-ld*' 'as' '*-linux-gnu-as' 'nvcc*'; do
        find "$folder" -maxdepth 1 -name "$pattern" -exec rm -rf {} + 2> /dev/null || true
    done
done

for packages in /usr/lib/python3* /usr/local/lib/python3* /opt/conda/lib/python3*; do
    [ -d "$packages" ] || continue
    find "$packages" -maxdepth 2 \( -name ensurepip -o -name pip -o -name 'pip-*' -o -name uv -o -name 'uv-*' \
        -o -name conda -o -name 'conda-*' -o -name 'conda_*' -o -name 'libmamba*' -o -name 'jupyter*' -o -name notebook \
        -o -name IPython -o -name 'ipython-*' \) -exec rm -rf {} +
done
rm -rf /usr/lib/gcc/*/*/cc1* /usr/lib/gcc/*/*/collect2 /usr/libexec/gcc
