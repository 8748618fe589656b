#!/usr/bin/env bash
# Finds RabbitMQ and Erlang, else fetches them from the distribution into .local/servers/rabbitmq. Needs no root and
# starts no service. Prints the folders to put before PATH.
set -euo pipefail
cd "$(dirname "$0")/../.."
servers=$PWD/.local/servers/rabbitmq
packages=(rabbitmq-server erlang-{base,asn1,crypto,eldap,ftp,inets,mnesia,os-mon,parsetools,public-key}
    erlang-{runtime-tools,snmp,ssl,syntax-tools,tftp,tools,xmerl})

sbin_under() { # ROOT: the newest RabbitMQ there
    find "$1"/usr/lib/rabbitmq/lib -maxdepth 2 -path '*/rabbitmq_server-*/sbin' 2>/dev/null | sort -V | tail -n 1 || true
}
found=$(sbin_under "")
if [ -n "$found" ] && command -v erl >/dev/null; then
    echo "$found"
    exit
fi
advice="install rabbitmq-server, or name a running one in IMAGIOO_TEST_RABBITMQ"

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
    ) >&2 || { echo "RabbitMQ could not be fetched; $advice" >&2; exit 1; }
    rm -rf "$fresh"/{packages,state,cache}
    # Erlang knows where it is installed; dpkg -x put it elsewhere.
    sed -i "s|ROOTDIR=/usr/lib/erlang\$|ROOTDIR=$servers/root/usr/lib/erlang|" \
        "$fresh"/root/usr/lib/erlang/bin/{erl,start} "$fresh"/root/usr/lib/erlang/erts-*/bin/{erl,start}
    rm -rf "$servers"
    mv "$fresh" "$servers"
    trap - EXIT
}

mkdir -p "$(dirname "$servers")"
exec 9>"$servers.lock"
flock 9
erlang=$servers/root/usr/lib/erlang
# A clone that was moved no longer fits the paths inside.
grep -qs "ROOTDIR=$erlang\$" "$erlang/bin/erl" || fetch
"$erlang/bin/erl" -noinput -boot start_clean -eval '{ok, _} = application:ensure_all_started(ssl), halt().' >&2 ||
    { echo "the fetched Erlang does not run here; $advice" >&2; exit 1; }
echo "$(sbin_under "$servers/root"):$erlang/bin:$(echo "$erlang"/erts-*/bin)"
