# Mutation testing: small faults are put into copies of sse.h, drawn at random, and the tests that
# judge their section run until one of them fails. What none of them sees is printed.
#
# perl tests/mutants/run.pl       by the environment: SEED=, N=100, SECTION= one of them, BAR=95 per
#                                 cent, JOBS=2, KNOWN=only or no, LINE= the mutants of these lines,
#                                 OWN=1: judged by their section's own unit tests alone
#
# tests/mutants/known holds faults that lived once; they are run first and all have to be seen.
# tests/mutants/equivalent holds those that change nothing that a program or peer could see.
use strict;
use warnings;
use lib 'tests/mutants';
use Cwd 'getcwd';
use Digest::MD5 'md5_hex';
use File::Temp 'tempdir';
use List::Util qw(max sum0);
use Mutants;
use POSIX ();
use Time::HiRes 'time';
use Workplace;

$| = 1;
my $seed  = $ENV{SEED} || 1 + int rand 1e6;
my $want  = $ENV{N} // 100;
my $bar   = $ENV{BAR} // 95;
my $jobs  = $ENV{JOBS} || 2;
my $known = $ENV{KNOWN} // '';
my $root  = getcwd();
my $of    = parse(slurp('sse.h'));
my @libs  = libraries();
my @tcc   = ('tcc', '-w', '-DSSE_DEBUG_CHECKS', '-DSSE_STATIC');
my @clang = qw(clang -w -std=c11 -O0 -DSSE_DEBUG_CHECKS -DSSE_STATIC);
my %cc    = (
    tcc   => \@tcc,
    clang => \@clang,
    asan  => [@clang, '-g', '-fno-omit-frame-pointer', '-fsanitize=address,undefined',
        '-fno-sanitize-recover=undefined'],
    tsan  => [@clang, '-g', '-fsanitize=thread'],
);
my $tmp   = tempdir('/tmp/mXXXX', CLEANUP => 1);
chmod 0711, $tmp; # one test goes on in there as another user
$SIG{INT} = $SIG{TERM} = sub { exit 1 };

# ---- tests ----

my %needed; # by compiler and test, "tcc:tests/unit/a.c": its seconds without a mutant

my $plan = qr/^1\.\.\d+$/m;

# Builds what a test needs and runs it: 'lives', or how it ended.
sub judge {
    my ($dir, $test, $cc, $seconds) = @_;
    my ($name) = $test =~ m{(\w+)\.[\w.]+$};
    my $log = "$dir/log";
    if ($test =~ /\.c$/) {
        my @more = $test !~ /fuzz/ ? () : ('-D__builtin_trap=abort',
            "-DCORPUS=\"tests/fuzz/corpus/$name\"", 'tests/fuzz/replay.c');
        run_in($dir, 120, $log, @$cc, '-I.', @more, $test, '-o', 'build/unit/test', @libs,
            $test =~ /frame/ ? ('-lbrotlidec', '-lz') : ()) == 0 or return 'does not compile';
        my @few = $test =~ /frames/ ? 300 : (); # frames.t has the many
        return ended(run_in($dir, $seconds, $log, 'build/unit/test', @few), slurp($log), $plan);
    }
    my $source = slurp("$dir/$test");
    $source .= slurp("$dir/tests/wire/$_") for $source =~ m{from '\./(\w+\.mjs)'}g;
    my %built;
    for my $server ($source =~ m{\b(?:asan|clang)/(\w+)|'topics'}g) {
        $server //= 'topics';
        next if $built{$server}++ || !-f "$dir/tests/wire/$server.c";
        run_in($dir, 120, $log, @$cc, '-I.', "tests/wire/$server.c", '-o',
            "build/asan/$server", @libs) == 0 or return 'does not compile';
    }
    local $ENV{TMPDIR} = "$tmp/" . $dir =~ s{.*/}{}r;
    local $ENV{ASAN_OPTIONS} = 'quarantine_size_mb=8'; # one tests how much memory is taken
    my @node = ('node', '--test-reporter=./tests/wire/tap.mjs');
    my $status = run_in($dir, $seconds, $log, @node, $test);
    return ended($status, slurp($log), $plan);
}

sub ended { # a test that ends early, content with itself, has not passed
    my ($status, $said, $plan) = @_;
    return 'hangs' if $status < 0;
    return 'crashes' if $status & 127;
    return 'fails' if $status || $said =~ /^not ok/m;
    return $said =~ $plan ? 'lives' : 'ends early';
}

my @units = glob('tests/unit/*.c');

my $on_threads = qr/pthread_create|sse_offload|sse_db_post/;
my %threaded   = map { $_ => 1 } grep { slurp($_) =~ $on_threads } @units;

# Who judges a section's mutants: lists of a compiler and tests, the fastest first. Its own unit
# tests, those of others, the wire tests; then what tcc does not see: epoll, memory that is lost or
# used when it is free, and what threads do to each other.
sub rounds {
    my ($mutant) = @_;
    my @judges = @{$of->{section}{$mutant->{section}}{judges}};
    my @own = grep { m{^tests/(?:unit|fuzz|frame)/.*\.c$} && -f }
        map { m{^tests/frame/} ? 'tests/frame/frames.c' : $_ } @judges;
    push @own, 'tests/unit/unseen.c'; # of all sections, what lived before
    return [$mutant->{clang} ? 'clang' : 'tcc', @own], ['asan', @own] if $ENV{OWN};
    my %own = map { $_ => 1 } @own;
    my @others = sort { ($needed{"tcc:$a"} // 0) <=> ($needed{"tcc:$b"} // 0) || $a cmp $b }
        grep { !$own{$_} && !/password/ } @units; # that is long, and of its section alone
    my @wire = grep { m{^tests/wire/.*\.mjs$} } @judges;
    return $mutant->{clang} ? ['clang', @own, @wire] : ['tcc', @own, @others, @wire],
        ['asan', @own, @wire], ['tsan', grep { $threaded{$_} } @own];
}

# The seconds that a test may take. Before it judges for the first time it has to pass without a
# mutant; what it needed is kept for as long as nothing changes.
my $kept = "$root/build/mutants/without";
my %shared; # by directory: what its tests may include
sub key {
    my ($test) = @_;
    my ($dir) = $test =~ m{^(.*)/};
    $shared{$dir} //= md5_hex(join '', $of->{text}, map { slurp($_) } 'tests/tap.h',
        glob $dir =~ /wire/ ? "$dir/*.{c,mjs}" : "$dir/*.h");
    return md5_hex($shared{$dir}, slurp($test));
}

sub read_kept {
    return if !-f $kept;
    for (split /\n/, slurp($kept)) {
        my ($how, $key, $seconds) = split / /;
        my ($test) = $how =~ /([^:]+)$/;
        $needed{$how} = $seconds if -f $test && key($test) eq $key;
    }
}

sub limit {
    my ($dir, $test, $cc) = @_;
    my $how = "$cc:$test";
    read_kept() if !defined $needed{$how};
    if (!defined $needed{$how}) {
        rename "$dir/sse.h", "$dir/mutant.h";
        write_file("$dir/sse.h", $of->{text});
        my ($began, $ended);
        for (1 .. 3) { # a busy machine may be too slow for it, once
            $began = time;
            $ended = judge($dir, $test, $cc{$cc}, 300);
            last if $ended eq 'lives';
        }
        die "$how $ended without a mutant: $dir/log\n" if $ended ne 'lives';
        $needed{$how} = time - $began;
        rename "$dir/mutant.h", "$dir/sse.h";
        open my $out, '>>', $kept or die "$kept: $!\n";
        print $out "$how ", key($test), " $needed{$how}\n";
    }
    return 15 + 6 * $needed{$how};
}

# Which test sees a mutant and how: "hangs tests/unit/loop.c". Empty: none does.
sub killer {
    my ($dir, $mutant) = @_;
    for (rounds($mutant)) {
        my ($cc, @tests) = @$_;
        for my $test (@tests) {
            my $how = judge($dir, $test, $cc{$cc}, limit($dir, $test, $cc));
            if ($how eq 'does not compile') { # tcc takes what others refuse
                die "$test $how\n" if $cc eq 'tcc';
                next;
            }
            return $how . ($cc =~ /san/ ? " under $cc" : '') . " $test" if $how ne 'lives';
        }
    }
    return '';
}

# ---- mutants ----

sub mutant { # of a line: what tests and people need of it
    my ($line, $what, $at, $length, $new) = @_;
    my $text = $of->{text};
    my $begin = rindex($text, "\n", $at) + 1;
    my $end = index($text, "\n", $at + $length);
    my $old = substr($text, $begin, $end - $begin);
    substr($text, $at, $length) = $new;
    my $now = substr($text, $begin, $end - $begin + length($new) - $length);
    my @old = split /\n/, $old;
    my @now = split /\n/, $now, -1;
    my $diff = join '', map({ "-$_\n" } @old), map { "+$_\n" } grep { /\S/ } @now;
    my $number = 1 + (substr($of->{text}, 0, $begin) =~ tr/\n//);
    return {what => $what, text => $text, diff => $diff, number => $number,
        section => $line->{section}, function => $line->{function}};
}

sub squeezed { # white space says nothing
    return join "\n", map { s/^([-+])\s+/$1/r =~ s/\s+/ /gr =~ s/ $//r } split /\n/, $_[0];
}

# A list of diffs in a file, each behind the lines "# why": [why, diff]
sub diffs {
    my ($file) = @_;
    return map {
        [join(' ', /^# ?(.*)/mg), join('', map { "$_\n" } /^([-+].*)/mg)]
    } grep { /^-/m } split /\n{2,}/, slurp($file);
}

sub apply { # a diff of whole lines to the text, once: the mutant, or why not
    my ($why, $diff) = @_;
    my @old = map { /^-(.*)/ ? $1 =~ s/^\s+//r : () } split /\n/, $diff;
    my @new = map { /^\+(.*)/ ? $1 : () } split /\n/, $diff;
    my $pattern = join "\n", map { '[ ]*' . quotemeta } @old;
    my @at;
    push @at, [$-[0], $+[0]] while $of->{text} =~ /^$pattern$/mg;
    return @at ? 'it stands there more than once' : 'it is not there any more' if @at != 1;
    my ($begin, $end) = @{$at[0]};
    my $text = $of->{text};
    my $new = join("\n", @new) . ("\n" x max(0, @old - @new));
    substr($text, $begin, $end - $begin) = $new;
    my $number = 1 + (substr($of->{text}, 0, $begin) =~ tr/\n//);
    my ($section) = grep { $of->{section}{$_}{first} <= $number &&
        $of->{section}{$_}{last} >= $number } @{$of->{order}};
    return {what => $why, text => $text, diff => $diff, number => $number, section => $section,
        function => ''};
}

my $drawing;

sub object { # the code that a compiler makes of a text; undef: it refuses it
    my ($text, @cc) = @_;
    write_file("$drawing/sse.h", $text);
    unlink "$drawing/main.o";
    run_in($drawing, 60, "$drawing/log", @cc, '-c', 'main.c', '-o', 'main.o') == 0 or return;
    return slurp("$drawing/main.o");
}

my %plain; # the code of sse.h as it is
sub differs {
    my ($text, @cc) = @_;
    $plain{$cc[0]} //= object($of->{text}, @cc) // die "$cc[0] refuses sse.h\n";
    my $object = object($text, @cc) // return 0;
    return $object ne $plain{$cc[0]};
}

# Whether a mutant is one: it compiles, to other code. tcc has no epoll: clang looks at what tcc
# does not see.
sub is_mutant {
    my ($m, $unseen) = @_;
    my @without = grep { $_ ne '-DSSE_STATIC' } @tcc;
    return 1 if differs($m->{text}, @without);
    return 0 if !$unseen;
    return $m->{clang} = differs($m->{text}, grep { $_ ne '-DSSE_STATIC' } @clang);
}

# ---- the run ----

my ($died, @alive, %killers) = (0);
my ($done, $total) = (0, 0);

sub progress {
    return if !-t STDERR;
    printf STDERR "\r%d of %d, %d alive ", $done, $total, scalar @alive;
}

my (%free, %busy);
END { kill 'TERM', keys %busy } # which end what they started

sub reap { # waits for a job that has ended
    my $pid = wait;
    my ($dir, $m) = @{delete $busy{$pid} or return};
    my $verdict = slurp("$dir/verdict");
    $free{$dir} = 1;
    $done++;
    $verdict eq 'broken' and die "a job ended without a verdict\n";
    if ($verdict eq '') { push @alive, $m } else { $died++; $killers{$verdict}++ }
    print "$m->{section}:$m->{number} $m->{what}: $verdict\n" if $ENV{VERBOSE};
    progress();
}

sub start {
    my ($m) = @_;
    reap() while !%free;
    my ($dir) = sort keys %free;
    delete $free{$dir};
    write_file("$dir/sse.h", $m->{text});
    write_file("$dir/verdict", 'broken');
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        %busy = ();
        my $verdict = killer($dir, $m);
        write_file("$dir/verdict", $verdict);
        my $place = "$tmp/" . $dir =~ s{.*/}{}r;
        system('rm', '-rf', $place);
        mkdir $place;
        POSIX::_exit(0);
    }
    $busy{$pid} = [$dir, $m];
}

for my $name (0 .. $jobs) { # the first is for drawing
    my $dir = "$root/build/mutants/$name";
    workplace($dir, "$tmp/$name");
    mkdir "$dir/build/unit";
    mkdir "$dir/build/asan";
    symlink 'asan', "$dir/build/clang";
    symlink 'asan/topics', "$dir/build/topics";
    write_file("$dir/main.c", "#define SSE_IMPLEMENTATION\n#include \"sse.h\"\n");
    if ($name) { $free{$dir} = 1 } else { $drawing = $dir }
}
my @sections = $ENV{SECTION} ? ($ENV{SECTION}) : @{$of->{order}};
$of->{section}{$_} or die "there is no section >>$_\n" for @sections;
my (@first, @stale);
for ($known eq 'no' ? () : diffs('tests/mutants/known')) {
    my $m = apply(@$_);
    if (!ref $m) { push @stale, "known: $m:\n$_->[1]" }
    elsif (!$ENV{SECTION} || $m->{section} eq $ENV{SECTION}) { push @first, $m }
}
my @equivalent = diffs('tests/mutants/equivalent');
my %equivalent = map { squeezed($_->[1]) => $_->[0] } @equivalent;
for (@equivalent) {
    my ($line) = $_->[1] =~ /^-\s*(.*)/;
    push @stale, "equivalent: it is not there any more:\n$_->[1]" if index($of->{text}, $line) < 0;
}
read_kept();
my @lines = grep { my $l = $_; grep { $l->{section} eq $_ } @sections } @{$of->{lines}};
if ($ENV{LINE}) {
    my %asked = map { $_ => 1 } map { /(\d+)-(\d+)/ ? $1 .. $2 : $_ } split /,/, $ENV{LINE};
    @lines = grep { $asked{$_->{number}} } @lines;
}
$want = 0 if $known eq 'only';
$total = @first + $want;
for my $m (@first) {
    is_mutant($m, 0) or do { push @stale, "known: it changes nothing:\n$m->{diff}"; next };
    start($m);
}
reap() while %busy;
my ($lived_before, $known_alive) = (scalar @first, scalar @alive);
$died = 0;
print "seed $seed\n" if $want;
srand $seed;
my (%seen, $misses);
for (my $n = 0; $n < $want && ($misses // 0) < 20000;) {
    my $line = $lines[rand @lines];
    my @choice = mutants_of_line($of, $line);
    $misses++;
    next if !@choice;
    my $m = mutant($line, @{$choice[rand @choice]});
    next if $seen{"$m->{number} $m->{diff}"}++ || $equivalent{squeezed($m->{diff})};
    next if !is_mutant($m, $line->{text} =~ /epoll|kqueue/ || $m->{function} =~ /poller/);
    start($m);
    $n++;
}
reap() while %busy;
print STDERR "\r", ' ' x 40, "\r" if -t STDERR;

for my $m (sort { $a->{number} <=> $b->{number} } @alive) {
    print "sse.h:$m->{number} >>$m->{section} $m->{what}\n$m->{diff}\n";
}
print @stale;
printf "%d of %d mutants that lived once die\n", $lived_before - $known_alive, $lived_before
    if $lived_before;
my $of_new = $died + @alive - $known_alive;
my $score = $of_new ? 100 * $died / $of_new : 100;
printf "%d of %d mutants die: %.1f %% (at least %d)\n", $died, $of_new, $score, $bar if $want;
exit($score < $bar || $known_alive || @stale ? 1 : 0);
