# What the shell scripts of this folder share.   . tools/lib.sh

TIMBRE_CACHE=${TIMBRE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/timbre}
TIMBRE_TOOLS=$TIMBRE_CACHE/python-tools
export PATH="$PATH:$TIMBRE_TOOLS/bin:/usr/local/go/bin:/usr/sbin:/sbin"

# timed TITLE COMMAND...: says what is done and how long it took. TIMINGS, when set, is a file that collects the lines.
timed() {
    local title=$1 started=$SECONDS status=0
    shift
    echo "== $title"
    # Not `"$@" || …`: errexit would be off inside the function that is called.
    set +e
    (
        set -e
        "$@"
    )
    status=$?
    set -e
    printf '== %s: %d s%s\n' "$title" $((SECONDS - started)) "$([ $status = 0 ] || echo ", failed with status $status")"
    if [ -n "${TIMINGS:-}" ]; then printf '%5d s  %s\n' $((SECONDS - started)) "$title" >> "$TIMINGS"; fi
    return $status
}
