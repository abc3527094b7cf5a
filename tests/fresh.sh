#!/bin/sh
# Proves what the README says of a fresh machine: in an empty Debian with nothing but cc and make,
# `make test` installs the rest and passes, and `make` builds the examples without a warning. Takes
# root, debootstrap, a network and some minutes.
# usage: sh tests/fresh.sh [SUITE [DIRECTORY]]
# By default bookworm, in a new directory under /var/tmp; removed afterwards, as is DIRECTORY, which
# must not be there yet.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
suite=${1:-bookworm}

fail() {
    echo "tests/fresh.sh $1" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || fail "needs root: it makes a root directory and changes into it"
command -v debootstrap >/dev/null || fail "needs debootstrap: apt-get install debootstrap"
if [ $# -ge 2 ]; then
    fresh=$2
    mkdir "$fresh" ||
        fail "makes its directory itself, and removes it afterwards: name one that is not there"
else
    fresh=$(mktemp -d /var/tmp/fresh-XXXXXX)
fi
mounted=

finish() {
    for place in $mounted; do
        umount "$place" || { echo "still mounted, so kept: $fresh" >&2; return; }
    done
    rm -rf --one-file-system "$fresh"
}
trap finish EXIT
trap 'exit 1' INT TERM

mount_in() { # mount_in PLACE ARGUMENTS...
    place=$fresh/$1
    shift
    mkdir -p "$place"
    mount "$@" "$place"
    mounted="$place $mounted"
}

echo "== $suite in $fresh"
debootstrap --variant=minbase --include=gcc,libc6-dev,make "$suite" "$fresh" >"$fresh.log" 2>&1 ||
    { tail "$fresh.log" >&2; exit 1; }
rm -f "$fresh.log"
cp /etc/resolv.conf "$fresh/etc/resolv.conf"
# A company's proxy is trusted inside if it is outside.
trusted=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}
[ ! -f "$trusted" ] || cp "$trusted" "$fresh/root/trusted.crt"
mount_in proc -t proc proc
mount_in dev/shm -t tmpfs tmpfs
mount_in dev/pts -t devpts devpts
git clone -q "$top" "$fresh/root/sse"
status=0
chroot "$fresh" /usr/bin/env -i \
    HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin CI=true NODE_EXTRA_CA_CERTS=/root/trusted.crt \
    sh -c 'make -C /root/sse test && make -C /root/sse -B -j2 STRICT=-Werror all' || status=$?
echo "== make test, and make all, on a fresh $suite: status $status"
exit "$status"
