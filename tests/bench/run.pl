# Measures sse.h beside bare loops and other servers, then runs the other benchmarks; says what is
# being measured and how long it takes. Writes build/bench/results.md, what each benchmark printed
# to build/bench/NAME.txt, and charts to $CHARTS (default: build/bench).
# usage: perl tests/bench/run.pl [charts]   BENCH=quick: the servers and short ones only; charts:
# draws those of the last run again
use strict;
use warnings;
use Cwd ();
use POSIX ();
use Time::HiRes 'time';
use lib 'tests/bench';
use Chart;

my $dir    = 'build/bench';
my $charts = $ENV{CHARTS} || $dir;
my $quick  = ($ENV{BENCH} || '') eq 'quick';
my $make   = $ENV{MAKE} || 'make --no-print-directory';
my $here   = Cwd::getcwd();
my $nginx  = -x 'build/nginx/usr/sbin/nginx' ? "$here/build/nginx/usr/sbin/nginx" : 'nginx';
my $nchan  = "$here/build/nchan/usr/lib/nginx/modules/ngx_nchan_module.so";
my $child  = 0;
my $tty    = -t STDOUT;
$| = 1;

sub slurp {
    my ($file) = @_;
    open my $in, '<', $file or return '';
    local $/;
    return scalar(<$in>) // '';
}

sub spew {
    my ($file, $text) = @_;
    open my $out, '>', $file or die "$file: $!\n";
    print $out $text;
    close $out or die "$file: $!\n";
}

sub clock { my $s = int($_[0] + 0.5); return sprintf '%d:%02d', $s / 60, $s % 60 }

sub quits { return system("$_[0] >/dev/null 2>&1") == 0 }

# ---- who is there ----

my (%command, %version, @left_out);

sub first_line { my ($line) = `$_[0] 2>&1` =~ /([\d.]+\d)/; return $line || '' }

sub built { # built NAME PACKAGE HEADER-VERSION-COMMAND
    my ($name, $package, $module) = @_;
    if (quits("$make -s $dir/peer/$name")) {
        $command{$name} = "exec $dir/peer/$name";
        $version{$name} = first_line("pkg-config --modversion $module");
    } else { push @left_out, "$name (Debian: $package)" }
}

sub find_peers {
    if (quits("$nginx -v")) {
        $command{nginx} = "exec sh tests/bench/peers/nginx.sh $nginx";
        $version{nginx} = first_line("$nginx -v");
        if (-e $nchan) {
            $command{nchan} = "$command{nginx} $nchan";
            $version{nchan} = "in nginx $version{nginx}";
        } else { push @left_out, 'nchan (Debian: libnginx-mod-nchan)' }
    } else { push @left_out, 'nginx (Debian: nginx)', 'nchan (Debian: libnginx-mod-nchan)' }
    built('libwebsockets', 'libwebsockets-dev', 'libwebsockets');
    built('libmicrohttpd', 'libmicrohttpd-dev', 'libmicrohttpd');
    if (quits('node -v')) {
        $command{'node http'} = 'exec node tests/bench/peers/node.mjs';
        $version{'node http'} = first_line('node -v');
        if (-d "$dir/node/node_modules/better-sse") {
            $command{'better-sse'} = 'exec node tests/bench/peers/better-sse.mjs';
            ($version{'better-sse'}) =
                slurp("$dir/node/node_modules/better-sse/package.json") =~ /"version": "([^"]+)"/;
        } else { push @left_out, 'better-sse (npm: better-sse)' }
    } else { push @left_out, 'node http (Debian: nodejs)', 'better-sse (npm: better-sse)' }
    print "Not measured, as it is not installed: $_\n" for @left_out;
}

my @pages   = ('sse.h', 'bare loop', 'nginx', 'libwebsockets', 'libmicrohttpd', 'node http');
my @streams = ('sse.h', 'bare loop', 'nchan', 'libwebsockets', 'libmicrohttpd', 'node http',
    'better-sse');

# ---- what is measured ----

my @steps; # [title, seconds, name of the output, command...]

sub peers { # peers TITLE MEASURE SECONDS-OF-A-TURN ROUNDS SERVERS
    my ($title, $measure, $turn, $rounds, @names) = @_;
    my @there = grep { $command{$_} || /^(?:sse\.h|bare loop)$/ } @names;
    my $times = $measure eq 'hello' ? 2 * $rounds : $measure eq 'many' ? 4 / $turn : $rounds;
    my $start = $measure eq 'many' ? 4 : 1;
    push @steps, ["$title, $rounds rounds", @there * ($turn * $times + $start), $measure,
        "$dir/peers", $measure, $turn, $rounds,
        map { $command{$_} ? "$_=$command{$_}" : $_ } @there];
}

sub bench { # bench TITLE SECONDS NAME ARGUMENTS...
    my ($title, $seconds, $name, @arguments) = @_;
    push @steps, [$title, $seconds, $name, "$dir/$name", @arguments];
}

sub plan {
    my $p = $quick ? 0.3 : 1;
    my $n = $quick ? 5   : 11;
    peers('a page, as fast as it is answered', 'hello', 0.2 * $p, $n, @pages);
    peers('a page, 1,000 times a second', 'asked', 0.5 * $p, $n, @pages);
    peers('an event of 1 KB to 1,000 readers, as fast as they read', 'fanout', 0.3 * $p, $n,
        @streams);
    peers('20 events a second to 1,000 readers', 'late', 0.5 * $p, $n, @streams);
    peers('10 to 10,000 readers', 'many', $p, $n, @streams);
    bench('fan-out against the bare loop', $quick ? 10 : 40, 'fanout', $quick ? 1 : 6);
    bench('requests against the bare loop', $quick ? 5 : 16, 'requests', $quick ? 0.1 : 0.3);
    if ($quick) {
        print "BENCH=quick leaves out: growth, the Game of Life, changes, compression, fairness\n";
        return;
    }
    bench('growth', 60, 'scale');
    bench('the Game of Life to 1, 1,000 and 10,000', 25, 'subscribers', 0, 4);
    bench('from a commit to 1,000 readers', 20, 'changes', 200);
    bench('compression against libbrotli and zlib', 40, 'frame');
    bench('other clients beside loads', 65, 'fair', 4, 20);
}

# ---- running ----

sub stop { # the program and the servers that it started
    kill 'KILL', -$child if $child;
    print "\n";
    exit 1;
}
$SIG{INT} = $SIG{TERM} = $SIG{HUP} = \&stop;

sub run { # run SAY COMMAND...: what it printed; SAY is called meanwhile, once a second
    my ($say, @command) = @_;
    my ($output, $from) = ('', time);
    pipe my $read, my $write or die "pipe: $!\n";
    $child = fork // die "fork: $!\n";
    if (!$child) {
        # A session of its own has its own share of a machine that others use as well.
        POSIX::setsid();
        if (open my $group, '>', '/proc/self/autogroup') { print $group "-10\n"; close $group }
        open STDIN, '<', '/dev/null';
        open STDOUT, '>&', $write;
        exec @command or die "$command[0]: $!\n";
    }
    close $write;
    while (1) {
        my $ready = '';
        vec($ready, fileno $read, 1) = 1;
        if (select $ready, undef, undef, 1) {
            sysread $read, $output, 65536, length $output or last;
        }
        $say->(time - $from);
    }
    waitpid $child, 0;
    $child = 0;
    return ($output, $?);
}

sub run_all {
    my $left = 0;
    $left += $_->[1] for @steps;
    my %output;
    for my $i (0 .. $#steps) {
        my ($title, $seconds, $name, @command) = @{$steps[$i]};
        my $line = sprintf '[%d of %d] %s', $i + 1, scalar @steps, $title;
        my $say = sub {
            my $rest = $left - ($_[0] < $seconds ? $_[0] : $seconds);
            printf "\r%s: %s, about %s left \e[K", $line, clock($_[0]), clock($rest) if $tty;
        };
        print "$line, about " . clock($left) . " left\n" if !$tty;
        my $from = time;
        my ($text, $status) = run($say, @command);
        $left -= $seconds;
        printf "\r%s: %s\e[K\n", $line, clock(time - $from) if $tty;
        print "    $command[0] failed; what it said: $text\n" if $status;
        spew("$dir/" . ($command[0] =~ m{/peers$} ? "peers-" : "") . "$name.txt", $text);
        if ($command[0] =~ m{/peers$}) { print table_of($name, $text) }
        else { print $text =~ s/^/    /gmr }
    }
}

# ---- tables and charts ----

my @shown = ( # a file of figures, what is measured, title of its table, unit of its chart
    ['hello', '1 at a time, us of CPU', 'CPU of a request, one at a time on each of 50 connections',
        'µs'],
    ['hello', '16 at a time, us of CPU', 'CPU of a request, sixteen at a time', 'µs'],
    ['hello', '1 at a time, requests/s', 'Requests a second, one at a time', ''],
    ['hello', '16 at a time, requests/s', 'Requests a second, sixteen at a time', ''],
    ['asked', 'p50, us', 'A page at 1,000 requests a second, median', 'µs'],
    ['asked', 'p99, us', 'A page at 1,000 requests a second, 99th percentile', 'µs'],
    ['fanout', 'us of CPU', 'CPU of an event of 1 KB for each of 1,000 readers', 'µs'],
    ['fanout', 'events/s', 'Events of 1 KB delivered a second to 1,000 readers', ''],
    ['late', 'p50, ms', '20 events a second to 1,000 readers, median delay', 'ms'],
    ['late', 'p99, ms', '20 events a second to 1,000 readers, 99th percentile of the delay', 'ms'],
    ['many', 'us of CPU, 10 readers', 'CPU of an event for each of 10 readers', 'µs'],
    ['many', 'us of CPU, 1000 readers', 'CPU of an event for each of 1,000 readers', 'µs'],
    ['many', 'us of CPU, 10000 readers', 'CPU of an event for each of 10,000 readers', 'µs'],
    ['many', 's until 9000 more have joined',
        '9,000 readers join 1,000 others while 2 events a second flow', 's'],
    ['many', 'bytes of memory each', 'Resident memory of a reader who waits', 'bytes'],
);

sub figures { # of a measure: {what => {name => [median, lower, upper]}}
    my ($measure) = @_;
    my %figures;
    for (split /\n/, slurp("$dir/peers-$measure.txt")) {
        my (undef, $name, $what, @values) = split /\t/;
        next if !defined $values[0];
        if ($values[0] eq '-') { $figures{failed}{$name} = $what }
        else { $figures{$what}{$name} = \@values }
    }
    return \%figures;
}

sub short { # three digits
    my ($x) = @_;
    return sprintf '%.0f', 0 if !$x;
    my $places = 2 - POSIX::floor(POSIX::log10(abs $x));
    my $text   = sprintf '%.*f', $places > 0 ? $places : 0,
        $places < 0 ? POSIX::floor($x / 10**-$places + 0.5) * 10**-$places : $x;
    1 while $text =~ s/^(\d+)(\d{3})/$1,$2/;
    return $text;
}

sub table_of { # all that a measure says
    my ($measure) = @_;
    my $figures = figures($measure);
    my $text    = '';
    for my $row (grep { $_->[0] eq $measure } @shown) {
        my $of = $figures->{$row->[1]} or next;
        my $floor = $of->{'bare loop'};
        $text .= "\n| $row->[2] | median | half of the rounds | of the bare loop |\n" .
            "|---|---|---|---|\n";
        for my $name (ordered($of, $row->[3])) {
            my ($median, $low, $high) = @{$of->{$name}};
            my $against = $floor && $floor->[0] > 0 && $row->[3] ne 'bytes' && $row->[3] ne 's'
                ? sprintf '%.2f', $median / $floor->[0] : '';
            $text .= sprintf "| %s | %s%s | %s to %s | %s |\n", $name, short($median),
                $row->[3] ? " $row->[3]" : '', short($low), short($high), $against;
        }
    }
    my $failed = $figures->{failed} || {};
    $text .= "\n$_: $failed->{$_}\n" for sort keys %$failed;
    return "$text\n";
}

sub ordered { # the names: ours, the floor, and the others, the best first
    my ($of, $unit) = @_;
    my $sign  = defined $unit && $unit eq '' ? -1 : 1; # a rate: the more the better
    my %first = ('sse.h' => 2, 'bare loop' => 1);
    my $size  = sub { ref $of->{$_[0]} eq 'ARRAY' ? $of->{$_[0]}[0] : 0 };
    return sort {
        ($first{$b} || 0) <=> ($first{$a} || 0)
            || $sign * ($size->($a) <=> $size->($b)) || $a cmp $b
    } keys %$of;
}

sub machine {
    my ($model) = slurp('/proc/cpuinfo') =~ /^model name\s*: (.*)$/m;
    my ($load)  = slurp('/proc/loadavg') =~ /^(\S+)/;
    my $cores   = () = slurp('/proc/cpuinfo') =~ /^processor\s*:/mg;
    return sprintf '%d cores of %s; Linux %s; load %s before the run', $cores, $model || '?',
        (POSIX::uname())[2], $load;
}

sub bars { # bars FILE TITLE MEASURE WHAT UNIT
    my ($file, $title, $measure, $what, $unit) = @_;
    my $of = figures($measure)->{$what} or return;
    spew("$charts/$file.svg", Chart::bars($title, $unit, map { [$_, $of->{$_}[0],
        short($of->{$_}[0])] } ordered($of)));
}

sub growth { # what an event costs each server, by the number of readers
    my $figures = figures('many');
    my %lines;
    for my $what (keys %$figures) {
        my ($readers) = $what =~ /^us of CPU, (\d+) readers/ or next;
        next if $readers < 100; # there the turn of a loop counts, not the readers
        $lines{$_}{$readers} = $figures->{$what}{$_}[0] for keys %{$figures->{$what}};
    }
    return if !%lines;
    spew("$charts/growth.svg", Chart::lines('CPU of an event for each reader, by their number',
        'µs', map { [$_, $lines{$_}] } ordered(\%lines)));
}

sub charts {
    mkdir $charts;
    bars('fanout', 'CPU of an event of 1 KB for each of 1,000 readers', 'fanout', 'us of CPU',
        'µs');
    bars('requests', 'CPU of a request on a kept connection', 'hello', '1 at a time, us of CPU',
        'µs');
    bars('delay', '20 events a second to 1,000 readers: 99th percentile of the delay', 'late',
        'p99, ms', 'ms');
    bars('memory', 'Resident memory of a reader who waits, 10,000 of them', 'many',
        'bytes of memory each', 'bytes');
    growth();
    print "Charts: $charts\n";
}

sub results {
    my ($of) = @_;
    my $text = "# What was measured\n\n$of.\n\n" . join '', map { "- $_ $version{$_}\n" }
        sort keys %version;
    $text .= "- not measured, as it is not installed: $_\n" for @left_out;
    $text .= table_of($_) for qw(hello asked fanout late many);
    for (grep { $_->[3] !~ m{/peers$} } @steps) {
        $text .= "## \u$_->[0]\n\n```\n" . slurp("$dir/$_->[2].txt") . "```\n\n";
    }
    $text =~ s/\n{3,}/\n\n/g;
    spew("$dir/results.md", $text);
    print "Results: $dir/results.md\n";
}

if (@ARGV && $ARGV[0] eq 'charts') {
    charts();
    exit;
}
my $from    = time;
my $machine = machine();
print "$machine\n";
find_peers();
plan();
my %programs = map { $_->[3] => 1 } @steps;
print "Building (a minute or two when it is the first time)\n";
system(split(/ /, $make), '-s', '-j2', sort keys %programs) == 0 or exit 1;
run_all();
results("$machine; " . ($quick ? 'quick' : 'all') . ', ' . clock(time - $from) . ' minutes');
charts();
