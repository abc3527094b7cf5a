#!/usr/bin/env perl
# What runs under epoll runs under poll(2): the suites about sockets, streams, ends and stopping, on
# servers with -DSSE_USE_POLL.
use strict;
use warnings;
use Test::More;
use File::Basename 'dirname';

chdir dirname(__FILE__) . '/../..' or die $!;
$ENV{SERVERS} = 'poll';
for my $suite (qw(ends stream conn server)) {
    my @said = `tests/wire/$suite.test.mjs 2>&1`;
    ok(!$? && !grep({ /^not ok/ } @said), "$suite.test.mjs under poll(2)") or diag(@said);
}
done_testing;
