#!/usr/bin/env bash
# Finds redis-server, else fetches it from the distribution into .local/servers/redis. Needs no root and starts no
# service. Prints the program.
set -euo pipefail
cd "$(dirname "$0")/../.."
servers=$PWD/.local/servers/redis
packages=(redis-server redis-tools libjemalloc2 liblzf1)
advice="install redis-server, or name a running one in IMAGIOO_TEST_REDIS"

if [ "${1:-}" != --fetch ] && found=$(command -v redis-server); then
    echo "$found"
    exit
fi

libraries="$servers/usr/lib/$(uname -m)-linux-gnu:$servers/lib/$(uname -m)-linux-gnu"
runs() { LD_LIBRARY_PATH=$libraries "$servers/usr/bin/redis-server" --version >/dev/null; }

fetch() {
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || { echo "no apt-get here; $advice" >&2; exit 1; }
    fresh=$(mktemp -d "$servers.XXXXXX")
    trap 'rm -rf "$fresh"' EXIT
    mkdir -p "$fresh"/{packages,root,state/lists/partial,cache/archives/partial}
    options=(-qq -o "APT::Sandbox::User=$(id -un)")
    (
        cd "$fresh/packages"
        # The machine's own lists may be missing or old; private ones need no root.
        apt-get "${options[@]}" download "${packages[@]}" 2>/dev/null || {
            options+=(-o "Dir::State=$fresh/state" -o "Dir::Cache=$fresh/cache")
            options+=(-o Dir::State::status=/var/lib/dpkg/status)
            apt-get "${options[@]}" update && apt-get "${options[@]}" download "${packages[@]}"
        }
        for package in ./*.deb; do
            dpkg -x "$package" "$fresh/root"
        done
    ) >&2 || { echo "Redis could not be fetched; $advice" >&2; exit 1; }
    rm -rf "$servers"
    mv "$fresh/root" "$servers"
}

mkdir -p "$(dirname "$servers")"
exec 9>"$servers.lock"
flock 9
runs 2>/dev/null || fetch
runs || { echo "the fetched Redis does not run here; $advice" >&2; exit 1; }
echo "$servers/usr/bin/redis-server"
