#!/usr/bin/env perl
# What depends on the sizes of size_t and off_t, on 32-bit ARM.
use strict;
use warnings;
use lib 'tests/arch';
use Arch;

runs('arm-linux-gnueabihf', 'qemu-arm', qw(large));
