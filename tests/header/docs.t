# What the header and the README say, compared with the code.
use strict;
use warnings;
use lib 'tests/header';
use Header;
use Test::More;

my ($manual) = $text =~ m{^(/\*.*?\*/)}s;
my $hello    = slurp('examples/hello.c');
my %public   = map { $_ => 1 } functions();

sub chapter { # the lines of the manual from a heading to the next one
    my ($title) = @_;
    my $next = qr/^ {0,3}(?:\d+\. +)?[A-Z][^\n]*$|\*\/|\z/mi;
    return $manual =~ /^ *(?:[\d.]+ +)?\Q$title\E\b[^\n]*\n(.*?)(?=$next)/msi ? $1 : '';
}

# Version, first program, contents.
my ($said)    = $text =~ m{^/\* sse\.h (\S+): };
my ($version) = $text =~ /^#define SSE_VERSION "(.*?)"/m;
is($said, $version, 'the first line and SSE_VERSION agree');
my ($number) = $text =~ /^#define SSE_VERSION_NUMBER +(\d+)$/m;
is(sprintf('%d.%d.%d', $number / 1000000, $number / 1000 % 1000, $number % 1000), $version,
    '... and SSE_VERSION_NUMBER');
my ($newest) = $text =~ /^ {3}Changes\n\n {3}(\d\S*) /m;
is($newest, $version, '... and the newest of the changes');

my ($program) = grep { /int main/ } map { $_ =~ s/^ {7}//mgr }
    $manual =~ /^( {7}#define SSE_IMPLEMENTATION\n(?:(?: {7}[^\n]*)?\n)+)/mg;
is(($program // '') =~ s/\n+\z/\n/r, $hello,
    'the smallest program of the manual is examples/hello.c');

my @banners = $private =~ m{^/\*=+\n  >>(\w+) }mg;
my ($contents) = chapter('Contents');
my %listed = map { $_ => 1 } $contents =~ />>(\w+)/g;
is_deeply([sort keys %listed], [sort @banners], 'the contents list the sections');

# Sections: what they use stands above them, and their tests exist.
my %above;
while ($private =~ m{^/\*=+\n  >>(\w+) (.*?)=+\*/}msg) {
    my ($section, $banner) = ($1, $2);
    my ($uses) = $banner =~ /Uses: (.*?)(?:  |\n)/;
    my ($test) = $banner =~ /Tests: (\S+)/;
    is_empty([grep { !$above{$_} } ($uses // '') =~ />>(\w+)/g],
        ">>$section uses sections above it");
    ok(defined $test && -e $test, ">>$section: its test exists")
        or diag($test // 'no test is named');
    my @cited = $banner =~ /^  ([A-Z]+\d+)  /mg;
    my ($body) = $private =~ m{^/\*=+\n  >>$section .*?\*/\n(.*?)(?=^/\*=+\n  >>|\z)}ms;
    is_empty([grep { $body !~ /\b$_\b/ } @cited],
        ">>$section: each invariant is cited in its code");
    $above{$section} = 1;
}

# API index and configuration table.
my %index;
$index{$_}++ for chapter('API index') =~ /^ +(sse_\w+) {1,}\S/mg;
is_empty([grep { !$index{$_} } sort keys %public],
    'the API index has a line for every public function');
is_empty([grep { !$public{$_} || $index{$_} > 1 } sort keys %index],
    '... once, and for nothing else');

my $code = $text =~ s{/\*.*?\*/}{}gsr;
my %asked;
for my $condition ($code =~ /^#\s*(?:el)?if(.*(?:\\\n.*)*)/mg) {
    $asked{$_} = 1 for $condition =~ /\b(SSE_(?!_)\w+)/g;
}
delete @asked{qw(SSE_H SSE_IMPLEMENTED)};
my %table = map { $_ => 1 } map { /\b(SSE_\w+)/g }
    chapter('Configuration macros') =~ /^ +(SSE_\w+(?:,? +SSE_\w+)*)/mg;
is_deeply([sort keys %table], [sort keys %asked],
    'the table of configuration macros is what the code asks for');

# Names: whatever is spelled sse_ or SSE_ in prose exists.
my %known = map { $_ => 1 } $code =~ /\b((?:sse|SSE)_\w+)/g, $text =~ /X\((SSE_\w+)/g;
my %stem; # "the SSE_NO_ macros" and sse_db_* name a family
for my $name (keys %known) {
    my $part = $name;
    $stem{$part} = 1 while $part =~ s/[^_]+_?$// && length $part;
}
my $coming = chapter('Coming from'); # its left column has the names of other packages
my $ours   = $text =~ s{\Q$coming\E}{ $coming =~ s/^ {5}(?=\S.{38} \S).{39}/     /gmr }er;
my @prose = map { /\b((?:sse|SSE)_(?!_)\w*)/g } $ours =~ m{/\*.*?\*/}gs;
my %wrong = map { $_ => 1 } grep { !$known{$_} && !$stem{$_} && $_ !~ /^sse_(noun|x)/ } @prose;
is_empty([sort keys %wrong], 'every name in the comments exists');

# What others call it: two columns, and all that is on the right is declared, to the letter.
my ($lead, @groups) = split /^\n {5}\S.*\n\n/m, $coming; # at the names of the packages
my @rows  = map { grep { length } split /\n/ } @groups;
my $plain = $public =~ s{/\*.*?\*/}{}gsr;
my %field = map { $_ => 1 } map { /(\w+)(?=\)\(|[,;])/g }
    $plain =~ /typedef struct \w+ \{(.*?)^\} \w+;/gms, $plain =~ /typedef struct \w+ \{([^\n]*)\}/g;
my %declared = map { $_ => 1 } $plain =~ /\b((?:sse|SSE)_\w+)/g, $text =~ /X\((SSE_\w+)/g;
my (%strange, @crooked);
for my $row (@rows) {
    my ($left, $right) = $row =~ /^ {5}(\S.{38}) (\S.*)$/ or push @crooked, $row and next;
    push @crooked, $row if $left =~ /\S {2,}\S/ || $right =~ / {2}/;
    $strange{$_} = 1 for grep { !$declared{$_} } $right =~ /\b((?:sse|SSE)_(?!NO_)\w+)/g;
    $strange{".$_"} = 1 for grep { !$field{$_} } $right =~ /(?<![\w."])\.([a-z]\w*)/g;
}
ok(@rows > 150, 'there is a line for what other packages offer');
is_empty(\@crooked, '... in two columns');
is_empty([sort keys %strange], '... and every function and option there is declared');

# Contracts: a declaration has a comment on its line or in its block.
my @bare;
for my $block (split /\n(?:[ \t]*\n)+/, $public =~ s{\A.*?#ifndef SSE_H\n}{}sr) {
    my @names = $block =~ /^SSE_API\b[^;({]*?\b(sse_\w+)\(/mg or next;
    push @bare, @names if $block !~ m{/\*};
}
is_empty(\@bare, 'every public function has a contract');

# Examples: all C in the manual compiles, with what its text takes for granted declared here;
# functions stand at file scope, the rest in a function.
my $granted = <<'END';
#include "sse.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static sse_app *app;
static sse_db  *db;
static const char *text;
static void came(sse_app *a, const char *topic, const char *who, void *user) {
    (void)a, (void)topic, (void)who, (void)user;
}
static void left(sse_app *a, const char *topic, const char *who, void *user) {
    (void)a, (void)topic, (void)who, (void)user;
}
static const char *hash_of(const char *name) { return name; }
static void ask_log(const char *name, const char *after, sse_stream s) {
    (void)name, (void)after, (void)s;
}
END
my $around = 'sse_req *req, sse_buf *html, const char *name, const char *id, int fd, ' .
    'sse_handler guard, sse_fd_fn fn';
my @used = qw(app db text came left hash_of ask_log req html name id fd guard fn);
my $use  = join ' ', map { "(void)$_;" } @used;

my $body = qr/\b[^\n]*\{[^\n]*\n(?:(?!\}).*\n)*\}[^\n]*\n/; # of what begins with static or typedef

sub example { # the C of some blocks as one file
    my (@blocks) = @_;
    my ($top, $inside) = ('', '');
    for my $block (@blocks) {
        while ($block =~ /\G(?:((?:static|typedef)(?:$body|\b[^\n]*\n))|(.*\n))/gc) {
            if (defined $1) { $top .= $1 =~ s/^(static [^=\n]*\));/$1 {}/r }
            else { $inside .= "    $2" }
        }
    }
    return "$granted$top\nextern void statements($around);\n" .
        "void statements($around) {\n    $use\n    {\n$inside    }\n}\n";
}

sub compiled { # compiled NAME, FILE, BLOCKS...
    my ($name, $file, @blocks) = @_;
    my @unused = qw(-Wno-unused-function -Wno-unused-parameter -Wno-unused-variable);
    compiles($name, 'gcc', qw(-std=c99 -I. -fsyntax-only -Wall -Wextra -Werror), @unused,
        spew($file, example(@blocks)));
}

my %examples;
while ($manual =~ /^ {3}(\d+)\. ([^\n]+)\n(.*?)(?=^ {3}\d+\. |^ {3}API index)/msg) {
    my ($number, $title, $body) = ($1, $2, $3);
    my @blocks = map { s/^ {7}//mgr } $body =~ /((?:^ {7}[^\n]*\n(?:\n(?= {7}))*)+)/mg;
    @blocks = grep { /[;}]\s*(?:\/\/.*)?$/m && !/^</ } @blocks;
    $examples{$number} = join '', @blocks;
    if ($title eq 'C++') { # the first block is of C++11, the others need a later one
        for (['c++11', 0], ['c++20', $#blocks]) {
            my ($std, $last) = @$_;
            my $file = spew("$std.cpp", join '', "#include \"sse.h\"\n", @blocks[0 .. $last]);
            compiles("the examples of chapter $number, $title, compile as $std", 'g++', "-std=$std",
                qw(-I. -fsyntax-only -Wall -Wextra -Wpedantic -Werror -Wno-unused-function
                -Wno-missing-field-initializers), $file);
        }
        is(scalar @blocks, 2, 'there is one for each');
        next;
    }
    compiled("the examples of chapter $number, $title, compile", "chapter$number.c", @blocks)
        if @blocks;
}
for ([7, 'login', 'typedef struct attempt', 'static void page'],
    [11, 'later', 'typedef struct job', 'static void page']) {
    my ($number, $program, $from, $to) = @$_;
    my ($part) = slurp("examples/$program.c") =~ /^(\Q$from\E.*?)\n+^\Q$to\E/ms;
    ok(index($examples{$number}, $part) >= 0, "chapter $number shows examples/$program.c as it is");
}

# The README.
SKIP: {
    if (!-e 'README.md') {
        $ENV{CI} ? fail('there is a README.md') : skip('no README.md', 1);
        last SKIP;
    }
    my $readme = slurp('README.md');
    my @blocks = $readme =~ /^```c\n(.*?)^```/msg;
    is($blocks[0], $hello, 'its first program is examples/hello.c');
    for my $i (0 .. $#blocks) {
        next if $blocks[$i] !~ /int main/;
        my $main = $blocks[$i];
        $main = "#define SSE_IMPLEMENTATION\n#include \"sse.h\"\n$main"
            if $main !~ /SSE_IMPLEMENTATION/;
        compiles("its program $i compiles",
            'gcc', '-std=c99', '-I.', '-fsyntax-only', '-Wall', spew("readme$i.c", $main));
    }
    compiled('its other C compiles', 'readme.c', grep { !/int main/ } @blocks);
    my %made_up = map { $_ => 1 } grep { !$known{$_} && !$stem{$_} }
        ($readme =~ s/^```cmake\n.*?^```//gmsr) =~ /\b((?:sse|SSE)_(?!_|starlette)\w+)/g;
    is_empty([sort keys %made_up], 'every name in it exists');
    my @links = grep { !m{^(?:https?:|#|mailto:)} }
        $readme =~ /\]\(([^)\s]+)\)/g, $readme =~ /<img[^>]* src="([^"]+)"/g;
    is_empty([grep { !-e s/#.*//r } @links], 'every local link leads somewhere');
    my %target = map { $_ => 1 } slurp('Makefile') =~ /^([\w-]+):/mg;
    is_empty([grep { !$target{$_} } $readme =~ /\bmake ([a-z][\w-]*)`/g],
        'every make target in it exists');
    like($readme, qr/^ *(?:\$ )?make test\b/m, 'it has the test command');
}
like(slurp('.ci/run'), qr/^exec make test$/m, 'and .ci/run runs it');
done_testing();
