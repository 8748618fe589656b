#!/usr/bin/env bash
# Proves `make run` as a newcomer meets it: an empty home, no PostgreSQL found, Ctrl-C, and a second start that keeps
# everything and makes no second image.
set -euo pipefail
cd "$(dirname "$0")/../.."
home=$(mktemp -d)
data="$home-data"
log="$home/log"
# Below the ports that Linux gives to whoever asks for any, the services inside the process among them.
port=$((20000 + RANDOM % 9000))
started=""
fresh=(
    env -i HOME="$home" PATH="$PATH" CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}"
    RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}" IMAGIOO_DATA_DIR="$data"
    IMAGIOO_SERVE__LISTEN="127.0.0.1:$port" IMAGIOO_SERVE__OPS__LISTEN="127.0.0.1:$((port + 1))"
    IMAGIOO_SERVE__POSTGRES__FETCH=always
)
clean_up() {
    if [ -n "$started" ]; then
        kill -KILL -- "-$started" 2>/dev/null || true
    fi
    rm -rf "$home" "$data"
}
trap clean_up EXIT
start_and_stop() { # COMMAND to run while the server serves; then Ctrl-C, which reaches make and the server
    : >"$log"
    # A session of its own, so that the signal goes to its process group as a terminal's would.
    (exec setsid "${fresh[@]}" make --no-print-directory run >>"$log" 2>&1) &
    started=$!
    grep -m 1 "^first image: " < <(tail -n +1 --pid="$started" -f "$log") || { cat "$log"; return 1; }
    "$@"
    kill -INT -- "-$started"
    # make reports that it was interrupted; that the server itself ended well is a test of its own.
    wait "$started" || true
    started=""
    if "${fresh[@]}" target/debug/imagioo balance 2>/dev/null; then
        echo "the server still answers after Ctrl-C"
        return 1
    fi
}
second_terminal() {
    "${fresh[@]}" target/debug/imagioo generate "a red fox" -o "$home/fox.png"
    [ "$(head -c 8 "$home/fox.png" | od -An -tx1 | tr -d ' \n')" = "89504e470d0a1a0a" ]
    "${fresh[@]}" target/debug/imagioo list --json >"$home/first"
}
same_images() {
    "${fresh[@]}" target/debug/imagioo list --json >"$home/second"
    cmp "$home/first" "$home/second"
}
start_and_stop second_terminal
start_and_stop same_images
echo "first run: 1 passed, 0 failed"
