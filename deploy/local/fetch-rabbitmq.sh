#!/usr/bin/env bash
# Finds RabbitMQ and Erlang, else fetches them from the distribution into .local/servers/rabbitmq. Needs no root and
# starts no service. Prints the folders to put before PATH.
set -euo pipefail
cd "$(dirname "$0")/../.."
source deploy/local/fetch-debian.sh
server=$PWD/.local/servers/rabbitmq
packages=(rabbitmq-server erlang-{base,asn1,crypto,eldap,ftp,inets,mnesia,os-mon,parsetools,public-key}
    erlang-{runtime-tools,snmp,ssl,syntax-tools,tftp,tools,xmerl})
advice="install rabbitmq-server, or name a running one in IMAGIOO_TEST_RABBITMQ"

sbin_under() { # ROOT: the newest RabbitMQ there
    find "$1"/usr/lib/rabbitmq/lib -maxdepth 2 -path '*/rabbitmq_server-*/sbin' 2>/dev/null | sort -V | tail -n 1 || true
}
found=$(sbin_under "")
if [ "${1:-}" != --fetch ] && [ -n "$found" ] && command -v erl >/dev/null; then
    echo "$found"
    exit
fi
mkdir -p "$(dirname "$server")"
exec 9>"$server.lock"
flock 9
erlang=$server/usr/lib/erlang
# A clone that was moved no longer fits the paths inside.
if ! grep -qs "ROOTDIR=$erlang\$" "$erlang/bin/erl"; then
    unpack_packages "$server" "${packages[@]}" || { echo "RabbitMQ could not be fetched; $advice" >&2; exit 1; }
    # Erlang knows where it is installed; here it lies elsewhere.
    sed -i "s|ROOTDIR=/usr/lib/erlang\$|ROOTDIR=$erlang|" "$erlang"/bin/{erl,start} "$erlang"/erts-*/bin/{erl,start}
fi
"$erlang/bin/erl" -noinput -boot start_clean -eval '{ok, _} = application:ensure_all_started(ssl), halt().' >&2 ||
    { echo "the fetched Erlang does not run here; $advice" >&2; exit 1; }
echo "$(sbin_under "$server"):$erlang/bin:$(echo "$erlang"/erts-*/bin)"
