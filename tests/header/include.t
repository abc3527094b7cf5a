# The ways a program can include a single header.
use strict;
use warnings;
use lib 'tests/header';
use Header;
use Test::More;

my $declare   = "#include \"sse.h\"\n";
my $implement = "#define SSE_IMPLEMENTATION\n$declare";
my $use       = "int main(void) { return sse_error_text(0) == NULL; }\n";
my $impl      = spew('impl.c', $implement . $use);
my $decl      = spew('decl.c', "$declare${declare}const char *use(void);\n" .
    "const char *use(void) { return sse_error_text(0); }\n");

# Every language it promises, declarations and implementation, with every warning a user may have
# on. Each level of optimisation finds warnings of its own; without one clang knows more of them,
# such as functions that nothing uses.
my %level = (c99 => '-O2', c11 => '-O0', gnu17 => '-Os', 'c++11' => '-O0', 'c++20' => '-O1');
for my $cc (qw(gcc clang)) {
    have($cc) or next;
    for my $std (qw(c99 c11 gnu17 c++11 c++20)) {
        my @make = $all ? ($level{$std}, '-c') : $cc eq 'clang' ? '-c' : '-fsyntax-only';
        my @as = $std =~ /\+\+/ ? ('-x', 'c++') : ();
        my @silent = ($cc eq 'clang' && @as) ? ('-Wno-deprecated') : ();
        my @with = ($cc, "-std=$std", @strict, @silent);
        compiles("$cc $std: declarations", @with, '-fsyntax-only', @as, $decl);
        compiles("$cc $std: implementation", @with, @make, @as, $impl, '-o', "$dir/impl.$cc.o");
    }
}
my @c99 = ('gcc', '-std=c99', @strict);
# make builds the examples as these: with all parts, and without libraries.
compiles("gcc -O1: examples/$_.c", @c99, '-O1', '-c', "examples/$_.c", '-o', "$dir/$_.o")
    for qw(hello board);
for my $example (glob 'examples/*.c') { # make test builds them with clang
    compiles("gcc: $example", 'gcc', '-std=c99', '-fsyntax-only', $all ? () : '-Itests/linked',
        @strict, $example);
}
compiles('with NDEBUG', @c99, $all ? ('-O3', '-c') : '-fsyntax-only', '-DNDEBUG', $impl,
    '-o', "$dir/ndebug.o");

# One file is all there is: alone in a directory of the system, seen from another one, it compiles
# with nothing else of this project in sight.
system 'mkdir', '-p', "$dir/alone", "$dir/empty";
spew('alone/sse.h', $text);
my $system = "#define SSE_IMPLEMENTATION\n#include <sse.h>\n$use";
for my $as (['gcc', 'c', 'c99'], ['clang', 'c', 'c99'], ['g++', 'c++', 'c++11'],
    ['clang++', 'c++', 'c++11']) {
    my ($cc, $language, $std) = @$as;
    have($cc) or next;
    spew("empty/system.$language", $system);
    my @with = ("-std=$std", grep { $_ ne '-I.' } @strict);
    push @with, '-Wno-deprecated' if $cc eq 'clang++';
    for my $option (qw(-isystem -I)) {
        compiles("$cc $std: <sse.h> alone, by $option", $cc, @with, '-fsyntax-only',
            $option, "$dir/alone", "$dir/empty/system.$language");
    }
}

# Twice, in both orders.
my %twice = (
    'implementation twice'              => $implement . $declare,
    'macro defined twice over'          => $implement . $implement,
    'declarations, then implementation' => "#define _DEFAULT_SOURCE\n$declare$implement",
    'implementation, then declarations' => "$implement#undef SSE_IMPLEMENTATION\n$declare",
);
compiles($_, @c99, '-fsyntax-only', spew('twice.c', $twice{$_} . $use))
    for sort keys %twice;

# Last among the includes: fine where the feature macros are there; otherwise the error names the
# remedy.
my $last = spew('last.c', "#include <stdio.h>\n#include <stdlib.h>\n#include <pthread.h>\n" .
    $implement . $use);
compiles('last, -std=gnu17', 'gcc', '-std=gnu17', @strict, '-fsyntax-only', $last);
compiles('last, -std=c99 -D_DEFAULT_SOURCE', @c99, '-D_DEFAULT_SOURCE', '-fsyntax-only', $last);
compiles('first, -D_GNU_SOURCE', @c99, '-D_GNU_SOURCE', '-fsyntax-only', $impl);
compiles('first, -D_POSIX_C_SOURCE=200809L', @c99, '-D_POSIX_C_SOURCE=200809L',
    '-fsyntax-only', $impl);
for my $cc (qw(gcc clang)) { # ahead of what follows from it
    my $first = qr/\A(?:(?!error:|warning:).)*error: [^\n]*POSIX is hidden[^\n]*_DEFAULT_SOURCE/s;
    refuses("$cc: last, -std=c99: an #error that says the remedy, first", $first,
        $cc, '-std=c99', '-I.', '-fsyntax-only', $last);
    refuses("$cc: an old POSIX: an #error that says the remedy, first", $first,
        $cc, '-std=c99', '-D_POSIX_C_SOURCE=1', '-I.', '-fsyntax-only', $impl);
}

# Two files of one program.
my $call    = "int other(void);\nint main(void) { return other(); }\n";
my $called  = "int other(void);\nint other(void) { return sse_parse_int(\"7\", 0) != 7; }\n";
my $one     = spew('one.c', $implement . $call);
my $other   = spew('other.c', $declare . $called);
my $private = spew('private.c', $implement . $called);
my @libs    = qw(-lsqlite3 -lbrotlienc -lpthread);
compiles('two files', $quick, '-std=c99', @strict, $one, $other, '-o', "$dir/two",
    @libs)
    and runs('two files run', "$dir/two");
for my $cc ($all ? qw(gcc clang) : $quick) {
    have($cc) or next;
    compiles("$cc: SSE_STATIC, an implementation in each file", $cc, '-std=c99', '-DSSE_STATIC',
        @strict, $one, $private, '-o', "$dir/static", @libs)
        and runs('SSE_STATIC runs', "$dir/static");
}
my $cpp = spew('main.cpp', "$implement#include <string>\n" . <<'END');
int main() {
    sse_buf b = {};
    sse_html(&b, "%s", std::string("<").c_str());
    bool good = std::string(sse_buf_text(&b)) == "&lt;";
    sse_buf_free(&b);
    return good ? 0 : 1;
}
END
compiles('a C++ program', $quick_cpp, '-std=c++11', '-Wno-deprecated', @strict, $cpp,
    '-o', "$dir/cpp", @libs)
    and runs('a C++ program runs', "$dir/cpp");
my $alone = spew('alone.c', $implement);
my $mixed = spew('mixed.cpp',
    $declare . "int main() { return sse_parse_int(\"0\", 1) ? 1 : 0; }\n");
compiles('implementation as an object of C',
    $quick, '-std=c99', '-I.', '-c', $alone, '-o', "$dir/alone.o")
    and compiles('its caller in C++',
        $quick_cpp, '-std=c++11', '-I.', $mixed, "$dir/alone.o", '-o', "$dir/mixed", @libs)
    and runs('C and C++ run', "$dir/mixed");

# The allocator: all three or none.
my $own = <<'END';
#include <stdlib.h>
#define SSE_MALLOC(n) malloc(n)
#define SSE_REALLOC(p, n) realloc(p, n)
#define SSE_FREE(p) free(p)
END
compiles('own allocator', 'gcc', '-std=gnu17', @strict,
    '-fsyntax-only', spew('own.c', $own . $implement . $use));
for my $left_out (qw(SSE_MALLOC SSE_REALLOC SSE_FREE)) {
    my $part = spew('part.c', ($own =~ s/^#define $left_out.*\n//mr) . $implement . $use);
    refuses("own allocator without $left_out", qr/#error.*SSE_MALLOC.*SSE_REALLOC.*SSE_FREE/,
        'gcc', '-std=gnu17', '-I.', '-fsyntax-only', $part);
}
done_testing();
