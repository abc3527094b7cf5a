# Which lines and branches of the implementation the unit and wire tests reach, by section.
#
# perl tests/coverage/run.pl      by the environment: TESTS= those only, BAR_LINES=97 and
#                                 BAR_BRANCHES=90 per cent of the whole, KEEP=1: added to what runs
#                                 before counted
#
# Each test is built with counters, in a copy, and runs; the counts of all of them are added. What
# is in asserts does not count, nor do the checks of SSE_DEBUG_CHECKS.
use strict;
use warnings;
use lib 'tests/mutants';
use Cwd 'getcwd';
use File::Temp 'tempdir';
use Mutants;
use Workplace;

my $root = getcwd();
my $dir  = "$root/build/coverage";
my $tmp  = tempdir('/tmp/mXXXX', CLEANUP => 1);
my @libs = libraries();
my ($llvm) = grep { -x "/usr/bin/llvm-cov$_" } '', map { "-$_" } reverse 14 .. 25;
defined $llvm or die "llvm-cov is not there: apt install llvm\n";
my @clang = ('clang', '-w', '-std=c11', '-O0', '-DSSE_STATIC', '-DSSE_DEBUG_CHECKS', '-I.',
    '-fcoverage-mapping', '-fprofile-update=atomic');
$SIG{INT} = $SIG{TERM} = sub { exit 1 };

my (%lines, %branches); # by line; by line and place in it: how often

# Adds what a program's runs have counted.
sub add_counts {
    my ($program) = @_;
    my @raw = glob("$dir/raw/$program-*.profraw");
    return if !@raw;
    run_in($dir, 60, "$dir/log", "llvm-profdata$llvm", 'merge', '-o', 'merged', @raw) == 0
        or die slurp("$dir/log");
    run_in($dir, 60, "$dir/lcov", "llvm-cov$llvm", 'export', '-format=lcov',
        '-instr-profile=merged', "build/$program", "$dir/sse.h") == 0 or die slurp("$dir/lcov");
    for (split /\n/, slurp("$dir/lcov")) {
        if (/^DA:(\d+),(\d+)/) { $lines{$1} += $2 }
        elsif (/^BRDA:(\d+),(\d+),(\d+),(-|\d+)/) { $branches{$1}{"$2,$3"} += $4 eq '-' ? 0 : $4 }
    }
}

# ---- builds ----

die "KEEP: sse.h is another one\n" if $ENV{KEEP} && slurp("$dir/sse.h") ne slurp('sse.h');
workplace($dir, $tmp, $ENV{KEEP});
run_quietly('mkdir', '-p', map { "$dir/$_" } qw(raw/unit raw/asan raw/clang build/unit build/asan
    build/clang));
run_quietly('cp', "$root/sse.h", "$dir/sse.h");
symlink 'asan/topics', "$dir/build/topics";

my @tests = $ENV{TESTS} ? split ' ', $ENV{TESTS}
    : (glob('tests/unit/*.c'), 'tests/fuzz/text.c', 'tests/fuzz/json.c', 'tests/fuzz/http.c',
        glob('tests/wire/*.test.mjs'));

my %made;
sub build { # a program from a source, once. All its processes add to one file of counts
    my ($source, $program, @more) = @_;
    return if $made{$program}++;
    unlink glob "$dir/raw/$program-*.profraw";
    run_in($dir, 300, "$dir/log", @clang, "-fprofile-instr-generate=$dir/raw/$program-%1m.profraw",
        @more, $source, '-o', "build/$program", @libs) == 0
        or die "$source does not compile:\n" . slurp("$dir/log");
}

sub programs { # that a test runs: [source, program]
    my ($test) = @_;
    my ($name) = $test =~ m{(\w+)\.[\w.]+$};
    return [$test, "unit/$name"] if $test =~ /^tests.unit/;
    return ["tests/fuzz/$name.c", "unit/fuzz_$name", "-DCORPUS=\"tests/fuzz/corpus/$name\"",
        'tests/fuzz/replay.c'] if $test =~ /fuzz/;
    my $source = slurp($test);
    $source .= slurp("tests/wire/$_") for $source =~ m{from '\./(\w+\.mjs)'}g;
    return () if $source =~ m{\b(?:tsan|senders)/|build/tested} || $name eq 'large';
    my %seen;
    return map { ["tests/wire/$_->[1].c", "$_->[0]/$_->[1]"] }
        grep { -f "tests/wire/$_->[1].c" && !$seen{"@$_"}++ }
        map { [m{(\w+)/(\w+)}] } $source =~ m{\b((?:asan|clang)/\w+)\b}g;
}

my @failed;
for my $test (@tests) {
    my @programs = programs($test) or next; # servers that are built otherwise
    print STDERR "\r\e[K$test" if -t STDERR;
    build(@$_) for @programs;
    local $ENV{TMPDIR} = $tmp;
    my $status = run_in($dir, 600, "$dir/log", $test =~ /mjs$/
        ? ('node', '--test-reporter=./tests/wire/tap.mjs', $test) : "build/$programs[0][1]");
    next if !$status;
    push @failed, $test;
    run_quietly('cp', "$dir/log", "$dir/failed." . $test =~ s{.*/}{}r);
}
print STDERR "\r\e[K" if -t STDERR;
$made{s{.*/(\w+/\w+)-[^/]*$}{$1}r} = 1 for glob "$dir/raw/*/*.profraw";
add_counts($_) for sort keys %made;

# ---- the table ----

sub percent { return $_[1] ? 100 * $_[0] / $_[1] : 100 }

my $of = parse(slurp("$dir/sse.h")); # as it was built
my @text = split /^/, $of->{text};
my @code = split /^/, $of->{masked}; # without comments
my (%count, @bare);
for my $name (@{$of->{order}}) {
    for my $n ($of->{section}{$name}{first} .. $of->{section}{$name}{last}) {
        next if !defined $lines{$n} || $of->{judge}{$n} || $code[$n - 1] !~ /\S/;
        my @ways = values %{$branches{$n} // {}};
        for ($count{$name}, $count{all}) {
            $_->[1]++;
            $_->[0]++ if $lines{$n};
            $_->[3] += @ways;
            $_->[2] += grep { $_ } @ways;
        }
        my $half = grep { !$_ } @ways;
        push @bare, [$name, $n, $lines{$n}, $half, scalar @ways] if !$lines{$n} || $half;
    }
}
write_file("$dir/bare", join '', map {
    sprintf "%-10s %5d %s %s", $_->[0], $_->[1], $_->[2] ? "$_->[3]/$_->[4]" : '-  ',
        $text[$_->[1] - 1] } @bare);
printf "%-10s %7s %7s\n", 'section', 'lines', 'branches';
for my $name (@{$of->{order}}, 'all') {
    my ($l, $ls, $b, $bs) = map { $_ // 0 } @{$count{$name} // next}[0 .. 3];
    printf "%-10s %6.1f%% %6.1f%%   %5d of %5d, %5d of %5d\n", $name, percent($l, $ls),
        percent($b, $bs), $l, $ls, $b, $bs;
}
print "not reached: build/coverage/bare\n";
print "$_ failed: what it reaches may be missing\n" for @failed;
my ($l, $ls, $b, $bs) = @{$count{all}};
exit(percent($l, $ls) < ($ENV{BAR_LINES} // 97) ||
    percent($b, $bs) < ($ENV{BAR_BRANCHES} // 90) ? 1 : 0);
