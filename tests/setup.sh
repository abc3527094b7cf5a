#!/bin/sh
# Installs what `make run` or `make test` lacks: with apt-get where there is one, elsewhere it names
# the packages.
# usage: sh tests/setup.sh run|test
set -eu
cd "$(dirname "$0")/.."
mkdir -p build
cc=${CC:-cc}
missing=
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo

lacks() { # lacks PACKAGE COMMAND...: notes the package if the command fails
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}

# Whatever is made in build/ is made beside its place and moved there whole: an interrupted set-up
# begins anew.

# unpack NAME PROGRAM PACKAGE...: the program, from the first package that has it, to build/NAME
unpack() {
    name=$1 program=$2
    shift 2
    for package in "$@"; do
        rm -rf "build/$name.new"
        mkdir -p "build/$name.new"
        {
            (cd "build/$name.new" && apt-get -qq download "$package" &&
                dpkg-deb -x "$package"_*.deb . && rm "$package"_*.deb) &&
                { "build/$name.new/$program" -v || "build/$name.new/$program" version; } &&
                mv "build/$name.new" "build/$name"
        } >build/setup.log 2>&1 && return 0
        rm -rf "build/$name.new"
    done
    return 1
}

links() { # links COMPILER HEADER FLAGS...
    compiler=$1 header=$2
    shift 2
    printf '#include <%s>\nint main(void) { return 0; }\n' "$header" >"build/probe$$.c"
    status=0
    "$compiler" "build/probe$$.c" -o "build/probe$$" "$@" || status=$?
    rm -f "build/probe$$" "build/probe$$.c"
    return $status
}

fuzzes() {
    {
        echo '#include <stddef.h>'
        echo 'int LLVMFuzzerTestOneInput(const char *p, size_t n) { return !p && n; }'
    } >"build/probe$$.c"
    status=0
    clang "build/probe$$.c" -o "build/probe$$" -fsanitize=fuzzer,address || status=$?
    rm -f "build/probe$$" "build/probe$$.c"
    return $status
}

apt() { # waits for another apt-get: fresh machines update themselves
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@"
}

update() { # the lists have a lock of their own, which no option waits for
    tries=0
    until apt update >build/setup.log 2>&1; do
        tries=$((tries + 1))
        if ! grep -qi 'could not get lock' build/setup.log || [ $tries -gt 60 ]; then
            cat build/setup.log >&2
            exit 1
        fi
        [ $tries -gt 1 ] || echo "Another apt-get is at work; waiting for it (five minutes at most)"
        sleep 5
    done
}

install() {
    [ -n "$missing" ] || return 0
    if ! command -v apt-get >/dev/null; then
        echo "These are missing (names as in Debian; please install them):$missing" >&2
        exit 1
    fi
    if [ -n "$as_root" ] && ! command -v sudo >/dev/null; then
        echo "These are missing, and there is no sudo to install them: apt-get install$missing" >&2
        exit 1
    fi
    echo "Installing with apt-get:$missing"
    update
    # shellcheck disable=SC2086
    apt install -y --no-install-recommends $missing >>build/setup.log 2>&1 ||
        { tail -20 build/setup.log >&2; exit 1; }
    missing=
}

node_is_recent() { node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)'; }

lacks "gcc libc6-dev" links "$cc" stdio.h
lacks libsqlite3-dev links "$cc" sqlite3.h -lsqlite3
lacks libbrotli-dev links "$cc" brotli/encode.h -lbrotlienc
if [ "$1" = test ]; then
    lacks zlib1g-dev links "$cc" zlib.h -lz
    lacks perl sh -c 'command -v prove && perl -MTest::More -e 1'
    lacks binutils command -v nm
    lacks git command -v git
    lacks pkg-config command -v pkg-config
    lacks cmake command -v cmake
    lacks gcc command -v gcc
    lacks g++ command -v g++
    lacks clang command -v clang
    lacks tcc command -v tcc
    lacks musl-tools command -v musl-gcc
    lacks sqlite3 command -v sqlite3
    lacks procps command -v ps
    lacks "gcc-mips-linux-gnu libc6-dev-mips-cross" command -v mips-linux-gnu-gcc
    lacks "gcc-s390x-linux-gnu libc6-dev-s390x-cross" command -v s390x-linux-gnu-gcc
    lacks "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross" command -v arm-linux-gnueabihf-gcc
    lacks qemu-user-static command -v qemu-mips-static
    lacks openssh-client command -v ssh
    lacks openssh-server test -x /usr/sbin/sshd
    lacks openssl command -v openssl
    lacks "nodejs ca-certificates" command -v node
    lacks npm command -v npm
    # Ubuntu's browsers are snaps, which do not run everywhere: there playwright fetches its own
    # Chromium below, and Firefox is left out.
    if ! grep -qs '^ID=ubuntu' /etc/os-release; then
        lacks chromium command -v chromium
        lacks firefox-esr command -v firefox-esr
    fi
fi
install
[ "$1" = test ] || exit 0

# The sanitizers' runtime is a package of its own where clang is split finely.
if ! fuzzes >/dev/null 2>&1; then
    missing=" libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
    install
fi

# unpacked NAME PROGRAM PACKAGE...: for servers that Debian would start, were they installed
unpacked() {
    [ ! -x "/$2" ] && [ ! -d "build/$1" ] || return 0
    echo "Unpacking to build/$1: $1"
    unpack "$@" || { update && unpack "$@"; } || {
        cat build/setup.log >&2
        echo "$1 is missing: please install it" >&2
        exit 1
    }
}
unpacked nginx usr/sbin/nginx nginx nginx-core # the second has the program on older Ubuntus
unpacked caddy usr/bin/caddy caddy
if ! node_is_recent; then
    echo "node is older than 18: please install a newer one" >&2
    exit 1
fi
if ! cmp -s tests/package.json build/node/package.json; then
    names=$(sed -n 's/^    "\(.*\)": "\(.*\)",*$/\1@\2/p' tests/package.json | tr '\n' ' ')
    echo "Installing with npm to build/node: $names"
    rm -rf build/node build/node.new
    mkdir -p build/node.new
    cp tests/package.json build/node.new/package.json
    (cd build/node.new && npm install --no-audit --no-fund --ignore-scripts --loglevel=error) \
        >build/setup.log 2>&1 ||
        { cat build/setup.log >&2; exit 1; }
    mv build/node.new build/node
fi
if ! command -v chromium >/dev/null && [ ! -d build/browsers ]; then
    echo "Installing with playwright to build/browsers: chromium"
    rm -rf build/browsers.new
    PLAYWRIGHT_BROWSERS_PATH="$PWD/build/browsers.new" \
        node build/node/node_modules/playwright-core/cli.js \
        install --with-deps --only-shell chromium >build/setup.log 2>&1 ||
        { tail -20 build/setup.log >&2; exit 1; }
    mv build/browsers.new build/browsers
fi
