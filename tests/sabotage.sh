#!/usr/bin/env bash
# Breaks a copy of the code on purpose, once for each patch in tests/sabotage/, and expects the test that the patch names
# to fail. A test that passes on broken code proves nothing. ONLY=name takes one patch; a pattern takes several.
# The head of a patch says what is `Broken`, which `Item` of the checklist covers it, and the `Test` (arguments of
# `cargo test`) that must notice; `Only` narrows a long test to one seed or point.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
tree=$root/.local/sabotage/tree
export CARGO_TARGET_DIR=$root/.local/sabotage/target SQLX_OFFLINE=true
features=(--package imagioo-runtime --features imagioo-runtime/kill-points)
surprises=0

copy() {
    rm -rf "$tree"
    mkdir -p "$tree"
    git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -p -t "$tree" 2>/dev/null || true
}
field() { # NAME FILE: the value of a header line
    sed -n "s/^# $1: //p" "$2"
}
build() {
    cargo build --quiet --locked --workspace --bins --features imagioo-runtime/kill-points
}
try() { # PATCH: true when the named test notices
    local patch=$1 log=$root/.local/sabotage/$(basename "$1" .patch).log test only
    test=$(field Test "$patch") only=$(field Only "$patch")
    # shellcheck disable=SC2086 # the header holds several arguments
    (build && IMAGIOO_SOAK_ONLY=${only:-} "$CARGO_TARGET_DIR/debug/imagioo-testkit" run --data "$root/.local/sabotage/data" -- \
        cargo test --locked "${features[@]}" $test) >"$log" 2>&1 && return 1
    grep -q "^test result: FAILED" "$log" || { echo "  it did not even run; see $log"; return 1; }
}

copy
cd "$tree"
for patch in tests/sabotage/${ONLY:-*}.patch; do
    echo "$(basename "$patch" .patch): $(field Broken "$patch")"
    patch --quiet --fuzz=0 -p1 <"$patch" || { echo "  the patch does not apply any more"; surprises=1; continue; }
    if try "$patch"; then
        echo "  noticed by $(field Test "$patch")"
    else
        echo "  NOT NOTICED by $(field Test "$patch")"
        surprises=1
    fi
    patch --quiet -p1 --reverse <"$patch"
done
exit "$surprises"
