#!/usr/bin/env perl
# All pure sections on 32 bits, big-endian.
use strict;
use warnings;
use lib 'tests/arch';
use Arch;

runs('mips-linux-gnu', 'qemu-mips-static', pure());
