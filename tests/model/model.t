#!/usr/bin/env perl
# The resume protocol as a model, checked by spin: in every order of what may happen no loss is
# silent; and each rule of it is needed. FOLLOWS=1,3: clients of the topic in memory, and of both,
# which takes minutes.
use strict;
use warnings;
use Test::More;
use Cwd 'abs_path';
use File::Basename 'dirname';
use File::Temp 'tempdir';

my $here = abs_path(dirname(__FILE__));

# What the checker found in MODEL.pml: how many errors, and its last words.
sub errors {
    my ($model, %set) = @_;
    my $dir = tempdir(CLEANUP => 1);
    my $set = join ' ', map { "-D$_=$set{$_}" } sort keys %set;
    my $level = $set{BROKEN} ? '-O0' : '-O1'; # what is broken is found at once
    my $said = `cd $dir && spin $set -a $here/$model.pml 2>&1 &&
        cc $level -w -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -DMEMLIM=4000 -o pan pan.c 2>&1 &&
        ./pan -E -m1000000 2>&1`;
    my ($errors) = $said =~ /errors: (\d+)/;
    my $whole = $said !~ /Search not completed|max search depth too small/;
    return (defined $errors && ($errors || $whole) ? $errors : -1, $said);
}

my %needed_by = (1 => 1, 2 => 1, 3 => 1, 4 => 2, 5 => 1, 6 => 2, 7 => 2, 8 => 1);
for my $rule (sort keys %needed_by) {
    my ($errors, $said) = errors('resume', BROKEN => $rule, follows => $needed_by{$rule});
    is($errors, 1, "resume: without rule $rule something is lost") or diag($said);
}
for my $follows (split /,/, $ENV{FOLLOWS} // '2') {
    my ($errors, $said) = errors('resume', follows => $follows);
    is($errors, 0, "resume: nothing is lost in silence, a client of $follows") or diag($said);
}
for my $rule (1 .. 5) {
    my ($errors, $said) = errors('outbox', BROKEN => $rule);
    is($errors, 1, "outbox: without rule $rule something is lost") or diag($said);
}
my ($errors, $said) = errors('outbox');
is($errors, 0, 'outbox: nothing is lost in silence between two servers') or diag($said);
done_testing;
