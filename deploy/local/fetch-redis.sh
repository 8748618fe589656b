#!/usr/bin/env bash
# Finds redis-server, else fetches it from the distribution into .local/servers/redis. Needs no root and starts no
# service. Prints the program.
set -euo pipefail
cd "$(dirname "$0")/../.."
source deploy/local/fetch-debian.sh
server=$PWD/.local/servers/redis
advice="install redis-server, or name a running one in IMAGIOO_TEST_REDIS"

if [ "${1:-}" != --fetch ] && found=$(command -v redis-server); then
    echo "$found"
    exit
fi
mkdir -p "$(dirname "$server")"
exec 9>"$server.lock"
flock 9
if ! "$server/redis-server" --version >/dev/null 2>&1; then
    unpack_packages "$server" redis-server redis-tools libjemalloc2 liblzf1 ||
        { echo "Redis could not be fetched; $advice" >&2; exit 1; }
    libraries=$(uname -m)-linux-gnu
    cat >"$server/redis-server" <<-WRAPPER
		#!/bin/sh
		export LD_LIBRARY_PATH="$server/usr/lib/$libraries:$server/lib/$libraries"
		exec "$server/usr/bin/redis-server" "\$@"
	WRAPPER
    chmod +x "$server/redis-server"
fi
"$server/redis-server" --version >/dev/null || { echo "the fetched Redis does not run here; $advice" >&2; exit 1; }
echo "$server/redis-server"
