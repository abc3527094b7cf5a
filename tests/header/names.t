# What the header leaves behind in the program that includes it.
use strict;
use warnings;
use lib 'tests/header';
use Header;
use Test::More;

my $impl = spew('impl.c', "#define SSE_IMPLEMENTATION\n#include \"sse.h\"\n");

sub symbols { # the global symbols an object defines
    my (@flags) = @_;
    compiles("an object (@flags)",
        $quick, '-std=c99', '-I.', '-w', @flags, '-c', $impl, '-o', "$dir/impl.o") or return ();
    return map { (split)[-1] } `nm -g --defined-only $dir/impl.o`;
}

my %public = map { $_ => 1 } functions();
my @global = symbols();
is_empty([grep { !$public{$_} } @global],
    'an object defines no global symbol but the public functions');
my %defined = map { $_ => 1 } @global;
is_empty([grep { !$defined{$_} } sort keys %public], 'every public function is defined');
is_empty([symbols('-DSSE_STATIC')], 'with SSE_STATIC it defines none');
for my $subset ('-DSSE_NO_SQLITE', '-DSSE_NO_BROTLI', '-DSSE_NO_THREADS', '-DSSE_NO_COMPRESSION') {
    my %still = map { $_ => 1 } symbols($subset);
    is_empty([grep { !$still{$_} } sort keys %public],
        "every public function is still there with $subset");
}

# Macros: the preprocessor says which file defined what.
for my $flags ('', '-DSSE_IMPLEMENTATION') {
    my ($ours, @leaks) = (0);
    for my $line (`gcc -std=c99 -E -dD $flags -x c sse.h`) {
        if ($line =~ /^# \d+ "(.*?)"/) { $ours = $1 eq 'sse.h' }
        next unless $ours && $line =~ /^#define (\w+)/;
        push @leaks, $1 if $1 !~ /^(SSE_|sse_|_DEFAULT_SOURCE$)/;
    }
    is_empty(\@leaks, "macros are SSE_ only ($flags)");
}

# Names in the one name space that C has.
my $code = $text =~ s{/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"}{}gsr;
is_empty([grep { !/^sse_/ } $code =~ /^typedef\s+(?:struct|enum|union)\s+(\w+)/mg],
    'struct, enum and union tags start with sse_');
is_empty([grep { !/^sse_/ } $code =~ /^\}\s*(\w+);/mg], 'typedefs start with sse_');
is_empty([grep { !/^sse__/ } $code =~ /^static\s[^;={(]*?\b(\w+)\s*\(/mg],
    'private functions start with sse__');
is_empty([grep { !/^sse__/ } $code =~ /^static\s[^;=({]*?\b(\w+)(?:\[[^\]]*\])*\s*(?:=|;)/mg],
    'private data starts with sse__');
my ($declared) = $public =~ /(#ifndef SSE_H.*)/s;
is_deeply([sort { $a cmp $b } $declared =~ /^#include (\S+)/mg],
    [qw(<stdarg.h> <stdbool.h> <stddef.h> <stdint.h>)], 'the public part includes four headers');
done_testing();
