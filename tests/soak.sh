#!/usr/bin/env bash
# The long form of an item's test: `make soak ITEM=31 SEEDS=5`. Ends in one summary line.
set -euo pipefail
cd "$(dirname "$0")/.."
item=${ITEM:?which item, such as 31} seeds=${SEEDS:?how many seeds}
cargo build --quiet --locked --workspace --bins --features imagioo-runtime/kill-points
log=.local/soak-$item.log
IMAGIOO_SOAK_SEEDS=$seeds target/debug/imagioo-testkit run -- cargo test --quiet --locked --workspace \
    --features imagioo-runtime/kill-points -- --nocapture --test-threads 1 "r${item}_" >"$log" 2>&1 ||
    { tail -n 60 "$log"; echo "soak r$item failed; the whole output is in $log"; exit 1; }
grep -h "^soak " "$log" || { echo "item $item has no long form"; exit 1; }
