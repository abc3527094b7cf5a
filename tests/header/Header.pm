# What the header tests share: the text of sse.h in its parts, and a compiler that reports in TAP.
package Header;
use strict;
use warnings;
use Exporter 'import';
use Test::More;
our @EXPORT = qw($all $quick $quick_cpp $text $public $private $dir slurp spew compiles refuses
    runs is_empty functions have @strict);

$ENV{LC_ALL} = 'C'; # plain quotes in what compilers say
our $text = slurp('sse.h');
my $split = index($text, "\n#endif /* SSE_H */");
our $public  = substr($text, 0, $split);
our $private = substr($text, $split);
our @strict  = qw(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wundef -Werror -I.);
# `make test` has each thing shown by the compiler that does it soonest, and not optimised: the
# optimised builds are those of the other programs. `make portable` (ALL=1) has it shown by all.
our $all       = $ENV{ALL};
our $quick     = !$all && installed('clang') ? 'clang' : 'gcc';
our $quick_cpp = $quick eq 'clang' ? 'clang++' : 'g++';
our $dir     = 'build/header/' . ($0 =~ s|.*/||r);
system('mkdir', '-p', $dir);

sub slurp {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!";
    local $/;
    return scalar <$in>;
}

sub spew {
    my ($file, $bytes) = @_;
    open my $out, '>', "$dir/$file" or die "$dir/$file: $!";
    print $out $bytes;
    close $out or die "$dir/$file: $!";
    return "$dir/$file";
}

sub output { # of a command and its status; no shell between
    my @command = @_;
    my $pid = open my $pipe, '-|';
    defined $pid or die "fork: $!";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec @command or do { print "$command[0]: $!\n"; exit 127 };
    }
    my $said = do { local $/; <$pipe> } // '';
    close $pipe;
    return ($?, $said);
}

sub first_lines { # enough of a compiler's complaint
    my @said = split /\n/, $_[0];
    return join "\n", @said[0 .. ($#said < 11 ? $#said : 11)];
}

sub compiles { # compiles NAME, COMMAND...
    my ($name, @command) = @_;
    my ($status, $said) = output(@command);
    ok($status == 0 && $said eq '', $name) or diag("@command\n" . first_lines($said));
    return $status == 0;
}

sub refuses { # refuses NAME, PATTERN, COMMAND...: the command fails and says why
    my ($name, $pattern, @command) = @_;
    my ($status, $said) = output(@command);
    ok($status != 0 && $said =~ $pattern, $name)
        or diag("@command\nstatus $status, wanted $pattern in:\n" . first_lines($said));
}

sub runs { # runs NAME, PROGRAM...
    my ($name, @command) = @_;
    my ($status, $said) = output(@command);
    ok($status == 0, $name) or diag("@command: status $status\n$said");
}

sub is_empty { # is_empty LIST, NAME: shows what should not be there
    my ($found, $name) = @_;
    ok(!@$found, $name) or diag(map { "  $_\n" } @$found);
}

sub functions { # the names of the public functions, in the order of their declarations
    return $public =~ /^SSE_API\b[^;({]*?\b(sse_\w+)\(/mg;
}

sub installed { my ($tool) = @_; return grep { -x "$_/$tool" } split /:/, $ENV{PATH} }

# have TOOL: false where it is missing, which is a failure in CI and a visible skip elsewhere
sub have {
    my ($tool) = @_;
    return 1 if installed($tool);
    if ($ENV{CI}) { fail("$tool is not installed") }
    else { SKIP: { skip "$tool is not installed", 1 } }
    return 0;
}
1;
