#!/bin/sh
# Looks through an image's file system for what must not be in it.   check.sh ROOT operator|inference
set -u

root=$1
kind=$2
failed=0

reject() {
    found=$(find "$root" -xdev \( -path "$root/proc" -o -path "$root/sys" \) -prune -o "$@" -print 2> /dev/null | head -5)
    if [ -n "$found" ]; then
        echo "not allowed in the $kind image:"
        echo "$found" | sed "s|^$root|  |"
        failed=1
    fi
}

# Installers.
reject \( -type f -o -type l \) -path '*/bin/*' \( -name pip -o -name 'pip[0-9]*' -o -name uv -o -name uvx -o -name conda -o -name mamba \)
reject -type d \( -path '*/*-packages/pip' -o -path '*/*-packages/uv' -o -path '*/*-packages/conda' -o -path '*/python3*/ensurepip' \)
# Compilers and linkers.
reject \( -type f -o -type l \) -path '*/bin/*' \( -name gcc -o -name 'gcc-[0-9]*' -o -name g++ -o -name 'g++-[0-9]*' -o -name cc \
    -o -name c++ -o -name cc1 -o -name clang -o -name 'clang-[0-9]*' -o -name ld -o -name as -o -name make -o -name nvcc \)
reject -type f \( -name cc1 -o -name cc1plus -o -name collect2 \)
# Notebooks.
reject -type d \( -name 'jupyter*' -o -name notebook -o -name IPython \) -path '*site-packages/*' -prune
# Whatever the machine that built it lent.
reject -type f -name 'pip.conf' -size +0
if [ "$kind" = operator ]; then
    reject -type d \( -name torch -o -name numpy -o -name nvidia \) -path '*site-packages/*' -prune
fi
exit $failed
