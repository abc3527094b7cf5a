#!/usr/bin/env perl
# What depends on the order of bytes, on 64 bits, big-endian.
use strict;
use warnings;
use lib 'tests/arch';
use Arch;

runs('s390x-linux-gnu', 'qemu-s390x', qw(sign));
