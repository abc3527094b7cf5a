#!/bin/sh
# Installs what `make run` or `make test` lacks: with apt-get where there is one, elsewhere it names the packages.
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

unpack_nginx() { # to build/nginx: were it installed, Debian would start it
    for package in nginx nginx-core; do # the second has the program on older Ubuntus
        mkdir -p build/nginx
        (cd build/nginx && apt-get -qq download "$package" && dpkg-deb -x "$package"_*.deb .) >build/setup.log 2>&1 &&
            build/nginx/usr/sbin/nginx -v 2>>build/setup.log && return 0
        rm -r build/nginx
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
    printf '#include <stddef.h>\nint LLVMFuzzerTestOneInput(const char *p, size_t n) { return !p && n; }\n' >"build/probe$$.c"
    status=0
    clang "build/probe$$.c" -o "build/probe$$" -fsanitize=fuzzer,address || status=$?
    rm -f "build/probe$$" "build/probe$$.c"
    return $status
}

update() { $as_root apt-get -qq update >build/setup.log 2>&1 || { cat build/setup.log >&2; exit 1; }; }

install() {
    [ -n "$missing" ] || return 0
    if ! command -v apt-get >/dev/null; then
        echo "These are missing (names as in Debian; please install them):$missing" >&2
        exit 1
    fi
    if [ -n "$as_root" ] && ! command -v sudo >/dev/null; then
        echo "These are missing, and there is no sudo to install them with: apt-get install$missing" >&2
        exit 1
    fi
    echo "Installing with apt-get:$missing"
    update
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing >>build/setup.log 2>&1 ||
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
    # Ubuntu's chromium is a snap, which does not run everywhere: there playwright fetches its own below.
    grep -qs '^ID=ubuntu' /etc/os-release || lacks chromium command -v chromium
fi
install
[ "$1" = test ] || exit 0

if ! fuzzes >/dev/null 2>&1; then # the sanitizers' runtime is a package of its own where clang is split finely
    missing=" libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
    install
fi
if [ ! -x /usr/sbin/nginx ] && [ ! -d build/nginx ]; then
    echo "Unpacking to build/nginx: nginx"
    unpack_nginx || { update && unpack_nginx; } || { cat build/setup.log >&2; echo "nginx is missing: please install it" >&2; exit 1; }
fi
if ! node_is_recent; then
    echo "node is older than 18: please install a newer one" >&2
    exit 1
fi
if ! cmp -s tests/package.json build/node/package.json; then
    echo "Installing with npm to build/node: $(sed -n 's/^    "\(.*\)": "\(.*\)",*$/\1@\2/p' tests/package.json | tr '\n' ' ')"
    mkdir -p build/node
    cp tests/package.json build/node/package.json
    (cd build/node && npm install --no-audit --no-fund --ignore-scripts --loglevel=error) >build/setup.log 2>&1 ||
        { rm build/node/package.json; cat build/setup.log >&2; exit 1; }
fi
if ! command -v chromium >/dev/null && [ ! -d build/browsers ]; then
    echo "Installing with playwright to build/browsers: chromium"
    PLAYWRIGHT_BROWSERS_PATH="$PWD/build/browsers" node build/node/node_modules/playwright-core/cli.js \
        install --with-deps --only-shell chromium >build/setup.log 2>&1 ||
        { rm -rf build/browsers; tail -20 build/setup.log >&2; exit 1; }
fi
