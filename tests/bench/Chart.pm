# Small charts as SVG, readable on light and on dark pages.
package Chart;
use strict;
use warnings;

my $own   = 'sse.h';
my $style = <<'END';
<style>
text { font: 13px system-ui, sans-serif; fill: #24292f }
.t { font-weight: 600 } .n { fill: #57606a }
.a { fill: #1f6feb } .b { fill: #8c959f } .f { fill: #c9d1d9 }
path { fill: none; stroke: #8c959f; stroke-width: 1.5 }
path.a { stroke: #1f6feb; stroke-width: 3 } path.g { stroke: #d0d7de; stroke-width: 1 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .n { fill: #9198a1 } .a { fill: #58a6ff } .b { fill: #6e7681 }
.f { fill: #484f58 } path { fill: none; stroke: #6e7681 }
path.a { fill: none; stroke: #58a6ff } path.g { stroke: #30363d }
}
path, path.a { fill: none }
</style>
END

sub escape {
    my ($text) = @_;
    $text =~ s/([&<>])/'&#' . ord($1) . ';'/ge;
    return $text;
}

sub open_svg {
    my ($width, $height, $title) = @_;
    return qq{<svg xmlns="http://www.w3.org/2000/svg" width="$width" height="$height"\n}
        . qq{ viewBox="0 0 $width $height" role="img">\n<title>} . escape($title) . "</title>\n"
        . $style . qq{<text class="t" x="0" y="16">} . escape($title) . "</text>\n";
}

sub bars { # bars TITLE UNIT [NAME, VALUE, TEXT]...
    my ($title, $unit, @rows) = @_;
    my ($left, $room, $step) = (110, 330, 24);
    my $most = 0;
    for (@rows) { $most = $_->[1] if $_->[1] > $most }
    my $svg = open_svg(540, 30 + $step * @rows, $title);
    my $y   = 28;
    for (@rows) {
        my ($name, $value, $text) = @$_;
        my $class = $name eq $own ? 'a' : $name eq 'bare loop' ? 'f' : 'b';
        my $width = $most > 0 && $value > 0 ? sprintf '%.1f', $room * $value / $most : 0;
        my $line  = $y + 13;
        my $after = $left + $width + 6;
        $svg .= qq{<text x="0" y="$line">} . escape($name) . "</text>\n"
            . qq{<rect class="$class" x="$left" y="$y" width="$width" height="17" rx="2"/>\n}
            . qq{<text class="n" x="$after" y="$line">} . escape("$text $unit") . "</text>\n";
        $y += $step;
    }
    return "$svg</svg>\n";
}

# Each line has its name at its end.
sub lines { # lines TITLE UNIT [NAME, {X => Y}]...: X to a logarithmic scale
    my ($title, $unit, @rows) = @_;
    my ($left, $top, $width, $height) = (44, 34, 340, 180);
    my (%x, $most);
    $most = 0;
    for my $row (@rows) {
        for (keys %{$row->[1]}) {
            $x{$_} = 1;
            $most = $row->[1]{$_} if $row->[1]{$_} > $most;
        }
    }
    my @x    = sort { $a <=> $b } keys %x;
    my $span = log($x[-1] / $x[0]) || 1;
    my $unit_step = 10**int(log($most / 2) / log(10));
    $unit_step *= 2 while $most / $unit_step > 5;
    my $across = sub { sprintf '%.0f', $left + $width * log($_[0] / $x[0]) / $span };
    my $down   = sub { sprintf '%.1f', $top + $height * (1 - $_[0] / $most) };
    my $svg    = open_svg(540, $top + $height + 26, $title);
    for (my $y = 0; $y <= $most; $y += $unit_step) {
        my ($at, $text) = ($down->($y), $y + 0);
        $svg .= qq{<path class="g" d="M$left ${at}h$width"/>\n<text class="n" x="0" y="}
            . ($at + 4) . qq{">} . escape("$text $unit") . "</text>\n";
    }
    for (@x) {
        my $text = "$_";
        1 while $text =~ s/^(\d+)(\d{3})/$1,$2/;
        $svg .= qq{<text class="n" text-anchor="middle" x="} . $across->($_) . qq{" y="}
            . ($top + $height + 18) . qq{">$text</text>\n};
    }
    my @ends;
    for my $row (@rows) {
        my ($name, $of) = @$row;
        my @at = sort { $a <=> $b } keys %$of;
        my $class = $name eq $own ? ' class="a"' : '';
        my @points = map { $across->($_) . ' ' . $down->($of->{$_}) } @at;
        $svg .= "<path$class d=\"M" . join('L', @points) . "\"/>\n";
        push @ends, [$down->($of->{$at[-1]}) + 4, $across->($at[-1]) + 8, $name];
    }
    @ends = sort { $a->[0] <=> $b->[0] } @ends;
    for my $i (1 .. $#ends) { # apart from each other, and not below the chart
        $ends[$i][0] = $ends[$i - 1][0] + 15 if $ends[$i][0] < $ends[$i - 1][0] + 15;
    }
    my $lowest = $top + $height + 4;
    for my $end (reverse @ends) {
        $end->[0] = $lowest if $end->[0] > $lowest;
        $lowest = $end->[0] - 15;
    }
    for (@ends) {
        my ($y, $x, $name) = @$_;
        my $class = $name eq $own ? 't' : 'n';
        $svg .= qq{<text class="$class" x="$x" y="$y">} . escape($name) . "</text>\n";
    }
    return "$svg</svg>\n";
}

1;
