#!/bin/sh
# Runs a test with its stderr in build/test.log. If prove read that as well (without --merge), it
# would, after each word there and at its end, read nothing of the others until this test's next
# result. usage: sh tests/apart.sh TEST
case $1 in *.t) set -- perl "$@" ;; esac
exec "$@" 2>>build/test.log
