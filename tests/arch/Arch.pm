# Unit tests built for another machine and run under qemu: of each kind of machine the ones that are
# most likely to show a fault. tests/portable/run.pl runs all of them.
package Arch;
use strict;
use warnings;
use Test::More;
use Exporter 'import';
our @EXPORT = qw(runs);

sub have { grep { -x "$_/$_[0]" } split /:/, $ENV{PATH} }

sub runs { # runs(TARGET, QEMU, UNIT...)
    my ($target, $qemu, @units) = @_;
    my ($emulator) = grep { have($_) } "$qemu-static", $qemu; # as newer Debians name it
    if (!have("$target-gcc") || !$emulator) {
        plan skip_all => "there is no $target-gcc or no $qemu" unless $ENV{CI};
        BAIL_OUT("there is no $target-gcc or no $qemu: sh tests/setup.sh test");
    }
    my $cc = "$target-gcc -std=c11 -O0 -static -DSSE_STATIC -DSSE_DEBUG_CHECKS -DSSE_NO_SQLITE " .
        '-DSSE_NO_BROTLI -DSSE_NO_THREADS';
    system 'mkdir', '-p', 'build/arch';
    for my $unit (@units) {
        my $program = "build/arch/$target-$unit";
        my $built   = `$cc tests/unit/$unit.c -o $program -lm 2>&1`;
        if ($?) { fail("$unit builds"); diag($built); next }
        my $said = `timeout 300 $emulator $program 2>&1`;
        ok($? == 0 && $said =~ /^1\.\.[1-9]/m && $said !~ /^not ok/m, $unit)
            or diag(join "\n", grep { /^(not ok|#)|rror/ } split /\n/, $said);
    }
    done_testing();
}
1;
