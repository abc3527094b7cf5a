#!/usr/bin/env perl
# What the loop writes, threads can write: the suites about topics and streams, on a server whose
# writes are made by the loop and two threads, under the thread sanitizer. SN1
use strict;
use warnings;
use Test::More;
use File::Basename 'dirname';

chdir dirname(__FILE__) . '/../..' or die $!;
@ENV{qw(SERVERS SENDERS)} = ('senders', 2);
for my $suite (qw(topics stream)) {
    my @said = `tests/wire/$suite.test.mjs 2>&1`;
    ok(!$? && !grep({ /^not ok/ } @said), "$suite.test.mjs with senders") or diag(@said);
}
done_testing;
