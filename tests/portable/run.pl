#!/usr/bin/perl
# Where sse.h runs: all unit tests, and the wire suites about topics, streams and requests, under
# other pollers, C libraries, compilers, languages and machines, and without each part that can be
# left out; and that no compiler has anything to say about it, at any level.
# usage: perl tests/portable/run.pl [ROW...]      all rows, or some of them
# What a row needs and this machine lacks is a failure that names it. JOBS=2: how many at a time.
use strict;
use warnings;
use Cwd;
use File::Basename 'dirname';
use File::Temp 'tempdir';
use POSIX ':sys_wait_h';
use Time::HiRes 'time';

chdir dirname(__FILE__) . '/../..' or die $!;
$| = 1;
$ENV{LC_ALL} = 'C';
my $top    = getcwd();
my $out    = 'build/portable';
my $source = 'build/sqlite'; # SQLite's, in one file: for machines that Debian has no library for
my @libs   = qw(-lsqlite3 -lbrotlienc -lpthread -lm);
my @checks = qw(-DSSE_DEBUG_CHECKS -DSSE_STATIC);
my @strict = qw(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wundef -Werror -I.);
my @suites = qw(topics stream requests);
my %units  = map { m{(\w+)\.c$} ? ($1 => 1) : () } glob 'tests/unit/*.c';

sub slurp {
    my ($file) = @_;
    open my $in, '<', $file or return '';
    local $/;
    return scalar <$in>;
}
my $header = slurp('sse.h');

# The parts that can be left out, as the table of the header lists them.
my ($table) = $header =~ /^   Configuration macros\n(.*?)\*\/$/ms or die 'no table of macros';
my @off     = $table =~ /^     (SSE_NO_\w+)/mg;

# ---- where a test does not run, and why: this table, and nothing else ----------------------------

my %not = (
    SSE_NO_SQLITE => {
        history => 'is about tables of SQLite',
        kept    => 'is about tables of SQLite',
    },
    SSE_NO_COMPRESSION => {
        file  => 'counts files that brotli and gzip compress',
        frame => 'is about the encoder that is left out',
    },
    SSE_NO_THREADS => {
        offload => 'is about work on other threads',
        kept    => 'lets go, on the loop, of a lock that the loop itself then waits for',
    },
    SSE_NO_CLIENT => {
        client => 'is about the client that is left out',
    },
);

# Of a suite so many tests, which say so themselves.
my %skips = (
    SSE_NO_SQLITE      => { topics => [2, 'which keep events in tables of SQLite'] },
    SSE_NO_COMPRESSION => { topics => [4, 'which read what was compressed'] },
    SSE_NO_THREADS     => { topics => [1, 'which publishes from other threads'] },
);

# ---- the rows ------------------------------------------------------------------------------------

# cc: what compiles a unit test; gcc: what compiles servers, if another; run: what runs programs;
# package: what brings it all; own: links SQLite from its source, and no brotli
my $static = '-std=c11 -O0 -static';
my @rows   = (
    { name => 'poll', says => 'poll(2) in place of epoll', package => 'gcc libc6-dev',
      cc => 'gcc -std=gnu17 -O0 -DSSE_USE_POLL' },
    { name => 'tcc', says => 'tcc, which has no epoll, no atomics and no thread-local storage',
      package => 'tcc', cc => 'tcc -w' },
    { name => 'g++', says => 'C++20', package => 'g++', cc => 'g++ -std=c++20 -O0 -w -x c++' },
    { name => 'clang++', says => 'C++20', package => 'clang g++',
      cc => 'clang++ -std=c++20 -O0 -w -x c++' },
    { name => 'musl', says => 'musl, static', package => 'musl-tools', own => 1,
      cc => "musl-gcc $static" },
    { name => 'i686', says => '32 bits, of off_t and time_t as well: what -m32 makes', own => 1,
      package => 'gcc-i686-linux-gnu libc6-dev-i386-cross',
      cc => "i686-linux-gnu-gcc $static -U_TIME_BITS -U_FILE_OFFSET_BITS" },
    { name => 'armhf', says => '32-bit ARM, hard float, 32-bit time_t', own => 1,
      package => 'gcc-arm-linux-gnueabihf libc6-dev-armhf-cross', run => 'qemu-arm',
      cc => "arm-linux-gnueabihf-gcc $static -U_TIME_BITS -U_FILE_OFFSET_BITS",
      also => { large => '-D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64' } },
    { name => 'mips', says => '32 bits, big-endian', own => 1, run => 'qemu-mips',
      package => 'gcc-mips-linux-gnu libc6-dev-mips-cross', cc => "mips-linux-gnu-gcc $static" },
    { name => 'riscv64', says => '64-bit RISC-V', own => 1, run => 'qemu-riscv64',
      package => 'gcc-riscv64-linux-gnu libc6-dev-riscv64-cross',
      cc => "riscv64-linux-gnu-gcc $static" },
    { name => 's390x', says => '64 bits, big-endian', own => 1, run => 'qemu-s390x',
      package => 'gcc-s390x-linux-gnu libc6-dev-s390x-cross',
      cc => "s390x-linux-gnu-gcc $static" },
    map({ { name => $_, says => 'that part left out', package => 'tcc gcc libc6-dev', without => $_,
            cc => "tcc -w -D$_", gcc => "gcc -std=c99 -O0 -D$_" } } @off),
    { name => 'warnings', says => 'gcc, clang and the others, -O0 to -O3 and -Os, all warnings' },
    { name => 'subsets', says => 'each subset of the parts, built and linked' },
);
my %small = (i686 => 1, armhf => 1); # time_t is of 32 bits there
my %link  = (SSE_NO_SQLITE => '-lsqlite3', SSE_NO_THREADS => '-lpthread',
    SSE_NO_BROTLI => '-lbrotlienc', SSE_NO_COMPRESSION => '-lbrotlienc');

sub have { grep { -x "$_/$_[0]" } split /:/, $ENV{PATH} }

sub emulator { # as Debian 13 and newer name it, or with -static behind
    my ($name) = @_;
    return (grep { have($_) } "$name-static", $name)[0];
}

# ---- jobs: two at a time, each tells one or more results -----------------------------------------

my ($count, $failed, %running, @queue) = (0, 0);
my $scratch = tempdir(DIR => -d 'build' ? 'build' : '.', CLEANUP => 1);

sub say_result { # of a test, with what it said if it failed
    my ($good, $name, $said) = @_;
    $count++;
    $failed++ unless $good;
    print $good ? 'ok' : 'not ok', " $count - $name\n";
    return if $good;
    my @lines = split /\n/, $said // '';
    splice @lines, 0, @lines - 25 if @lines > 25;
    print "#   $_\n" for map { tr/\x20-\x7e/?/cr } @lines;
}

sub job { push @queue, [@_] } # job NAME, CODE: CODE returns (good, said) or (-1, why it cannot run)

sub reap {
    my $pid = waitpid(-1, 0);
    my $job = delete $running{$pid} or return;
    my $said = slurp("$scratch/$pid");
    unlink "$scratch/$pid";
    say_result($? == 0, sprintf('%s (%.1f s)', $job->[0], time - $job->[2]), $said);
}

sub finish { # all jobs there are
    while (@queue || %running) {
        if (!@queue || keys %running >= ($ENV{JOBS} || 2)) { reap(); next }
        my $job = shift @queue;
        my $pid = fork // die "fork: $!";
        if (!$pid) {
            open STDOUT, '>', "$scratch/$$" or die $!;
            open STDERR, '>&', \*STDOUT;
            my $good = eval { $job->[1]->() } // print $@;
            POSIX::_exit($good && !$@ ? 0 : 1);
        }
        $job->[2] = time;
        $running{$pid} = $job;
    }
}

sub command { # whether it succeeds and says nothing; what it says goes to the job's output
    my ($line, $quiet) = @_;
    print "$line\n" unless $quiet;
    my $said = `$line 2>&1`;
    my $bad  = $?;
    print $said;
    return !$bad;
}

# ---- unit tests and servers of a row -------------------------------------------------------------

sub linked { # the libraries of a row
    my ($row) = @_;
    return "$out/$row->{name}/sqlite3.o -lpthread -lm" if $row->{own};
    my $gone = $link{$row->{without} // ''} // '';
    return join ' ', grep { $_ ne $gone } @libs;
}

sub flags {
    my ($row) = @_;
    return ($row->{own} ? "-I$source -DSSE_NO_BROTLI" : '') . ' -I.';
}

sub program { # builds one of a row; where it needs an emulator, a script runs it
    my ($row, $cc, $from, $to) = @_;
    my $binary = $row->{run} ? "$to.elf" : $to;
    my $flags  = flags($row);
    # an emulated or static program says at link time what it cannot look up: hosts and users
    command("$cc @checks $flags $from -o $binary " . ($cc =~ /\+\+/ ? '-x none ' : '') .
            linked($row)) or return 0;
    return 1 unless $row->{run};
    open my $script, '>', $to or die "$to: $!";
    print $script "#!/bin/sh\nexec " . emulator($row->{run}) . " $top/$binary \"\$\@\"\n";
    close $script;
    return chmod 0755, $to;
}

sub unit { # one test of a row
    my ($row, $name, $more) = @_;
    my $to = "$out/$row->{name}/unit/$name" . ($more ? '-also' : '');
    my $cc = join ' ', $row->{cc}, $more // ();
    return sub {
        program($row, $cc, "tests/unit/$name.c", $to) or return 0;
        my $said = `timeout 3600 $to 2>&1`;
        my $good = $? == 0 && $said =~ /^1\.\.[1-9]/m && $said !~ /^not ok/m;
        print "status $?\n", join "\n", grep { /^(not ok|#|sse\.h)|rror|Assert/ } split /\n/, $said
            unless $good;
        unlink $to, "$to.elf" if $good;
        return $good;
    };
}

sub wire { # the suites of a row, on servers built for it
    my ($row) = @_;
    my $skips = $skips{$row->{name}} // {};
    return sub {
        for my $server (qw(topics http)) {
            program($row, $row->{gcc} // $row->{cc}, "tests/wire/$server.c",
                "$out/$row->{name}/$server") or return 0;
        }
        my $bad = 0;
        for my $suite (@suites) {
            local $ENV{SLOW}  = $row->{run} ? 20 : 5;
            local $ENV{PLAIN} = "portable/$row->{name}";
            local $ENV{WITHOUT} = $row->{without} // '';
            my $said = `SERVERS=portable/$row->{name} tests/wire/$suite.test.mjs 2>&1`;
            my $skipped = () = $said =~ /^ok .* # SKIP/mg;
            next if !$? && $said =~ /^1\.\.[1-9]/m && $said !~ /^not ok/m &&
                $skipped == ($skips->{$suite} // [0])->[0];
            $bad++;
            print "== $suite\n", $said =~ s/^ok .*\n//mgr;
        }
        return !$bad;
    };
}

sub lacks { # what a row needs and this machine has not
    my ($row) = @_;
    my ($cc)  = split ' ', $row->{cc};
    my @lacks;
    push @lacks, "$cc ($row->{package})" unless have($cc);
    push @lacks, "$row->{run} (qemu-user-static, or qemu-user)"
        if $row->{run} && !emulator($row->{run});
    push @lacks, 'the source of SQLite in build/sqlite (sh tests/setup.sh portable)'
        if $row->{own} && !-e "$source/sqlite3.c";
    push @lacks, grep { !have($_) } qw(node sqlite3);
    return @lacks;
}

# SQLite as a program on a small machine has it; it is not what is tested.
sub sqlite {
    my ($row) = @_;
    my $cc = $row->{cc} =~ s/ -static//r =~ s/-std=c11/-std=gnu11/r;
    return sub {
        my $made = "$out/$row->{name}/sqlite3.o";
        return 1 if -e $made && -M $made < -M "$source/sqlite3.c";
        return command("$cc -w -DSQLITE_THREADSAFE=1 -DSQLITE_OMIT_LOAD_EXTENSION " .
            "-c $source/sqlite3.c -o $made.new") && rename "$made.new", $made;
    };
}

# ---- all warnings --------------------------------------------------------------------------------

# sub-lists of (name, command), each of which must say nothing
sub warnings_of {
    my $file = "$out/warnings";
    system 'mkdir', '-p', $file;
    open my $c, '>', "$file/sse.c" or die $!;
    print $c "#define SSE_IMPLEMENTATION\n#include \"sse.h\"\n",
        "int main(void) { return sse_error_text(0) == NULL; }\n";
    close $c;
    my @all;
    my $add = sub {
        my ($cc, $more) = @_;
        my ($tool) = split ' ', $cc;
        push @all, ["$cc $more", $tool,
            "$cc $more @strict -c $file/sse.c -o $file/" . @all . '.o'];
    };
    for my $cc ('gcc -std=c99', 'clang -std=c11') {
        for my $level (qw(-O0 -O1 -O2 -O3 -Os)) { $add->($cc, "$level$_") for '', ' -DSSE_STATIC' }
        $add->($cc, "-O2 -D$_") for qw(NDEBUG SSE_USE_POLL SSE_DEBUG_CHECKS);
        for my $level (qw(-O1 -O2 -O3 -Os)) { # what is left out changes what is inlined
            $add->($cc, join ' ', $level, map { "-D$_" } @$_) for map([$_], @off), \@off,
                [qw(SSE_NO_SQLITE SSE_NO_BROTLI)], [qw(SSE_NO_SQLITE SSE_NO_BROTLI SSE_NO_THREADS)];
        }
    }
    for my $cc ('g++', 'clang++ -Wno-deprecated') {
        $add->("$cc -x c++ -std=$_", '-O1') for qw(c++11 c++20);
        $add->("$cc -x c++ -std=c++20", '-O2 -DSSE_STATIC');
    }
    $add->($_->{cc} =~ s/ -O0| -static//gr, "-O2 -I$source -DSSE_NO_BROTLI")
        for grep { $_->{own} } @rows;
    return @all;
}

# ---- now -----------------------------------------------------------------------------------------

my %wanted = map { $_ => 1 } @ARGV;
my %known  = map { $_->{name} => 1 } @rows;
for (grep { !$known{$_} } sort keys %wanted) {
    print "no row is named $_. There are: ", join(' ', map { $_->{name} } @rows), "\n";
    exit 2;
}
my @chosen = grep { !%wanted || $wanted{$_->{name}} } @rows;
my $began  = time;

# The tables of this file are true: what they name is there.
my %in_code = map { $_ => 1 } grep { $_ ne 'SSE_NO_' } $header =~ /^ *#.*?\b(SSE_NO_\w+)/mg;
say_result("@{[sort keys %in_code]}" eq "@{[sort @off]}", 'the header lists each SSE_NO_ macro',
    "the table of the header: @off\nits code: @{[sort keys %in_code]}");
my @astray;
for my $row (sort keys %not) {
    push @astray, map { "$row: $_" } grep { !$units{$_} } keys %{$not{$row}};
}
push @astray, grep { !$known{$_} } keys %not, keys %skips;
say_result(!@astray, 'the table of what does not run names rows and tests', join "\n", @astray);

my @ready;
for my $row (@chosen) {
    print "== $row->{name}: $row->{says}", ($row->{cc} ? ": $row->{cc}" : ''),
        ($row->{run} ? ", under $row->{run}" : ''), "\n";
    next unless $row->{cc};
    my @lacks = lacks($row);
    say_result(!@lacks, "$row->{name}: this machine has what it needs", "missing: $_") for
        @lacks ? join ', ', @lacks : '';
    push @ready, $row unless @lacks;
}
for my $row (@ready) {
    system 'mkdir', '-p', "$out/$row->{name}/unit";
    job("$row->{name}: SQLite from its source", sqlite($row)) if $row->{own};
}
finish();
for my $row (@ready) {
    my $why = $not{$row->{name}} // {};
    if ($small{$row->{name}}) {
        job("$row->{name}: time_t has 32 bits", sub {
            open my $c, '>', "$out/$row->{name}/time.c" or die $!;
            print $c "#include <time.h>\ntypedef char small[sizeof(time_t) == 4 ? 1 : -1];\n";
            close $c;
            return command("$row->{cc} -fsyntax-only $out/$row->{name}/time.c");
        });
    }
    for my $suite (sort keys %{$skips{$row->{name}} // {}}) {
        my ($n, $says) = @{$skips{$row->{name}}{$suite}};
        print "#   not run: $row->{name}: $n tests of wire/$suite, $says\n";
    }
    job("$row->{name}: wire: @suites", wire($row));
    for my $name (sort keys %units) {
        if ($why->{$name}) { print "#   not run: $row->{name}: unit/$name $why->{$name}\n" }
        else { job("$row->{name}: unit/$name", unit($row, $name)) }
    }
    for (sort keys %{$row->{also} // {}}) {
        my $more = $row->{also}{$_};
        job("$row->{name}: unit/$_ $more", unit($row, $_, $more));
    }
}
for my $row (grep { !$_->{cc} } @chosen) {
    if ($row->{name} eq 'subsets') {
        for my $test (qw(subsets include names)) {
            job("subsets: tests/header/$test.t, all of it", sub {
                local @ENV{qw(ALL CI)} = (1, 1); # CI: what is missing fails
                return command("perl tests/header/$test.t");
            });
        }
        next;
    }
    for (warnings_of()) {
        my ($name, $tool, $line) = @$_;
        job("warnings: $name", sub {
            have($tool) or do { print "missing: $tool\n"; return 0 };
            my $said = `$line 2>&1`;
            print $said;
            return !$? && $said eq '';
        });
    }
}
finish();
print "1..$count\n";
printf "# %d of %d failed; %.0f s\n", $failed, $count, time - $began;
exit($failed ? 1 : 0);
