# The rules that can be counted.
use strict;
use warnings;
use lib 'tests/header';
use Header;
use Test::More;

my @lines = split /\n/, $text;
my $quiet = qr{/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+'}s;
my $code  = $text =~ s{($quiet)}{ $1 =~ tr/\n//cdr || '_' }ger; # lines keep their numbers

sub where { # the numbers of the lines of the code that match
    my ($pattern) = @_;
    my @code = split /\n/, $code;
    return [map { $_ + 1 . ": $lines[$_]" } grep { $code[$_] =~ $pattern } 0 .. $#code];
}

my $banned = join '|', qw(sprintf vsprintf strcpy strcat strncat strtok atoi atol atof alloca gets
    scanf system popen exit _exit abort);
is_empty(where(qr/\b(?:$banned)\s*\(/), 'no banned calls');
is_empty(where(qr/\b(?:accept4|pipe2|memmem|strchrnul|asprintf|strdup|printf|puts|fputs)\s*\(/),
    'nothing that needs _GNU_SOURCE, no strdup, no printing to stdout');
is_empty(where(qr/\brestrict\b|_Atomic|_Thread_local|_Generic|\(\w[\w *]*\)\s*\{[^}]*\.\w+\s*=/),
    'nothing that C++11 refuses');
is_empty([map { "$_: $lines[$_ - 1]" } grep { $lines[$_ - 1] =~ /\t| $|\r/ } 1 .. @lines],
    'no tabs, no spaces at line ends');
is_empty([map { "$_: " . length $lines[$_ - 1] } grep { length $lines[$_ - 1] > 100 } 1 .. @lines],
    'no line past 100 columns');
is_empty([grep { $text =~ /\b$_\b/ } qw(TODO FIXME XXX HACK)], 'no unfinished marks');
is_empty([$text =~ m{(/\*[\@](?:section|public)[^\n]*\*/)}g], 'no place left open for a section');
compiles('no variable length arrays', 'gcc', '-std=c99', '-I.', '-Wvla', '-Werror=vla', '-w',
    '-fsyntax-only', spew('vla.c', "#define SSE_IMPLEMENTATION\n#include \"sse.h\"\n"));

# Functions: their lengths and their parameters.
my ($open, $name, @lengths, @long, @wide);
my @code = split /\n/, $code;
for my $i (0 .. $#code) {
    my $head = $code[$i]; # all of it, if its parameters take several lines
    if (!defined $open && $head =~ /^[A-Za-z_][^=;{]*\(/) {
        for (my $k = $i + 1; $head !~ /[;{]/ && $k < @code; $k++) { $head .= $code[$k] }
    }
    if (!defined $open && $head =~ /^[A-Za-z_].*?(\w+)\(.*\)\s*\{/
        && $head !~ /^(?:typedef|struct|enum|extern)\b/) {
        $name = $1;
        my ($parameters) = $head =~ /\((.*)\)\s*\{/;
        1 while $parameters =~ s/\([^()]*\)//g;
        push @wide, "$name: " . (1 + ($parameters =~ tr/,//))
            if ($parameters =~ tr/,//) > 4 && $name ne 'sse__db_authorize'; # as SQLite calls it
        if ($head =~ /\}\s*$/) { push @lengths, 1 }
        else { $open = $i }
    } elsif (defined $open && $code[$i] =~ /^\}/) {
        my $length = $i - $open + 1;
        my $above  = join "\n", @lines[($open > 6 ? $open - 6 : 0) .. $open - 1];
        my $flat   = $above =~ /\*\/\s*$/ && $above =~ /\bflat\b/;
        push @lengths, $length;
        push @long, ($open + 1) . ": $name: $length lines" if $length > ($flat ? 120 : 70);
        undef $open;
    }
}
is_empty(\@long, 'no function past 70 lines (120 for a switch whose comment says why it is flat)');
is_empty(\@wide, 'no function with more than 5 parameters');
@lengths = sort { $a <=> $b } @lengths;
cmp_ok($lengths[@lengths / 2], '<=', 16, 'the median function is short');
cmp_ok(scalar(grep { $_ > 40 } @lengths), '<=', @lengths / 20,
    'hardly any function is past 40 lines');

# W5: what an app does by time asks its loop for it. Real time is for what other threads and
# processes do meanwhile, for times of files, for how long a callback took, and for functions
# without an app.
my %real = map { $_ => 1 } qw(sse__clock_ms sse__loop_clock_ms sse__loop_wall_ms sse_sign sse_unsign
    sse__db_job_begin sse__dbfile_ask_writer sse__file_dated sse__clock_us sse__log_due
    sse__test_begin sse__test_settle sse__upcall_clock sse__clock_rough_ms sse_tunnel_url
    sse__observed_us sse__file_cache_may_compress sse__compress_do
    sse__db_set_wal sse__lock_clock_ms);
my @asking;
for (split /^(?=(?:static|SSE_API)\b)/m, $private =~ s{/\*.*?\*/}{}gsr) {
    my ($name, $body) = /^(?:static|SSE_API)\b[^;{=]*?\b(sse_\w+)\([^;{]*\)[^;{]*\{(.*)/s or next;
    push @asking, $name if !$real{$name} &&
        $body =~ /\b(?:sse__clock_ms|sse__clock_us|clock_gettime|time|gettimeofday)\(/;
}
is_empty(\@asking, 'the clock of the system is read by few');

# SG2: what compares a secret, a signature or a hash does it by sse__equal_secret and nothing else.
my %secret = map { $_ => 1 } qw(sse__unsign_at sse_password_check sse_stream_find
    sse_auth_basic sse_auth_bearer);
my @compares;
for (split /^(?=(?:static|SSE_API)\b)/m, $private =~ s{/\*.*?\*/}{}gsr) {
    my ($name, $body) = /^(?:static|SSE_API)\b[^;{=]*?\b(sse_\w+)\([^;{]*\)[^;{]*\{(.*)/s or next;
    delete $secret{$name} if $body =~ /\bsse__equal_secret\(/;
    push @compares, $name
        if $body =~ /\bsse__equal_secret\(/ && $body =~ /\b(?:memcmp|str\w*cmp|sse__eq)\(/;
}
is_empty([sort keys %secret], 'secrets are compared as secrets');
is_empty(\@compares, '... and nothing else is compared beside them');

my $comments = () = join("\n", $text =~ m{/\*.*?\*/|//[^\n]*}gs) =~ /\n|\z/g;
diag(sprintf '%d functions, median %d lines, longest %d; %d lines, %d %% with comments',
    scalar @lengths, $lengths[@lengths / 2], $lengths[-1], scalar @lines,
    100 * $comments / @lines);
done_testing();
