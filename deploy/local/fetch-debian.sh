# Sourced by the fetch scripts: takes packages of the distribution apart into a folder. Needs no root, starts nothing.

# unpack_packages FOLDER PACKAGE...: their files, as they would lie under /
unpack_packages() {
    local into=$1 fresh options
    shift
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || { echo "no apt-get here" >&2; return 1; }
    fresh=$(mktemp -d "$into.XXXXXX")
    mkdir -p "$fresh"/{packages,root,state/lists/partial,cache/archives/partial}
    options=(-qq -o "APT::Sandbox::User=$(id -un)")
    (
        set -e
        cd "$fresh/packages"
        # The machine's own lists may be missing or old; private ones need no root.
        apt-get "${options[@]}" download "$@" 2>/dev/null || {
            options+=(-o "Dir::State=$fresh/state" -o "Dir::Cache=$fresh/cache")
            options+=(-o Dir::State::status=/var/lib/dpkg/status)
            apt-get "${options[@]}" update && apt-get "${options[@]}" download "$@"
        }
        for package in ./*.deb; do
            dpkg -x "$package" "$fresh/root"
        done
    ) >&2 || { rm -rf "$fresh"; return 1; }
    rm -rf "$into"
    mv "$fresh/root" "$into"
    rm -rf "$fresh"
}
