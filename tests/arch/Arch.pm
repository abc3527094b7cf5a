# The unit tests of pure sections, built for another machine and run under qemu.
package Arch;
use strict;
use warnings;
use Test::More;
use Exporter 'import';
our @EXPORT = qw(pure runs);

sub have { grep { -x "$_/$_[0]" } split /:/, $ENV{PATH} }

sub pure { # the sections marked [pure] in their banners that have a test
    open my $header, '<', 'sse.h' or die $!;
    return grep { -e "tests/unit/$_.c" } map { /^  >>(\w+) .*\[pure\b/ ? $1 : () } <$header>;
}

sub runs { # runs(TARGET, QEMU, UNIT...); a unit with options of the compiler: "large -DX"
    my ($target, $qemu, @units) = @_;
    plan skip_all => "there is no $target-gcc or no $qemu"
        unless have("$target-gcc") && have($qemu);
    my $cc = "$target-gcc -std=c11 -O1 -static -DSSE_NO_SQLITE -DSSE_NO_BROTLI -DSSE_NO_THREADS";
    system 'mkdir', '-p', 'build/arch';
    for my $unit (@units) {
        my ($name, $options) = $unit =~ /^(\w+)(.*)/;
        my $program = "build/arch/$target-$name";
        my $built   = `$cc$options tests/unit/$name.c -o $program -lm 2>&1`;
        if ($?) { fail("$unit builds"); diag($built); next }
        my $said = `timeout 120 $qemu $program 2>&1`;
        ok($? == 0 && $said =~ /^1\.\./m && $said !~ /^not ok/m, $unit)
            or diag(join "\n", grep { /^(not ok|#)|rror/ } split /\n/, $said);
    }
    done_testing();
}
1;
