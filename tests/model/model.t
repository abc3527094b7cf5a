#!/usr/bin/env perl
# The resume protocol as a model, checked by spin: in every order of what may happen no loss is
# silent, and no client is told of one for nothing; and each rule of it is needed. FOLLOWS=1,2,3:
# clients of the topic in memory, in the database, and of both, with three events and a crash, as
# make model has them, which takes minutes.
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
    my $cc  = $set{BROKEN} ? 'tcc' : 'cc -Og'; # what is broken is found at once
    my $said = `cd $dir && spin $set -a $here/$model.pml 2>&1 &&
        $cc -w -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -DMEMLIM=4000 -o pan pan.c 2>&1 &&
        ./pan -E -m1000000 2>&1`;
    my ($errors) = $said =~ /errors: (\d+)/;
    my $whole = $said !~ /Search not completed|max search depth too small/;
    return (defined $errors && ($errors || $whole) ? $errors : -1, $said);
}

# of a client that follows the topic in memory, that in a database, or (3) both
my %needed_by = (1 => 1, 2 => 1, 3 => 1, 4 => 2, 5 => 1, 6 => 3, 7 => 2, 8 => 1, 9 => 2, 10 => 2,
    11 => 3, 12 => 3, 13 => 2, 14 => 2, 15 => 2);
for my $rule (sort { $a <=> $b } keys %needed_by) {
    my ($errors, $said) = errors('resume', BROKEN => $rule, follows => $needed_by{$rule});
    is($errors, 1, "resume: without rule $rule something is lost") or diag($said);
}
my @whole = $ENV{FOLLOWS} ? map { {follows => $_} } split /,/, $ENV{FOLLOWS}
    : ({follows => 2, EVENTS => 2}, {follows => 3, EVENTS => 2}, {follows => 3, CRASHES => 0});
for my $set (@whole) {
    my ($errors, $said) = errors('resume', %$set);
    my ($states) = $said =~ /(\d+) states, stored/;
    is($errors, 0, sprintf 'resume: nothing is lost in silence, %s, in %s states',
        join(', ', map { "$_ $set->{$_}" } sort keys %$set), $states // 0) or diag($said);
}
for my $rule (1 .. 5) {
    my ($errors, $said) = errors('outbox', BROKEN => $rule);
    is($errors, 1, "outbox: without rule $rule something is lost") or diag($said);
}
my ($errors, $said) = errors('outbox');
is($errors, 0, 'outbox: nothing is lost in silence between two servers') or diag($said);
done_testing;
