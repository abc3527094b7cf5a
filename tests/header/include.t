# The ways a program can include a single header.
use strict;
use warnings;
use lib 'tests/header';
use Header;
use Test::More;

my $use  = "int main(void) { return sse_error_text(0) == NULL; }\n";
my $impl = spew('impl.c', "#define SSE_IMPLEMENTATION\n#include \"sse.h\"\n$use");
my $decl = spew('decl.c', "#include \"sse.h\"\n#include \"sse.h\"\nconst char *use(void);\nconst char *use(void) { return sse_error_text(0); }\n");

# Every language it promises, declarations and implementation, with every warning a user may have on.
for my $cc (qw(gcc clang)) {
    have($cc) or next;
    for my $std (qw(c99 c11 gnu17 c++11 c++20)) {
        my @as = $std =~ /\+\+/ ? ('-x', 'c++') : ();
        my @silent = ($cc eq 'clang' && @as) ? ('-Wno-deprecated') : ();
        compiles("$cc $std: declarations", $cc, "-std=$std", @strict, @silent, '-fsyntax-only', @as, $decl);
        compiles("$cc $std: implementation", $cc, "-std=$std", @strict, @silent, '-O1', '-c', @as, $impl, '-o', "$dir/impl.$cc.o");
    }
}
compiles('with NDEBUG', 'gcc', '-std=c99', @strict, '-O2', '-DNDEBUG', '-c', $impl, '-o', "$dir/ndebug.o");

# Twice, in both orders.
my %twice = (
    'implementation twice'            => "#define SSE_IMPLEMENTATION\n#include \"sse.h\"\n#include \"sse.h\"\n",
    'macro defined twice over'        => "#define SSE_IMPLEMENTATION\n#include \"sse.h\"\n#define SSE_IMPLEMENTATION\n#include \"sse.h\"\n",
    'declarations, then implementation' => "#define _DEFAULT_SOURCE\n#include \"sse.h\"\n#define SSE_IMPLEMENTATION\n#include \"sse.h\"\n",
    'implementation, then declarations' => "#define SSE_IMPLEMENTATION\n#include \"sse.h\"\n#undef SSE_IMPLEMENTATION\n#include \"sse.h\"\n",
);
compiles($_, 'gcc', '-std=c99', @strict, '-c', spew('twice.c', $twice{$_} . $use), '-o', "$dir/twice.o") for sort keys %twice;

# Last among the includes: fine where the feature macros are there; otherwise the error names the remedy.
my $last = spew('last.c', "#include <stdio.h>\n#include <stdlib.h>\n#include <pthread.h>\n#define SSE_IMPLEMENTATION\n#include \"sse.h\"\n$use");
compiles('last, -std=gnu17', 'gcc', '-std=gnu17', @strict, '-c', $last, '-o', "$dir/last.o");
compiles('last, -std=c99 -D_DEFAULT_SOURCE', 'gcc', '-std=c99', '-D_DEFAULT_SOURCE', @strict, '-c', $last, '-o', "$dir/last.o");
compiles('first, -D_GNU_SOURCE', 'gcc', '-std=c99', '-D_GNU_SOURCE', @strict, '-c', $impl, '-o', "$dir/gnu.o");
compiles('first, -D_POSIX_C_SOURCE=200809L', 'gcc', '-std=c99', '-D_POSIX_C_SOURCE=200809L', @strict, '-c', $impl, '-o', "$dir/posix.o");
refuses('last, -std=c99: an #error that says the remedy', qr/#error.*(_DEFAULT_SOURCE|before)/, 'gcc', '-std=c99', '-I.', '-c', $last, '-o', "$dir/last.o");
refuses('an old POSIX: an #error that says the remedy', qr/#error.*(_DEFAULT_SOURCE|200809)/, 'gcc', '-std=c99', '-D_POSIX_C_SOURCE=1', '-I.', '-c', $impl, '-o', "$dir/old.o");

# Two files of one program.
my $one   = spew('one.c', "#define SSE_IMPLEMENTATION\n#include \"sse.h\"\nint other(void);\nint main(void) { return other(); }\n");
my $other = spew('other.c', "#include \"sse.h\"\nint other(void);\nint other(void) { return sse_parse_int(\"7\", 0) != 7; }\n");
my @libs  = qw(-lsqlite3 -lbrotlienc -lpthread);
compiles('two files', 'gcc', '-std=c99', @strict, $one, $other, '-o', "$dir/two", @libs) and runs('two files run', "$dir/two");
my $private = spew('private.c', "#define SSE_IMPLEMENTATION\n#include \"sse.h\"\nint other(void);\nint other(void) { return sse_parse_int(\"7\", 0) != 7; }\n");
for my $cc (qw(gcc clang)) {
    have($cc) or next;
    compiles("$cc: SSE_STATIC, an implementation in each file", $cc, '-std=c99', '-DSSE_STATIC', @strict, $one, $private, '-o', "$dir/static", @libs)
        and runs('SSE_STATIC runs', "$dir/static");
}
my $cpp = spew('main.cpp', "#define SSE_IMPLEMENTATION\n#include \"sse.h\"\n#include <string>\n" .
    "int main() { sse_buf b = {}; sse_html(&b, \"%s\", std::string(\"<\").c_str()); bool good = std::string(sse_buf_text(&b)) == \"&lt;\";" .
    " sse_buf_free(&b); return good ? 0 : 1; }\n");
compiles('a C++ program', 'g++', '-std=c++11', @strict, $cpp, '-o', "$dir/cpp", @libs) and runs('a C++ program runs', "$dir/cpp");
my $alone = spew('alone.c', "#define SSE_IMPLEMENTATION\n#include \"sse.h\"\n");
my $mixed = spew('mixed.cpp', "#include \"sse.h\"\nint main() { return sse_parse_int(\"0\", 1) ? 1 : 0; }\n");
compiles('implementation as an object of C', 'gcc', '-std=c99', '-I.', '-c', $alone, '-o', "$dir/alone.o")
    and compiles('its caller in C++', 'g++', '-std=c++11', '-I.', $mixed, "$dir/alone.o", '-o', "$dir/mixed", @libs)
    and runs('C and C++ run', "$dir/mixed");

# The allocator: all three or none.
my $own = "#include <stdlib.h>\n#define SSE_MALLOC(n) malloc(n)\n#define SSE_REALLOC(p, n) realloc(p, n)\n#define SSE_FREE(p) free(p)\n";
compiles('own allocator', 'gcc', '-std=gnu17', @strict, '-c', spew('own.c', "$own#define SSE_IMPLEMENTATION\n#include \"sse.h\"\n$use"), '-o', "$dir/own.o");
for my $left_out (qw(SSE_MALLOC SSE_REALLOC SSE_FREE)) {
    refuses("own allocator without $left_out", qr/#error.*SSE_MALLOC.*SSE_REALLOC.*SSE_FREE/, 'gcc', '-std=gnu17', '-I.', '-c',
        spew('part.c', ($own =~ s/^#define $left_out.*\n//mr) . "#define SSE_IMPLEMENTATION\n#include \"sse.h\"\n$use"), '-o', "$dir/part.o");
}
done_testing();
