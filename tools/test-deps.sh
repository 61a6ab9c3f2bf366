#!/usr/bin/env bash
# Installs what the tests need and this machine lacks: the real clients and
# verifiers that the proxy and its CA are held against. Debian and its kin only;
# elsewhere it says what is missing. It never fails by itself: a test that lacks
# its tool is skipped, or fails where CI is set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { echo "test-deps: $*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
# Debian's modules are there for Debian's Python alone.
imports() { [ -x /usr/bin/python3 ] && /usr/bin/python3 -c "import $1" >/dev/null 2>&1; }

packages=()
want() { packages+=("$@"); }
have gcc || want gcc libc6-dev # the race detector
have curl || want curl
have wget || want wget
have openssl || want openssl
have gnutls-cli || want gnutls-bin
have az || want azure-cli
imports requests || want python3-requests
imports azure.mgmt.resource,azure.identity || want python3-azure
have node || want nodejs
have npm || want npm
have chromium || want chromium
have mkfs.ext4 || [ -x /sbin/mkfs.ext4 ] || want e2fsprogs
have fish || want fish
have zsh || want zsh
{ have javac && have keytool; } || want default-jdk-headless
[ -e /etc/ssl/certs/ca-certificates.crt ] || want ca-certificates

install() {
    if ! have apt-get; then
        say "this is no Debian; the tests could use: $*"
        return 0
    fi
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! have sudo || ! sudo -n true 2>/dev/null; then
            say "run as root: apt-get install -y --no-install-recommends $*"
            return 0
        fi
        root=(sudo -n)
    fi
    local apt=("${root[@]+"${root[@]}"}" env DEBIAN_FRONTEND=noninteractive apt-get -qq
        -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 -o Dpkg::Use-Pty=0)
    say "installing $* (azure-cli takes some minutes)"
    if ! "${apt[@]}" update >&2 </dev/null; then
        say "the package lists cannot be read; trying with the old ones"
    fi
    if "${apt[@]}" install -y --no-install-recommends "$@" >/dev/null </dev/null; then
        return 0
    fi
    # One that this release does not have must not keep the others away.
    local package
    for package in "$@"; do
        "${apt[@]}" install -y --no-install-recommends "$package" >/dev/null </dev/null ||
            say "$package cannot be installed here"
    done
}
if [ "${#packages[@]}" -gt 0 ]; then
    install "${packages[@]}"
fi

# The Azure SDK for JavaScript, by its lock file. npm writes the hidden lock last.
js=e2e/clients/js
if have npm && [ -f "$js/package-lock.json" ] && [ ! "$js/node_modules/.package-lock.json" -nt "$js/package-lock.json" ]; then
    say "npm ci in $js"
    (cd "$js" && npm ci --ignore-scripts --no-audit --no-fund >&2 </dev/null) || say "npm ci failed; its tests will say so"
fi
