# The mutants of sse.h: small faults that a test ought to see. A mutant is a piece of the text and
# what stands there instead; pieces keep their number of lines.
package Mutants;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT = qw(parse masked mutants_of_line);

sub blank { return $_[0] =~ s/[^\n]/ /gr }

# The text with comments, the insides of literals and preprocessor lines blanked: every byte that is
# left stands where it stood.
sub masked {
    my ($text) = @_;
    $text =~ s{(/\*.*?\*/)|"((?:\\.|[^"\\\n])*)"|'((?:\\.|[^'\\\n])+)'}
        {defined $1 ? blank($1) : defined $2 ? '"' . ($2 =~ s/[^\n]/x/gr) . '"'
            : "'" . ($3 =~ s/[^\n]/x/gr) . "'"}gse;
    $text =~ s{^([ ]*#(?:[^\n]*\\\n)*[^\n]*)}{blank($1)}gme;
    return $text;
}

my $lvalue = qr/\*?\(?\*?\w+\)?(?:(?:->|\.)\w+|\[[^\[\]\n]*\])*/;
my $parens = qr/(\((?:[^()]++|(?-1))*\))/;

# What can be changed: sections { name => {first, last, judges} }, their order, and for each line of
# a function's body where it begins and which function it is in. judge: lines of asserts and checks.
sub parse {
    my ($text) = @_;
    my %of = (text => $text, masked => masked($text), order => [], section => {}, lines => []);
    my $begin = index($text, "\n#endif /* SSE_H */");
    my $code  = $of{masked};
    # asserts are the judge, not the judged, and so are the checks between two turns
    while ($code =~ /\bSSE_ASSERT$parens;/g) {
        my $first = 1 + (substr($code, 0, $-[0]) =~ tr/\n//);
        $of{judge}{$_} = 1 for $first .. $first + ($& =~ tr/\n//);
    }
    $code =~ s{\b(?:SSE_ASSERT|sse__check_all)$parens;}{blank($&)}ge;
    my ($name, $function, $nothing, $at, $number, $checks) = ('', undef, '', 0, 0, 0);
    my @code = split /^/, $code;
    for my $line (split /^/, $text) {
        my $bare = $code[$number++];
        if ($line =~ /^  >>(\w+)  /) {
            $name = $1;
            push @{$of{order}}, $name;
            $of{section}{$name} = {first => $number, tests => ''};
        }
        if ($name ne '') {
            $of{section}{$name}{last} = $number;
            $of{section}{$name}{banner} .= $line unless $of{section}{$name}{banner_ends};
            $of{section}{$name}{banner_ends} = 1 if $line =~ m{^=+\*/};
        }
        $checks = 1 if $line =~ /^#if defined\(SSE_DEBUG_CHECKS\)/;
        $checks = 0 if $checks && $line =~ /^#(?:endif|else)/;
        $of{judge}{$number} = 1 if $checks;
        if ($bare =~ /^(?:static|SSE_API|SSE__\w+).*\(|^\w[^;=]*\)\s*\{$/) {
            ($function) = $bare =~ /\b(sse_\w+)\(/;
            $nothing = $bare =~ /^[^(]*\bvoid sse_/ ? 'return; '
                : $bare =~ /^[^(]*(?:\*|\b(?:int|bool|u?int\d+_t|size_t|ssize_t|long) )sse_/
                ? 'return 0; ' : ''; # structs
        }
        $function = undef if $bare =~ /^\}/ || $line =~ /^(?:enum|struct|typedef)\b/;
        push @{$of{lines}}, {at => $at, number => $number, text => $line, bare => $bare,
            section => $name, function => $function, nothing => $nothing}
            if $function && $name ne '' && $at > $begin && !$checks && $bare =~ /^ +\S/;
        $at += length $line;
    }
    # the types of the parameters of each function
    while ($of{masked} =~ /^(?:static|SSE_API)\b[^;{}=()]*?\b(sse_\w+)\(([^;{}()]*)\)/mg) {
        my ($f, $parameters) = ($1, $2);
        $of{types}{$f} //= [map { s/\s+/ /g; s/^ | $//g; s/\w+$//r } split /,/, $parameters];
    }
    for my $name (@{$of{order}}) { # "Tests: tests/unit/a.c b.c": b.c stands beside a.c
        my $dir = '';
        for (map { split } $of{section}{$name}{banner} =~ /Tests: ((?:\S+ ?)+)/g) {
            $dir = $1 if m{^(.*/)};
            push @{$of{section}{$name}{judges}}, m{/} ? $_ : $dir . $_;
        }
    }
    return \%of;
}

sub swaps { # of two arguments of one type, in the calls that begin in a line
    my ($of, $line) = @_;
    my @found;
    my $rest = substr($of->{masked}, $line->{at}, 1000);
    while ($line->{bare} =~ /\b(sse_\w+)\(/g) {
        my ($f, $open) = ($1, $+[0]);
        my $types = $of->{types}{$f} or next;
        next if $f =~ /_(?:eq|equal|add|mul)(?:_nocase)?$/ && $types->[0] !~ /\*/; # the same
        my ($depth, $from, @arguments) = (1, $open);
        for (my $i = $open; $i < length $rest && $depth; $i++) {
            my $c = substr($rest, $i, 1);
            $depth++ if $c =~ /[(\[{]/;
            $depth-- if $c =~ /[)\]}]/;
            next unless $depth == 0 || ($depth == 1 && $c eq ',');
            push @arguments, [$from, $i];
            $from = $i + 1;
        }
        for my $i (0 .. $#arguments - 1) {
            last if $i + 1 > $#$types;
            next if $types->[$i] ne $types->[$i + 1];
            my ($begin, $end) = ($arguments[$i][0], $arguments[$i + 1][1]);
            my $both = substr($of->{text}, $line->{at} + $begin, $end - $begin);
            my $cut  = $arguments[$i][1] - $begin;
            my ($a, $b) = (substr($both, 0, $cut), substr($both, $cut + 1));
            my ($la, $lb) = ($a =~ s/^\s+//r, $b =~ s/^(\s+)//r);
            my ($gap) = $b =~ /^(\s*)/;
            push @found, ['swapped arguments', $begin, $end - $begin, "$lb,$gap$la"] if $la ne $lb;
        }
    }
    return @found;
}

# The mutants of one line: [what, offset in the text, length, what stands there instead].
sub mutants_of_line {
    my ($of, $line) = @_;
    my ($bare, @found) = ($line->{bare});
    my $rest = substr($of->{masked}, $line->{at}, 1500);
    my $declares = $bare !~ /^ +(?:return|goto|else)\b/ && $bare =~
        /^ +(?:(?:static|const|struct|unsigned|long|enum) )*\w+ +\**\w+(?:\[| =|;|,)/;
    my $add = sub { push @found, [@_] };

    while ($rest =~ /\b(?:if|while) $parens/g) { # a condition, negated
        last if $-[0] >= length $bare;
        $add->('negated condition', $-[1], $+[1] - $-[1], '(!' .
            substr($of->{text}, $line->{at} + $-[1], $+[1] - $-[1]) . ')');
    }
    while ($bare =~ / (<=?|>=?|==|!=) /g) {
        my $to = {'<' => '<=', '<=' => '<', '>' => '>=', '>=' => '>', '==' => '!=', '!=' => '=='};
        $add->('compared otherwise', $-[1], length $1, $to->{$1});
    }
    while ($bare =~ / ([+-]) | ([+-])= |(\+\+|--)/g) {
        my $i = defined $1 ? 1 : defined $2 ? 2 : 3;
        my $op = substr($bare, $-[$i], $+[$i] - $-[$i]);
        $add->('the opposite sum', $-[$i], $+[$i] - $-[$i], $op =~ tr/+-/-+/r);
    }
    while ($bare =~ /(&&|\|\|)/g) {
        $add->('and for or', $-[0], 2, $1 eq '&&' ? '||' : '&&');
    }
    while ($bare =~ /(?<![\w.\[])(\d+)(?=[uUlL]*\b)(?![\w.]*[xX.])/g) {
        my ($n, $at, $before) = ($1, $-[1], substr($bare, 0, $-[1]));
        next if $declares && $before =~ /\[[^\]]*$/; # how large an array is
        my $negative = $before =~ /(?:[,(=?:]|return) *-$/; # -2 says what -1 does
        $add->('off by one', $at, length $n, $n + 1) unless $negative;
        $add->('off by one', $at, length $n, $n - 1) if $n > 0;
    }
    while ($bare =~ /\breturn (SSE_(?:OK|E_\w+)|true|false);/g) {
        my $to = $1 eq 'true' ? 'false' : $1 eq 'false' ? 'true' : $1 eq 'SSE_E_ARG' ? 'SSE_E_STATE'
            : 'SSE_E_ARG';
        $add->('another result', $-[1], length $1, $to);
    }
    while ($bare =~ /!(?=[\w(*])/g) { $add->('a lost !', $-[0], 1, '') }
    # a statement of its own, at the start of a line or behind a condition
    my $head = qr/^ +(?:\} )?(?:(?:else )?if $parens |else |while $parens |for $parens )?/;
    my $call = qr/(?:\(void\)\s*)?[A-Za-z_][\w.>-]*$parens;/;
    my $sets = qr/(?:$lvalue\s*(?:[-+|&*\/^]|<<|>>)?=(?!=)[^;{]*|
        $lvalue(?:\+\+|--)|(?:\+\+|--)$lvalue);/x;
    my $other = qr/(?:if|for|while|switch|return|sizeof|do|case|default)\b/;
    if (!$declares && $rest =~ /$head(?!$other)($call|$sets)/) {
        my ($from, $what) = ($-[-1], $&);
        my $m = $rest =~ /($head)/ ? $+[0] : 0;
        my $statement = substr($rest, $m, length($what) - $m);
        my $begins = previous_ended($of, $line);
        if ($begins && $m < length $bare) {
            my $named = $line->{text} =~ m{/\*.*\b[A-Z]{1,2}\d{1,2}\b.*\*/};
            $add->($named ? "an invariant's line dropped" : 'a dropped statement', $m,
                length $statement, ';' . ($statement =~ s/[^\n]//gr));
            $add->('an early return', $m, 0, $line->{nothing})
                if $line->{nothing} && $m == 4 && $bare =~ /^ {4}\S/;
        }
    }
    push @found, swaps($of, $line);
    $_->[1] += $line->{at} for @found;
    return @found;
}

sub previous_ended { # whether a statement can begin with this line
    my ($of, $line) = @_;
    my $before = substr($of->{masked}, $line->{at} > 3000 ? $line->{at} - 3000 : 0,
        $line->{at} > 3000 ? 3000 : $line->{at});
    return $before =~ /(?:[;{}:]|\belse|\bdo)\s*\z/ || $before =~ /\b(?:if|for|while) $parens\s*\z/;
}
1;
