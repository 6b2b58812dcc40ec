# Sourced by the steps that are written for sh: the log of attempts, and files that appear whole or not at all.
set -eu
: "${DATA:?}" "${OUT:?}"
mkdir -p "$OUT"

# One line for each attempt that starts.
echo "${MAINSPRING_TASK_ID:-?} attempt=${MAINSPRING_ATTEMPT:-1} fence=${MAINSPRING_FENCE:-0}" >> "$OUT/steps.log"
sleep "${PACE:-0}"

# publish NAME: takes standard input as the whole content of $OUT/NAME.
publish() {
    cat > "$OUT/$1.part.$$"
    mv "$OUT/$1.part.$$" "$OUT/$1"
}

# output JSON: the task's output, for its children and for the API.
output() {
    printf '%s\n' "$1" > "${MAINSPRING_OUTPUT:-/dev/null}"
}
