# The size of the implementation and of each section: bytes of code without comments, white space
# and the JavaScript.
# perl tests/header/sizes.pl [FILE]
use strict;
use warnings;

my $file = shift // 'sse.h';
open my $in, '<', $file or die "$file: $!";
my $text = do { local $/; <$in> };
$text =~ s/.*?(?=^#if defined\(SSE_IMPLEMENTATION\) && !defined\(SSE_IMPLEMENTED\))//ms;
$text =~ s/^#endif \/\* SSE_IMPLEMENTATION \*\/\n\K.*//ms;
my $string = qr{\s*"[^\n]*\n|\s*/\*.*?\*/\n|\n}s;
$text =~ s/^static const char sse__(?:script|client)_\w+\[\] =\n$string+//gm;

sub bytes {
    my ($code) = @_;
    open my $out, '>', 'build/sizes.c' or die "build/sizes.c: $!";
    print $out $code;
    close $out or die;
    my $bare = `gcc -fpreprocessed -dD -E -P -w -x c build/sizes.c 2>/dev/null`;
    $bare =~ tr/ \t\r\n//d;
    return length $bare;
}

my ($front, @sections) = split m{^/\*=+\n  (?=>>\w)}m, $text;
for my $section (@sections) {
    my ($name) = $section =~ /^>>(\w+)/;
    printf "%-10s %7d\n", $name, bytes('/*' . $section);
}
printf "%-10s %7d\n", 'all', bytes($text);
