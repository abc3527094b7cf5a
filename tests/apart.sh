#!/bin/sh
# Runs a test with its stderr in build/test.log. Where prove reads it, what a test says there stops
# all reading of the others until that test has its next result. usage: sh tests/apart.sh TEST
case $1 in *.t) set -- perl "$@" ;; esac
exec "$@" 2>>build/test.log
