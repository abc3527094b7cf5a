#!/usr/bin/env perl
# What depends on the order of bytes and on alignment, on 32 bits, big-endian.
use strict;
use warnings;
use lib 'tests/arch';
use Arch;

runs('mips-linux-gnu', 'qemu-mips', qw(frame));
