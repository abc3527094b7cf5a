#!/bin/sh
# Reads many frames back with the reference decoders, also with blocks so small that frames
# have many; then makes mutants of the encoder and sees each one caught. frames.t [decodes]
cd "$(dirname "$0")/../.." || exit 1
decodes=${1:-400000}
out=build/frame
cc=${CC:-cc}
libs='-lbrotlidec -lbrotlienc -lz -lsqlite3 -lpthread -lm'
number=0
failed=0
small='s/SSE__BLOCK *= 1 << 20/SSE__BLOCK = 1 << 12/'
mkdir -p "$out"

report() { # report STATUS NAME
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then echo "ok $number - $2"; else echo "not ok $number - $2"; failed=1; fi
}

build() { # build HEADER PROGRAM FLAGS...; without a program what follows fails
    header=$1 program=$2
    shift 2
    rm -f "$program"
    sed "s|../../sse.h|$header|" tests/frame/frames.c >"$program.c" &&
        $cc -std=gnu99 -O2 -DSSE_STATIC -I. -Itests -Itests/frame "$@" "$program.c" \
            -o "$program" $libs
}

passes() { # passes NAME PROGRAM DECODES
    "$2" "$3" >"$2.log"
    status=$?
    sed 's/^/# /' "$2.log"
    report $status "$1"
}

# The rules that make a frame fit behind anything (Z1 to Z4), each broken by one edit that must
# change the source.
caught() { # caught NAME SED-EXPRESSION
    mutant=$out/mutant.h
    sed -e "$small" -e "$2" sse.h >"$mutant"
    sed -e "$small" sse.h | cmp -s - "$mutant" &&
        { report 1 "$1: the edit does not apply"; return; }
    build build/frame/mutant.h "$out/mutant" -w -DNDEBUG -O1 ||
        { report 1 "$1: does not compile"; return; }
    timeout 120 "$out/mutant" 4000 >"$out/mutant.log" 2>&1
    case $? in 0 | 124) report 1 "$1 is caught" ;; *) report 0 "$1 is caught" ;; esac
}

build sse.h "$out/frames" -DNDEBUG
passes "frames decode" "$out/frames" "$decodes"
sed -e "$small" sse.h >"$out/small.h"
build build/frame/small.h "$out/small" -fsanitize=address,undefined -fno-sanitize-recover=undefined
passes "frames of many blocks decode" "$out/small" 10000

sed -e 's/#define SSE__LITTLE_ENDIAN .*/#define SSE__LITTLE_ENDIAN 0/' \
    -e 's/^#if defined(__GNUC__)/#if 0/' sse.h >"$out/plain.h"
build build/frame/plain.h "$out/plain"
passes "frames decode without builtins and wide loads" "$out/plain" 10000

caught "a key with the distance ring of the last frame" \
    's|memset(p->ring, 0, sizeof p->ring); /\* Z1 \*/||'
caught "a delta with the distance ring of a delta where others in sync had a key" \
    's|if (synced) memset(c->ring, 0, sizeof c->ring);||'
caught "a delta with the distance ring of another channel" \
    's|memcpy(p->ring, c->ring, sizeof p->ring);||'
caught "a distance ring not restored after an uncompressed block" \
    's|memcpy(p->ring, ring_before, sizeof p->ring);||'
caught "a delta that reaches back before the sync point" \
    's|s->floor = c->next_floor;|s->floor = 0;|'
caught "a key that does not move the sync point" 's|if (c->syncs) c->next_floor = c->last.start;||'
caught "a key that calls a client in sync when it is not" \
    's|\*mark = c->syncs ? c->mark : 0;|*mark = c->mark;|'
caught "a window that reaches into the static dictionary" \
    's|((uint32_t)1 << lgwin) - 16|((uint32_t)1 << lgwin) + 4000|'
caught "a brotli frame that is not aligned" 's|sse__put_bits(p, 6, 6);|{}|'
caught "a gzip frame that is not aligned" 's|sse__gzip_align(&p->out);|{}|'
caught "a gzip length that is not combined" 's|stream->len += frame->len;||'
caught "a gzip CRC that is not combined" \
    's|sse__crc_multiply(stream->crc, frame->shift) ^ frame->crc|stream->crc ^ frame->crc|'
echo "1..$number"
exit $failed
