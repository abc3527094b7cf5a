# How the tests, the examples and the Makefile are laid out: no line past 100 columns, C as
# .clang-format says. The clang-format is the one that tests/package.json names, so that every
# machine finds the same; `make format` runs it.
use strict;
use warnings;
use lib 'tests/header';
use Header;
use Test::More;

my $program = 'build/node/node_modules/clang-format/index.js';
my @c       = sort glob 'tests/tap.h tests/*/*.h tests/*/*.c tests/bench/peers/*.c';
my @all     = grep { -T } glob 'Makefile .clang-format .ci/run tests/* tests/*/* tests/bench/peers/*
    examples/*';

my @wide;
for my $file (@all) {
    my $number = 0;
    for my $line (split /\n/, slurp($file)) {
        utf8::decode($line);
        $number++;
        push @wide, "$file:$number: " . length $line if length $line > 100;
    }
}
cmp_ok(scalar @all, '>', 150, 'the files are found');
is_empty(\@wide, 'no line past 100 columns');

if (-e $program) {
    my ($version) = slurp('tests/package.json') =~ /"clang-format": "([\d.]+)"/;
    like(slurp($program =~ s/index\.js$/package.json/r), qr/"version": "\Q$version\E"/,
        'clang-format is of the version that tests/package.json names');
    compiles('the C of the tests is as .clang-format says', 'node', $program, '--dry-run',
        '--Werror', @c);
    refuses('and the check can fail', qr/clang-format/, 'node', $program, '--dry-run', '--Werror',
        spew('wrong.c', "int  wrong( void )\n{ return 0; }\n"));
} else {
    fail("$program is not there: sh tests/setup.sh test");
}
done_testing();
