#!/usr/bin/env perl
# What depends on alignment and the sizes of size_t and off_t, on 32-bit ARM.
use strict;
use warnings;
use lib 'tests/arch';
use Arch;

runs('arm-linux-gnueabihf', 'qemu-arm-static', qw(base buf table frame large),
    'large -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64');
