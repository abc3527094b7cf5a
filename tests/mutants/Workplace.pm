# Places to build and run tests in: a copy of them, which finds its own sse.h beside it.
package Workplace;
use strict;
use warnings;
use Cwd 'getcwd';
use Exporter 'import';
use POSIX qw(:sys_wait_h setpgid);
use Time::HiRes qw(time sleep);
our @EXPORT = qw(slurp write_file run_quietly workplace run_in libraries);

my $root = getcwd();

sub slurp {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    local $/;
    return scalar <$in>;
}

sub write_file {
    my ($file, $text) = @_;
    open my $out, '>', $file or die "$file: $!\n";
    print $out $text;
    close $out or die "$file: $!\n";
}

sub run_quietly { system(@_) == 0 or die "@_ failed\n" }

sub libraries { return qw(-lsqlite3 -lbrotlienc -lpthread -lm) }

# A fresh one, or one with fresh tests ($keep). $tmp: where its tests leave what they leave in /tmp.
# A short name: there is little room for it in the paths of tests.
sub workplace {
    my ($dir, $tmp, $keep) = @_;
    run_quietly('rm', '-rf', $keep ? "$dir/tests" : $dir);
    run_quietly('mkdir', '-p', "$dir/build", "$dir/tests/fuzz", $tmp);
    run_quietly('cp', '-r', "$root/$_", "$dir/$_")
        for 'tests/tap.h', 'tests/unit', 'tests/wire', 'tests/frame';
    for my $preload (glob 'tests/wire/{slow_fsync,scarce_memory}.c') {
        my ($name) = $preload =~ /(\w+)\.c/;
        run_quietly('gcc', '-std=c11', '-shared', '-fPIC', '-w', $preload, '-o',
            "$dir/build/$name.so");
    }
    run_quietly('cp', '-r', glob("$root/tests/fuzz/*.[ch]"), "$root/tests/fuzz/corpus",
        "$dir/tests/fuzz/");
    symlink "$root/$_", "$dir/$_" for qw(examples tests/outside tests/header README.md Makefile
        build/node build/nginx build/caddy);
    for my $file (glob "$dir/tests/unit/*.[ch]") {
        my $text = slurp($file);
        write_file($file, $text) if $text =~ s{(["':])/tmp/}{$1$tmp/}g;
    }
}

# Runs a command in a directory, its output into a file: its exit status; -1 after too long. What it
# started ends with it.
sub run_in {
    my ($dir, $seconds, $log, @command) = @_;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        setpgid(0, 0);
        chdir $dir or POSIX::_exit(127);
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $log or POSIX::_exit(127);
        open STDERR, '>&', \*STDOUT;
        exec { $command[0] } @command or POSIX::_exit(127);
    }
    local @SIG{qw(INT TERM)} = (sub { kill 'KILL', -$pid; exit 1 }) x 2;
    my ($end, $wait, $gone) = (time + $seconds, 0.002);
    while (!($gone = waitpid($pid, WNOHANG)) && time < $end) {
        sleep $wait;
        $wait *= 1.3 if $wait < 0.05;
    }
    my $status = $gone ? $? : -1;
    kill 'KILL', -$pid;
    waitpid($pid, 0) unless $gone;
    return $status;
}
1;
