#!/usr/bin/env perl
# What depends on alignment and the size of size_t, on 32-bit ARM.
use strict;
use warnings;
use lib 'tests/arch';
use Arch;

runs('arm-linux-gnueabihf', 'qemu-arm-static', qw(base buf table frame));
