# A section uses only what stands above it: without the public prototypes a use before its
# definition does not compile.
use strict;
use warnings;
use lib 'tests/header';
use Header;
use Test::More;

sub stripped { # the public part without its prototypes; lines keep their numbers
    my ($header) = @_;
    my $end = index($header, "\n#endif /* SSE_H */");
    my $front = substr($header, 0, $end);
    $front =~ s{^(SSE_API\b[^;\{]*;)}{"\n" x ($1 =~ tr/\n//)}gme;
    return $front . substr($header, $end);
}

my @compile = ('gcc', '-std=c99', '-fsyntax-only', '-Werror=implicit-function-declaration');
my $program = "#define SSE_IMPLEMENTATION\n#include \"sse.h\"\n";
spew('main.c', $program);
spew('sse.h', stripped($text));
compiles('each section uses only what stands above it', @compile, "$dir/main.c");

# The same with every feature switched: #if must not hide a use.
my @switches = qw(SSE_NO_SQLITE SSE_NO_BROTLI SSE_NO_THREADS SSE_NO_COMPRESSION SSE_NO_CLIENT
    SSE_USE_POLL SSE_DEBUG_CHECKS);
compiles("layers with $_", @compile, "-D$_", "$dir/main.c") for @switches;

# And the proof can fail: a first section that calls the last function.
my $last = (functions())[-1];
my $bad  = stripped($text);
$bad =~ s{^(#include <string\.h>\n)}{$1static void sse__upcall(void) { $last(); }\n}m
    or die 'no place for the upcall';
spew('sse.h', $bad);
refuses('a use before its definition is seen', qr/implicit declaration of function .$last/,
    @compile, "$dir/main.c");

# Forward declarations stand in a block that says where the functions are defined, and is right.
my ($rest, @lost) = ($private);
$rest =~ s{^/\* upcalls, defined in >>(\w+) \*/\n((?:(?:static|SSE_API|#|  ).*\n)+)}{
    my ($section, $block) = ($1, $2);
    my ($body) = $private =~ m{^/\*=+\n  >>$section .*?\*/\n(.*?)(?=^/\*=+\n  >>|\z)}ms;
    push @lost, map { "$_ is not defined in >>$section" }
        grep { ($body // '') !~ /^(?:static|SSE_API)\b[^\n;=]*\b$_\([^;\{]*\{/m }
        $block =~ /\b(sse_\w+)\(/g;
    '';
}gme;
is_empty(\@lost, 'upcalls are defined where their block says');
is_empty([$rest =~ /^(?:static|SSE_API)\b[^;={]*\)\s*(?:SSE__\w+(?:\([^)]*\))?)?\s*;/mg],
    'no other forward declarations');

# The Uses: line of a pure section names the sections whose functions, types and macros it uses, all
# of them and no other. That of any other section names some that it uses; what it uses besides is
# used by those.
my (%home, %code, %uses, %pure, %all, @order);
for my $section (split m{^/\*=+\n  (?=>>\w)}m, $rest) {
    my ($name, $banner, $body) = $section =~ m{^>>(\w+)(.*?)\*/\n(.*)}s or next;
    $uses{$name} = [$banner =~ /Uses: (.*?)(?:  |\n)/ ? $1 =~ />>(\w+)/g : ()];
    $uses{$name} = [@order] if $all{$name} = $banner =~ /Uses: everything above/;
    $pure{$name} = $banner =~ /\[pure/;
    $code{$name} = $body =~ s{/\*.*?\*/|"(?:\\.|[^"\\\n])*"}{}gsr;
    push @order, $name;
    $home{$_} //= $name for $code{$name} =~ /^(?:static|SSE_API)\b[^;={]*?\b(sse_\w+)\(/mg,
        $code{$name} =~ /^#define (SSE__\w+)/mg,
        $code{$name} =~ /^(?:typedef )?(?:struct|enum) (sse__\w+) \{/mg;
    $home{$_} //= $name for map { /\b(SSE__\w+)/g }
        $code{$name} =~ /^(?:typedef )?enum(?: \w+)? \{(.*?)\}/msg;
}
sub reached { # with what they use
    my (%seen, $next);
    my @left = @_;
    while (defined($next = shift @left)) { push @left, @{$uses{$next} // []} unless $seen{$next}++ }
    return \%seen;
}
my @above;
for my $name (@order) {
    my $code = $code{$name} =~ s/\bstruct sse_\w+//gr; # pointers to structs of any section
    my %used = map { $home{$_} => 1 } grep { $home{$_} } $code =~ /\b((?:sse_|SSE__)\w+)/g;
    my @used = grep { $used{$_} } reverse @above;
    push @above, $name;
    next if $all{$name};
    if ($pure{$name}) { is_deeply($uses{$name}, \@used, ">>$name: its Uses line is what it uses") }
    else {
        my $reached = reached(@{$uses{$name}});
        is_empty([map({ "it does not use >>$_" } grep { !$used{$_} } @{$uses{$name}}),
                  map({ "it uses >>$_, which its line does not lead to" }
                      grep { !$reached->{$_} } @used)], ">>$name: its Uses line is true");
    }
}
done_testing();
