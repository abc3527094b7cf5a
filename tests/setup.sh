#!/bin/sh
# Installs what a target of the Makefile lacks: with apt-get where there is one, elsewhere it names
# the packages, by names that Debian 12 and 13 and Ubuntu 24.04 share. A server that is only to be
# measured may be missing.
# usage: sh tests/setup.sh run [PORT] | check | layers | fuzz | bench | portable | test
set -eu
cd "$(dirname "$0")/.."
mkdir -p build
for_what=${1:-}
case $for_what in
run | check | layers | fuzz | bench | portable | test) ;;
*)
    sed -n "s/^# usage/usage/p" tests/setup.sh >&2
    exit 2
    ;;
esac
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

works() { # works NAME PROGRAM: what was unpacked to build/NAME.new runs
    if [ "$1" != nchan ]; then
        "build/$1.new/$2" -v || "build/$1.new/$2" version
        return
    fi
    # nchan, a module of nginx, makes one directory where no option can move it: to /tmp.
    perl -pi -e 's{/var/lib/nginx/body}{/tmp/sse-nchan-body}' "build/nchan.new/$2"
    echo "load_module $PWD/build/nchan.new/$2; pid $PWD/build/nchan.new/pid; events {}" \
        >build/nchan.new/conf
    nginx=build/nginx/usr/sbin/nginx
    [ -x $nginx ] || nginx=nginx
    $nginx -t -p "$PWD/build/nchan.new" -c "$PWD/build/nchan.new/conf" -e stderr
}

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
                works "$name" "$program" &&
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

# apt ARGUMENTS...: waits for another apt-get, as fresh machines update themselves, and ends what an
# interrupted one had begun. Lists and archives have locks of their own, for which no option waits.
apt() {
    tries=0
    until $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -o DPkg::Lock::Timeout=300 "$@" >build/setup.log 2>&1; do
        tries=$((tries + 1))
        if grep -q 'dpkg --configure -a' build/setup.log && [ $tries = 1 ]; then
            echo "An earlier apt-get was interrupted; dpkg ends its work first"
            $as_root env DEBIAN_FRONTEND=noninteractive dpkg --configure -a >build/setup.log 2>&1 ||
                { tail -20 build/setup.log >&2; exit 1; }
        elif grep -qiE 'could not (get|open) lock|unable to (lock|acquire)' build/setup.log &&
            [ $tries -le 60 ]; then
            [ $tries -gt 1 ] ||
                echo "Another apt-get is at work; waiting for it (five minutes at most)"
            sleep 5
        else
            tail -20 build/setup.log >&2
            exit 1
        fi
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
    apt update
    # shellcheck disable=SC2086
    apt install -y --no-install-recommends $missing
    missing=
}

node_is_recent() { node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)'; }

# unpacked NAME PROGRAM PACKAGE...: for servers that Debian would start, were they installed
unpacked() {
    [ ! -x "/$2" ] && [ ! -d "build/$1" ] || return 0
    echo "Unpacking to build/$1: $1"
    unpack "$@" || { apt update && unpack "$@"; } || {
        cat build/setup.log >&2
        echo "$1 is missing: please install it" >&2
        exit 1
    }
}

npm_installed() { # npm_installed FROM TO: what FROM/package.json names, to TO
    ! cmp -s "$1/package.json" "$2/package.json" || return 0
    names=$(sed -n 's/^    "\(.*\)": "\(.*\)",*$/\1@\2/p' "$1/package.json" | tr '\n' ' ')
    echo "Installing with npm to $2: $names"
    rm -rf "$2" "$2.new"
    mkdir -p "$2.new"
    cp "$1/package.json" "$2.new/package.json"
    (cd "$2.new" && npm install --no-audit --no-fund --ignore-scripts --loglevel=error) \
        >build/setup.log 2>&1 ||
        { cat build/setup.log >&2; exit 1; }
    mv "$2.new" "$2"
}

# SQLite in one file, for machines that Debian has no library for: its own site is not asked, npm is
sqlite_source() {
    [ ! -f build/sqlite/sqlite3.c ] || return 0
    echo "Unpacking to build/sqlite: the source of SQLite, from npm"
    rm -rf build/sqlite build/sqlite.new
    mkdir -p build/sqlite.new
    (cd build/sqlite.new && npm pack --silent better-sqlite3@11.10.0 &&
        tar -xzf better-sqlite3-*.tgz --strip-components=3 package/deps/sqlite3 &&
        rm better-sqlite3-*.tgz && test -f sqlite3.c) >build/setup.log 2>&1 ||
        { cat build/setup.log >&2; exit 1; }
    mv build/sqlite.new build/sqlite
}

port_is_free() { # port_is_free PORT: or says what to do
    cat >"build/probe$$.c" <<'END'
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
int main(int argc, char **argv) {
    struct sockaddr_in a;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons((unsigned short)atoi(argv[argc - 1]));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (!bind(fd, (struct sockaddr *)&a, sizeof a) && !listen(fd, 1)) return 0;
    return errno == EADDRINUSE ? 3 : errno == EACCES ? 4 : 0;
}
END
    status=0
    "$cc" "build/probe$$.c" -o "build/probe$$" && "build/probe$$" "$1" || status=$?
    rm -f "build/probe$$" "build/probe$$.c"
    next=$(($1 % 65535 + 1))
    case $status in
    3) echo "Port $1 is taken: something else listens there. Another: make run PORT=$next" >&2 ;;
    4) echo "Port $1 is for root only. One for all: make run PORT=8080" >&2 ;;
    *) return 0 ;;
    esac
    exit 1
}

is_port() { # whether it is a number from 1 to 65535, or says so
    case $1 in
    "" | 0* | *[!0-9]* | ??????*) ;;
    *) [ "$1" -lt 1 ] || [ "$1" -gt 65535 ] || return 0 ;;
    esac
    echo "PORT=$1 is no port. A number from 1 to 65535 is: make run PORT=8001" >&2
    exit 1
}

emulates() { command -v qemu-mips-static || command -v qemu-mips; } # newer Debians: the second

# servers that only `make bench` wants
peers() {
    lacks libwebsockets-dev links "$cc" libwebsockets.h -lwebsockets
    lacks libmicrohttpd-dev links "$cc" microhttpd.h -lmicrohttpd
    lacks "nodejs ca-certificates" command -v node
    lacks npm command -v npm
    (install) || echo "These are not measured:$missing"
    missing=
    (unpacked nginx usr/sbin/nginx nginx nginx-core) || return 0
    (unpacked nchan usr/lib/nginx/modules/ngx_nchan_module.so libnginx-mod-nchan) || return 0
    ! command -v npm >/dev/null || (npm_installed tests/bench build/bench/node) || return 0
}

[ "$for_what" != run ] || is_port "${2:-8000}"
lacks "gcc libc6-dev" links "$cc" stdio.h
lacks libsqlite3-dev links "$cc" sqlite3.h -lsqlite3
lacks libbrotli-dev links "$cc" brotli/encode.h -lbrotlienc
case $for_what in
check | fuzz) lacks clang command -v clang ;;
esac
case $for_what in
check | layers) lacks perl sh -c 'command -v prove && perl -MTest::More -e 1' ;;
esac
case $for_what in
layers) lacks gcc command -v gcc && lacks binutils command -v size ;;
fuzz) lacks zlib1g-dev links "$cc" zlib.h -lz ;;
esac
if [ "$for_what" = test ] || [ "$for_what" = portable ]; then
    lacks sqlite3 command -v sqlite3
    lacks perl sh -c 'command -v prove && perl -MTest::More -e 1'
    lacks binutils command -v nm
    lacks gcc command -v gcc
    lacks g++ command -v g++
    lacks clang command -v clang
    lacks tcc command -v tcc
    lacks musl-tools command -v musl-gcc
    lacks "gcc-mips-linux-gnu libc6-dev-mips-cross" command -v mips-linux-gnu-gcc
    lacks "gcc-s390x-linux-gnu libc6-dev-s390x-cross" command -v s390x-linux-gnu-gcc
    lacks "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross" command -v arm-linux-gnueabihf-gcc
    lacks qemu-user-static emulates
    lacks "nodejs ca-certificates" command -v node
    lacks npm command -v npm
fi
if [ "$for_what" = portable ]; then
    # not gcc-multilib for 32 bits: apt would remove the compilers for other machines for it
    lacks "gcc-i686-linux-gnu libc6-dev-i386-cross" command -v i686-linux-gnu-gcc
    lacks "gcc-riscv64-linux-gnu libc6-dev-riscv64-cross" command -v riscv64-linux-gnu-gcc
fi
if [ "$for_what" = test ]; then
    lacks zlib1g-dev links "$cc" zlib.h -lz
    lacks git command -v git
    lacks pkg-config command -v pkg-config
    lacks cmake command -v cmake
    lacks procps command -v ps
    lacks spin command -v spin
    lacks openssh-client command -v ssh
    lacks openssh-server test -x /usr/sbin/sshd
    lacks openssl command -v openssl
    # for examples/cluster.c; the server is in redis-tools, redis-server only starts it
    lacks libhiredis-dev links "$cc" hiredis/async.h -lhiredis
    lacks redis-tools sh -c 'command -v redis-server || command -v redis-check-rdb'
    # for examples/embed.c, in the loops of others
    lacks libuv1-dev links "$cc" uv.h -luv
    lacks libglib2.0-dev pkg-config --exists glib-2.0
    # Ubuntu's browsers are snaps, which do not run everywhere: there playwright fetches its own
    # Chromium below, and Firefox is left out.
    if ! grep -qs '^ID=ubuntu' /etc/os-release; then
        lacks chromium command -v chromium
        lacks chromium-headless-shell command -v chromium-headless-shell
        lacks firefox-esr command -v firefox-esr
    fi
fi
if [ "$for_what" = bench ]; then
    lacks zlib1g-dev links "$cc" zlib.h -lz
    lacks perl perl -MTime::HiRes -MPOSIX -e 1
fi
install
case $for_what in
run) port_is_free "${2:-8000}" ;;
bench) peers ;;
portable) sqlite_source ;;
esac
case $for_what in
test | fuzz | check) ;;
*) exit 0 ;;
esac

# The sanitizers' runtime is a package of its own where clang is split finely.
if ! fuzzes >/dev/null 2>&1; then
    missing=" libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
    install
fi
[ "$for_what" = test ] || exit 0

unpacked nginx usr/sbin/nginx nginx nginx-core # the second has the program on older Ubuntus
unpacked caddy usr/bin/caddy caddy
if ! node_is_recent; then
    echo "node is older than 18: please install a newer one" >&2
    exit 1
fi
npm_installed tests build/node
if ! command -v chromium-headless-shell >/dev/null && [ ! -d build/browsers ]; then
    echo "Installing with playwright to build/browsers: chromium (the system's is a snap, or none)"
    rm -rf build/browsers.new
    PLAYWRIGHT_BROWSERS_PATH="$PWD/build/browsers.new" \
        node build/node/node_modules/playwright-core/cli.js \
        install --with-deps --only-shell chromium >build/setup.log 2>&1 ||
        { tail -20 build/setup.log >&2; exit 1; }
    mv build/browsers.new build/browsers
fi
