# Which lines and branches of the implementation the tests reach, by section, and why they do not
# reach the others: tests/coverage/reasons, read and compared by this.
#
# perl tests/coverage/run.pl      by the environment: TESTS= those only, BAR_LINES=97 and
#                                 BAR_BRANCHES=90 per cent of the whole, KEEP=1: added to what runs
#                                 before counted, JOBS=2 programs at a time
#
# Each test is built with counters, in a copy, and runs; the counts of all of them are added. What
# is in asserts does not count, nor do the checks of SSE_DEBUG_CHECKS. An assert that fails is a
# signal here: behind a call that never returns, the compiler counts a line as not reached.
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
chmod 0711, $tmp; # one test goes on in there as another user
my @libs = (libraries(), '-lbrotlidec', '-lz');
my ($llvm) = grep { -x "/usr/bin/llvm-cov$_" } '', map { "-$_" } reverse 14 .. 25;
defined $llvm or die "llvm-cov is not there: apt install llvm\n";
my @clang = ('clang', '-w', '-std=c11', '-O0', '-DSSE_STATIC', '-DSSE_DEBUG_CHECKS',
    '-DSSE_ASSERT(x)=((x)?(void)0:(void)raise(6))', '-I.', '-fcoverage-mapping',
    '-fprofile-update=atomic');
my $here = $$;
$SIG{INT} = $SIG{TERM} = sub { exit 1 };

# Does it with each, so many at a time, each in a process of its own. Returns those that died.
sub at_a_time {
    my ($do, @items) = @_;
    my (%busy, @failed);
    while (@items || %busy) {
        if (@items && keys %busy < ($ENV{JOBS} // 2)) {
            my $item = shift @items;
            my $pid  = fork // die "fork: $!\n";
            if (!$pid) {
                my $fine = eval { $do->($item); 1 };
                print STDERR $@ if !$fine;
                STDERR->flush;
                POSIX::_exit($fine ? 0 : 1);
            }
            $busy{$pid} = $item;
        } else {
            my $pid  = wait;
            my $item = delete $busy{$pid};
            push @failed, $item if $? && defined $item;
        }
    }
    return @failed;
}

# ---- what runs ----

my $cases = 'tests/faults/calls.c';
my @wraps = map { "-Wl,--wrap=$_" } sort keys %{{map { $_ => 1 }
    slurp('tests/faults/wrap.h') =~ /__wrap_([a-z_0-9]+)/g}};
my @tests = $ENV{TESTS} ? split ' ', $ENV{TESTS}
    : ($cases, 'tests/faults/disk.c', 'tests/combine/combine.c', grep({ !/replay/ }
        glob('tests/fuzz/*.c')), glob('tests/unit/*.c'), glob('tests/wire/*.test.mjs'),
        'tests/wire/senders.t');

sub programs { # that a test runs: [source, program, more]
    my ($test) = @_;
    my ($name) = $test =~ m{(\w+)\.[\w.]+$};
    return [$test, "unit/$name"], [$test, "unit/poll_$name", '-DSSE_USE_POLL'] if $name eq 'loop';
    return [$test, "unit/$name"] if $test =~ /^tests.unit/;
    return [$test, "unit/$name", '-fsanitize=address', $test eq $cases ? @wraps : ()]
        if $test =~ /faults.\w+\.c/; # whose allocator is the sanitizer's
    return [$test, "unit/$name"] if $test =~ /combine/;
    return ["tests/fuzz/$name.c", "unit/fuzz_$name", "-DCORPUS=\"tests/fuzz/corpus/$name\"",
        'tests/fuzz/replay.c'] if $test =~ /fuzz/;
    return ['tests/wire/topics.c', 'senders/topics', '-DSSE__SENDERS_MIN=1'] if $name eq 'senders';
    my $source = slurp($test);
    $source .= slurp("tests/wire/$_") for $source =~ m{from '\./(\w+\.mjs)'}g;
    return () if $source =~ m{\b(?:tsan|senders)/|build/tested} || $name eq 'large';
    my %seen;
    return map { [$_->[1] eq 'outside' ? 'tests/outside/server.c' : "tests/wire/$_->[1].c",
            "$_->[0]/$_->[1]"] }
        grep { ($_->[1] eq 'outside' || -f "tests/wire/$_->[1].c") && !$seen{"@$_"}++ }
        map { [m{(\w+)/(\w+)}] } $source =~ m{\b((?:asan|clang)/\w+)\b}g;
}

sub commands { # by which it runs
    my ($test) = @_;
    my ($program) = map { "build/$_->[1]" } programs($test);
    return ['node', '--test-reporter=./tests/wire/tap.mjs', $test] if $test =~ /mjs$/;
    return map { ['env', 'SERVERS=senders', 'SENDERS=2', 'node',
        '--test-reporter=./tests/wire/tap.mjs', "tests/wire/$_.test.mjs"] } qw(topics stream)
        if $test =~ /\.t$/;
    return [$program], [$program, 'all', 'malloc'] if $test eq $cases;
    return ['env', 'CPU_SECONDS=5', $program] if $test =~ /combine/;
    return map { ["build/$_->[1]"] } programs($test);
}

# ---- builds ----

die "KEEP: sse.h is another one\n"
    if $ENV{KEEP} && masked(slurp("$dir/sse.h")) ne masked(slurp('sse.h'));
workplace($dir, $tmp, $ENV{KEEP});
run_quietly('mkdir', '-p', map { ("$dir/raw/$_", "$dir/build/$_", "$dir/lcov/$_") }
    qw(unit asan clang senders));
run_quietly('cp', '-r', "$root/tests/faults", "$root/tests/combine", "$dir/tests/");
run_quietly('cp', "$root/sse.h", "$dir/sse.h");
symlink 'asan/topics', "$dir/build/topics";

my %made;
sub build { # a program from a source. All its processes add to one file of counts
    my ($source, $program, @more) = @{$_[0]};
    my $log = "$dir/log.$$";
    unlink glob "$dir/raw/$program-*.profraw";
    my $failed = run_in($dir, 600, $log, @clang,
        "-fprofile-instr-generate=$dir/raw/$program-%1m.profraw", @more, $source, '-o',
        "build/$program", @libs);
    die "$source does not compile:\n" . slurp($log) if $failed;
    unlink $log;
}

# Runs a test. Leaves what it said if it fails.
sub run_test {
    my ($test) = @_;
    my ($name, $log) = ($test =~ s{.*/}{}r, "$dir/log.$$");
    print STDERR "\r\e[K$test" if -t STDERR;
    local $ENV{TMPDIR} = $tmp;
    for my $command (commands($test)) {
        next if !run_in($dir, 900, $log, @$command);
        rename $log, "$dir/failed.$name";
        die "$name failed: build/coverage/failed.$name\n";
    }
    unlink $log;
}

# What the runs of a program counted, as llvm-cov has it.
sub count {
    my ($program) = @_;
    my @raw = glob("$dir/raw/$program-*.profraw") or return;
    my ($merged, $log) = ("$dir/lcov/$program.merged", "$dir/log.$$");
    run_in($dir, 600, $log, "llvm-profdata$llvm", 'merge', '-o', $merged, @raw) == 0
        or die slurp($log);
    run_in($dir, 600, "$dir/lcov/$program", "llvm-cov$llvm", 'export', '-format=lcov',
        "-instr-profile=$merged", "build/$program", "$dir/sse.h") == 0
        or die slurp("$dir/lcov/$program");
    unlink $log, $merged;
}

my @programs = grep { !$made{$_->[1]}++ } map { programs($_) } @tests;
exit 1 if at_a_time(\&build, @programs);
my @failed = at_a_time(\&run_test, grep { programs($_) } @tests);
print STDERR "\r\e[K" if -t STDERR;
exit 1 if at_a_time(\&count, sort keys %made);
exit if $$ != $here;

# Where a test makes calls fail by a macro of its own, SSE__SYS, the ways through that come before
# those of the line, in its program alone.
my (%lines, %branches); # by line: how often; pairs of ways, the last one first
for my $file (glob "$dir/lcov/*/*") {
    my %pairs;
    for (split /\n/, slurp($file)) {
        if (/^DA:(\d+),(\d+)/) { $lines{$1} += $2, $2 && ($pairs{$1} //= []) }
        elsif (/^BRDA:(\d+),(\d+),\d+,(-|\d+)/) { push @{$pairs{$1}[$2]}, $3 eq '-' ? 0 : $3 }
    }
    for my $n (keys %pairs) {
        my @pairs = reverse @{$pairs{$n}};
        my $is = $branches{$n} //= [map { [0, 0] } @pairs];
        $#$is = $#pairs if $#$is > $#pairs;
        for my $i (0 .. $#$is) { $is->[$i][$_] += $pairs[$i][$_] for 0, 1 }
    }
}

# ---- the table ----

sub percent { return $_[1] ? 100 * $_[0] / $_[1] : 100 }

my $of = parse(slurp("$dir/sse.h")); # as it was built
my @text = split /^/, $of->{text};
my @code = split /^/, $of->{masked}; # without comments
my (%count, @bare, %function, $in);
for my $n (1 .. @code) { # a name that begins in the first column, and braces
    $in = $1 if $code[$n - 1] =~ /^\w.*?\b(sse_\w+)\(/;
    $function{$n} = $in // '';
}
for my $name (@{$of->{order}}) {
    for my $n ($of->{section}{$name}{first} .. $of->{section}{$name}{last}) {
        next if !defined $lines{$n} || $of->{judge}{$n} || $code[$n - 1] !~ /\S/;
        my @ways = map { @$_ } @{$branches{$n} // []};
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

# ---- the reasons: below each "- words", the lines of that kind, as "function: text" ----

sub key { # of a line: without its comment and what stands around it, so much as fits into a line
    my ($n) = @_;
    my $end = length($code[$n - 1] =~ s/\s+$//r);
    return substr("$function{$n}: " . (substr($text[$n - 1], 0, $end) =~ s/^\s+//r), 0, 94)
        =~ s/\s+$//r;
}

my (%reason, $why, @wrong);
for (split /\n/, slurp('tests/coverage/reasons')) {
    next if /^#|^\s*$/;
    if (/^- (.*)/) { $why = $1 }
    elsif (/^  (?! )(.*)/ && defined $why && $why !~ /\.$/) { $why .= " $1" }
    elsif (/^    (\w+: .*)/) { $reason{$1} = $why }
    else { die "tests/coverage/reasons: $_\n" }
}
my %there = map { key($_) => 1 } 1 .. @code;
my %used;
my $table = '';
for (@bare) {
    my ($name, $n, $times, $half, $ways) = @$_;
    my $key = key($n);
    $used{$key} = 1;
    push @wrong, "no reason: $key" if !$reason{$key};
    $table .= sprintf "%-10s %5d %s %s%21s%s\n", $name, $n, $times ? "$half/$ways" : '-  ',
        $text[$n - 1], '', $reason{$key} // '?';
}
write_file("$dir/bare", $table);
for my $key (sort keys %reason) {
    push @wrong, "no such line: $key" if !$there{$key};
    push @wrong, "it is reached: $key"
        if $there{$key} && !$used{$key} && $reason{$key} !~ /^By chance/;
}

printf "%-10s %7s %7s\n", 'section', 'lines', 'branches';
for my $name (@{$of->{order}}, 'all') {
    my ($l, $ls, $b, $bs) = map { $_ // 0 } @{$count{$name} // next}[0 .. 3];
    printf "%-10s %6.1f%% %6.1f%%   %5d of %5d, %5d of %5d\n", $name, percent($l, $ls),
        percent($b, $bs), $l, $ls, $b, $bs;
}
print "not reached, with the reasons: build/coverage/bare\n";
print "$_ failed: what it reaches may be missing\n" for @failed;
print "tests/coverage/reasons: $_\n" for @wrong;
my ($l, $ls, $b, $bs) = @{$count{all}};
exit(percent($l, $ls) < ($ENV{BAR_LINES} // 97) ||
    percent($b, $bs) < ($ENV{BAR_BRANCHES} // 90) || @wrong ? 1 : 0);
