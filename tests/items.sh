#!/usr/bin/env bash
# Lists the items of one SET (b, r, s, g or all) with the tests that prove them, how these ended in the last
# `make test`, and the patches of `make sabotage` that they notice. Ends with 1 when an item has no test or a test that
# did not pass, or when no patch breaks what an item of the set r (faults) proves.
set -euo pipefail
cd "$(dirname "$0")/.."
set=${SET:-all}
results=.local/test-results
[ -f "$results" ] || { echo "no results yet: run \`make test\` first" >&2; exit 1; }
failed=0
while read -r item sentence; do
    case $item in "#"* | "") continue ;; esac
    [ "$set" = all ] || [ "${item:0:1}" = "$set" ] || continue
    tests=$(grep -rhoE "fn ${item}_[a-z0-9_]+" services --include=*.rs | sed 's/^fn //' | sort -u)
    printf '%s  %s\n' "$item" "$sentence"
    [ -n "$tests" ] || { echo "     MISSING"; failed=1; }
    for test in $tests; do
        result=$(grep -E "^test (.*::)?$test \.\.\. " "$results" | sed 's/.* \.\.\. //' | sort -u | tr '\n' ' ' || true)
        printf '     %-8s %s\n' "${result:-not run}" "$test"
        [ "${result% }" = ok ] || failed=1
    done
    patches=$(grep -lx "# Item: $item" tests/sabotage/*.patch || true)
    for patch in $patches; do printf '     notices  %s\n' "$(basename "$patch" .patch)"; done
    [ -n "$patches" ] || [ "${item:0:1}" != r ] || { echo "     NO SABOTAGE"; failed=1; }
done <tests/items.txt
exit "$failed"
