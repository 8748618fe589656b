#!/usr/bin/env bash
# Names the tools that a build needs and this machine lacks, and how to get them.
set -euo pipefail
missing=0
need() { # COMMAND, what to do
    if ! eval "$1" >/dev/null 2>&1; then
        echo "imagioo needs $2" >&2
        missing=1
    fi
}
need "cargo --version" "Rust 1.95 or newer: https://rustup.rs"
need "cc --version" "a C compiler: apt-get install gcc libc6-dev"
need "python3 -m pip --version" "Python with pip: apt-get install python3-pip"
exit "$missing"
