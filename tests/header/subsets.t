# Every subset of the features builds without a warning and links without the library it leaves out.
use strict;
use warnings;
use lib 'tests/header';
use Header;
use Test::More;

my %libs = (
    SSE_NO_SQLITE  => '-lsqlite3',
    SSE_NO_BROTLI  => '-lbrotlienc',
    SSE_NO_THREADS => '-lpthread',
);
my @all  = qw(SSE_NO_SQLITE SSE_NO_BROTLI SSE_NO_THREADS SSE_NO_COMPRESSION SSE_USE_POLL);

sub builds {
    my ($cc, $n, @flags) = @_;
    my @off  = map { $all[$_] } grep { $n >> $_ & 1 } 0 .. $#all;
    push @off, 'SSE_NO_CLIENT' if @off % 2; # a few strings alone: left out of every second one
    my %off  = map { $_ => 1 } @off;
    push @flags, '-DSSE_STATIC' if $n % 2;
    my @link = map { $libs{$_} }
        grep { !$off{$_} && !($_ eq 'SSE_NO_BROTLI' && $off{SSE_NO_COMPRESSION}) } sort keys %libs;
    return compiles("$cc: " . (join(' ', map { s/^SSE_//r } @off) || 'everything'),
        $cc, @flags, '-I.', (map { "-D$_" } @off), 'examples/hello.c', '-o', "$dir/$cc.$n", @link);
}

# Each subset by one compiler; the corners by the others, and each part left out alone or left in
# alone.
my %by = (gcc => [15, 31], clang => [0 .. 31], 'musl-gcc' => [31], tcc => [0, 7, 31]);
$by{$_} = [0 .. 31] for grep { $all } qw(gcc clang);
$by{'musl-gcc'} = [7, 15, 23, 31] if $all;
my %with = (gcc => ['-std=c99', @strict], clang => ['-std=c11', @strict],
    'musl-gcc' => ['-std=c99', @strict, '-static'], tcc => ['-Wall']);
for my $cc (sort keys %by) {
    have($cc) or next;
    builds($cc, $_, @{$with{$cc}}) for @{$by{$cc}};
}

# The user's own lines, from the first screen of the header.
my ($line) = $text =~ /^ *(cc \S+\.c .*-l.*)$/m;
is($line, 'cc main.c -lsqlite3 -lbrotlienc -lpthread',
    'the compile line of the header is the one tested here');
my @hello = ($all ? 'cc' : $quick, '-I.', 'examples/hello.c', '-o', "$dir/hello");
compiles('cc hello.c with the libraries', @hello, qw(-lsqlite3 -lbrotlienc -lpthread));
compiles('cc hello.c with none', @hello, qw(-DSSE_NO_SQLITE -DSSE_NO_BROTLI -DSSE_NO_THREADS));

# SQLite may be built with SQLITE_OMIT_DEPRECATED: a header that says what is deprecated, and a use
# that is seen.
my ($sqlite) = `echo '#include <sqlite3.h>' | gcc -E -x c -` =~ /"([^"]*sqlite3\.h)"/;
my $marked =
    slurp($sqlite) =~ s/^(# *define SQLITE_DEPRECATED)\s*$/$1 __attribute__((deprecated))/mr;
my @deprecated = ('gcc', "-I$dir", '-I.', '-fsyntax-only', '-Werror=deprecated-declarations');
spew('sqlite3.h', $marked);
spew('deprecated.c', "#define SSE_IMPLEMENTATION\n#include \"sse.h\"\n");
compiles('nothing of SQLite that is deprecated', @deprecated, "$dir/deprecated.c");
spew('deprecated.c', "#include <sqlite3.h>\nint main(void) { return sqlite3_global_recover(); }\n");
refuses('a use of that is seen', qr/deprecated/, @deprecated, "$dir/deprecated.c");

# Size is shown, not judged: it depends on the compiler.
for my $off ($all ? 'SSE_NO_SQLITE SSE_NO_BROTLI' : (),
    'SSE_NO_SQLITE SSE_NO_BROTLI SSE_NO_THREADS SSE_NO_COMPRESSION') {
    compiles("-Os, $off", 'gcc', '-Os', '-I.', '-DNDEBUG', '-ffunction-sections', '-fdata-sections',
        '-Wl,--gc-sections', '-s', (map { "-D$_" } split / /, $off), 'examples/hello.c',
        '-o', "$dir/small", '-lpthread') or next;
    ok(index(slurp("$dir/small"), 'MutationObserver') < 0,
        '... without the client, which it does not serve');
    my ($code, $data) = (split ' ', (`size $dir/small`)[1])[0, 1];
    diag(sprintf '%s: %.1f KB of code and data, file %.1f KB (goal 48)',
        $off, ($code + $data) / 1024, (-s "$dir/small") / 1024);
}
done_testing();
