#!/bin/sh
# Runs a test with its stderr in build/test.log. Where prove reads that, too (without --merge), it
# reads nothing of the others from what a test says there, or its end, to that test's next result.
# usage: sh tests/apart.sh TEST
case $1 in *.t) set -- perl "$@" ;; esac
exec "$@" 2>>build/test.log
