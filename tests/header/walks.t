#!/usr/bin/perl
# The walks at the top of the implementation: each function there is one, and is called in the body
# of the one it stands under; one that begins with a "~" is called through a pointer, which is named
# behind it in brackets and set to it somewhere.
use strict;
use warnings;
use lib 'tests/header';
use Header;
use Test::More;

my ($walks) = $private =~ m{^  Three walks.*?\n(.*?)^=+\*/}ms or BAIL_OUT('there are no walks');
my %body;
for (split /^(?=(?:static|SSE_API)\b)/m, $private) {
    $body{$1} //= $2 if /^(?:static|SSE_API)\b[^;{=]*?\b(sse_\w+)\([^;{]*\)[^;{]*\{(.*)/s;
}

my (@stack, @bad, %seen);
for my $line (split /\n/, $walks) {
    my ($indent, $pointer, $name, $via) = $line =~ /^( +)(~?)(sse_\w+)(?: +\[(\w+)\])?/ or next;
    my $depth = length $indent;
    pop @stack while @stack && $stack[-1][0] >= $depth;
    $seen{$name}++;
    if (!defined $body{$name}) { push @bad, "$name is no function" }
    elsif (@stack && !$pointer) {
        my $parent = $stack[-1][1];
        push @bad, "$parent does not call $name" unless $body{$parent} =~ /\b$name\(/;
    }
    elsif ($pointer) {
        push @bad, "$name: say [by which pointer]" unless defined $via;
        push @bad, "nothing in the file is given $name" unless $private =~ /\b$name\b(?!\()/;
        push @bad, "$stack[-1][1] does not call through $via"
            unless !defined $via || !@stack || $body{$stack[-1][1]} =~ /\b$via\b/;
    }
    push @stack, [$depth, $name];
}
is_empty(\@bad, 'the walks go where the code goes');
ok(keys %seen > 40, 'and name ' . keys(%seen) . ' functions');

# Where to look: what is named for a question stands in the section named before it.
my ($where) = $private =~ /^  Where to look.*?\n(.*?)\n\n/ms or BAIL_OUT('nowhere to look');
my ($section, @astray) = ('');
for my $word ($where =~ /(\[\w+\]|\b(?:sse__|SSE__)\w+)/g) {
    if ($word =~ /\[(\w+)\]/) { $section = $1; next }
    my ($body) = $private =~ m{^/\*=+\n  >>$section .*?\*/\n(.*?)(?=^/\*=+\n  >>|\z)}ms;
    push @astray, "$word is not in >>$section"
        unless ($body // '') =~ /^(?:static\b[^\n;=]*\b$word\([^;\{]*\{|#define $word\()/m;
}
is_empty(\@astray, 'and where to look is where it is');
done_testing();
