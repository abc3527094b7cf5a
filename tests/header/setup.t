# What the targets of the Makefile say before they work: a port that is none, or taken; and that
# each asks tests/setup.sh for what that knows.
use strict;
use warnings;
use lib 'tests/header';
use Header;
use IO::Socket::INET;
use Test::More;

$ENV{$_} = '' for qw(MAKEFLAGS MAKELEVEL); # as started by hand
my @run = qw(make -s --no-print-directory run);
for my $port ('80x', '-1', '0', '08001', '65536', '1000000', '8 0', '0x50') {
    refuses("PORT=$port", qr/^PORT=\Q$port\E is no port\. .*make run PORT=8001/m,
        @run, "PORT=$port");
}
my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "listen: $!";
my $port  = $taken->sockport;
my $next  = $port % 65535 + 1;
refuses('a port that is taken', qr/^Port $port is taken: .*make run PORT=$next/m,
    @run, "PORT=$port");
close $taken;
compiles('one that is free', qw(sh tests/setup.sh run), $port);

refuses('what it does not know', qr/^usage: sh tests\/setup\.sh run/,
    qw(sh tests/setup.sh nothing));
my ($usage) = slurp('tests/setup.sh') =~ /^# usage: (.*)/m;
my %known   = map { $_ => 1 } $usage =~ /(\w+)(?: \[PORT\])?(?= \||$)/g;
my @asked   = slurp('Makefile') =~ m{sh tests/setup\.sh (\w+)}g;
is_empty([grep { !$known{$_} } @asked], 'the Makefile asks for what it knows');
my %asked = map { $_ => 1 } @asked;
is_deeply([sort keys %asked], [sort grep { $_ ne 'sh' } keys %known], '... and for all of that');
done_testing();
