# Each numbered invariant has a proof that can fail: an assert that carries its tag, or a test that
# cites the tag and stands in the section's Tests: line. And what the banners name is there: tests,
# sections, functions of the drawings.
use strict;
use warnings;
use lib 'tests/header';
use Header;
use Test::More;

my $tag = qr/[A-Z]{1,2}\d{1,2}/;

# [name, banner, code] of each section
sub sections {
    my ($source) = @_;
    my @all;
    for (split m{^/\*=+\n  (?=>>\w)}m, $source) {
        push @all, [$1, $2, $3] if m{^>>(\w+)(.*?)=+\*/\n(.*)}s;
    }
    return @all;
}

# "Tests: tests/unit/a.c b.c tests/frame/": the second file stands beside the first
sub tests_of {
    my ($banner) = @_;
    my ($dir, @files) = ('');
    for (map { split } $banner =~ /Tests: ((?:\S+ ?)+)/g) {
        $dir = $1 if m{^(.*/)};
        push @files, m{/} ? $_ : $dir . $_;
    }
    return map { m{/$} ? glob("$_*") : $_ } @files;
}

sub comments { # of a test, by its language
    my ($file) = @_;
    my $source = slurp($file);
    return $source =~ m{/\*.*?\*/|//[^\n]*}gs if $file =~ /\.(?:c|h|mjs)$/;
    return $source =~ /(?:^|\s)#[^\n]*/g;
}

my %cited; # by file, the tags in its comments
for my $file (grep { !m{/header/invariants\.t$} } glob('tests/*.h tests/*/*.{c,h,mjs,t,sh}')) {
    $cited{$file} = {map { $_ => 1 } grep { !/^C(?:89|99|11)$/ }
        map { /\b($tag)\b/g } comments($file)};
}

sub wrong { # what is wrong with the invariants of a file
    my ($source, $cited) = @_;
    my (%home, %fine, %named, @wrong);
    for (sections($source)) {
        my ($section, $banner, $code) = @$_;
        my @tests = tests_of($banner);
        $named{$_}{$section} = 1 for @tests;
        for my $t ($banner =~ /^  ($tag)  \S/mg) {
            push @wrong, "$t is defined twice" if $home{$t};
            $home{$t} = $section;
            $fine{$t} = 1 if grep { ($cited->{$_} // {})->{$t} } @tests;
        }
    }
    while ($source =~ m{\bSSE_ASSERT\((?:[^;"]|"[^"]*")*\);[ ]*/\*(.*?)\*/}gs) {
        $fine{$_} = 1 for $1 =~ /\b($tag)\b/g;
    }
    my %known = map { $_ => 1 } map { /\b($tag)\b/g } $source =~ m{/\*.*?\*/}gs;
    push @wrong, map { "$_ is cited, and not defined" }
        grep { !$home{$_} && !/^C(?:89|99|11)$/ } sort keys %known;
    push @wrong, map { "$_ of >>$home{$_} is neither asserted nor cited by a test of its section" }
        grep { !$fine{$_} } sort keys %home;
    for my $file (sort keys %$cited) {
        for my $t (sort keys %{$cited->{$file}}) {
            push @wrong, "$file cites $t, which is not defined" if !$home{$t};
            push @wrong, "$file cites $t; the Tests: line of >>$home{$t} does not name it"
                if $home{$t} && !$named{$file}{$home{$t}};
        }
    }
    return \@wrong;
}
is_empty(wrong($private, \%cited), 'each invariant is asserted or tested');

# The proof can fail.
my $banner = "\n/*====\n  >>last   a section\n  Uses: libc   Tests: tests/unit/base.c\n" .
    "  QQ1  Something holds.\n====*/\n";
my %more = (%cited, 'tests/unit/base.c' => {%{$cited{'tests/unit/base.c'}}, QQ1 => 1});
my %else = (%cited, 'tests/unit/buf.c' => {%{$cited{'tests/unit/buf.c'}}, QQ1 => 1});
is_deeply(wrong("$private$banner", \%cited),
    ['QQ1 of >>last is neither asserted nor cited by a test of its section'],
    'one that is neither');
is_deeply(wrong("$private${banner}SSE_ASSERT(x == y); /* QQ1 */\n", \%cited), [],
    'an assert is enough');
is_deeply(wrong("$private$banner", \%more), [], 'so is a test');
is_deeply(wrong("$private$banner", \%else),
    ['QQ1 of >>last is neither asserted nor cited by a test of its section',
     'tests/unit/buf.c cites QQ1; the Tests: line of >>last does not name it'],
    'but not one that the section does not name');
is_deeply(wrong($private, \%more), ['tests/unit/base.c cites QQ1, which is not defined'],
    'a test cites what is not there');
is_deeply(wrong("$private/* see QQ2 */\n", \%cited), ['QQ2 is cited, and not defined'],
    'a comment cites what is not there');
is_deeply(wrong("$private$banner$banner", \%more), ['QQ1 is defined twice'],
    'one tag, two meanings');

# Banners: what they name exists. [f] in a drawing is sse__f or sse_f, or f as a member.
my %function = map { $_ => 1 } $private =~ /^(?:static|SSE_API)\b[^;={]*?\b(sse_\w+)\(/mg;
my (%above, @lost);
for (sections($private)) {
    my ($section, $banner, $code) = @$_;
    push @lost, "$section: no Tests: line" if !tests_of($banner);
    push @lost, map { "$section: $_ is no file" } grep { !-f } tests_of($banner);
    my ($uses) = $banner =~ /Uses: ((?:\S+ ?)+)/;
    push @lost, "$section: no Uses: line" if !$uses;
    push @lost, map { "$section: >>$_ does not stand above" } grep { !$above{$_} }
        ($uses // '') =~ />>(\w+)/g;
    for my $name (map { split /, / } grep { !/^(?:pure.*|f|found by)$/ }
        $banner =~ /\[([^\]]*)\]/g) {
        next if $name =~ /^$tag$/;
        next if $function{"sse__$name"} || $function{"sse_$name"} || $function{$name};
        my ($member) = $name =~ /\.(\w+)$/;
        push @lost, "$section: [$name] is no function" if !$member || $private !~ /\b$member;/;
    }
    $above{$section} = 1;
}
is_empty(\@lost, 'banners name sections above, tests and functions that there are');

# Where states are set by one function against a table, the banner draws them all.
my (@undrawn, @machines);
for (sections($private)) {
    my ($section, $banner, $code) = @$_;
    while ($code =~ /^static void sse__(\w+)_set_(?:state|phase)\([^{;]*?(sse__\w+) to\)/mg) {
        my ($what, $type) = ($1, $2);
        push @machines, $what;
        my ($states) = $private =~ /^typedef enum $type \{(.*?)\} $type;/ms;
        push @undrawn, "$section: $type is not found" if !$states;
        push @undrawn, map { "$section: $_ is not drawn" } grep { $banner !~ /\b$_\b/ }
            ($states // '') =~ /\bSSE__(?:STREAM_|REQ_)?([A-Z]+)\b/g;
    }
}
is_empty(\@undrawn, 'all states are drawn');
is_deeply(\@machines, [qw(conn req stream)], '... of these three');
done_testing();
