#!/usr/bin/perl
# What each feature adds to a program: hello of the README, and hello with one more call. Bytes of
# code and data, as `size` counts them, at -Os, one file (SSE_STATIC), sections collected, stripped,
# without SQLite, brotli and threads.
use strict;
use warnings;
use File::Temp 'tempdir';

my $dir   = tempdir(CLEANUP => 1);
no warnings 'qw';
my @flags = qw(-Os -DNDEBUG -ffunction-sections -fdata-sections -Wl,--gc-sections -s -I. -w
    -DSSE_STATIC -DSSE_NO_SQLITE -DSSE_NO_BROTLI -DSSE_NO_THREADS);
my $subscribe = 'sse_subscribe(sse_stream_open(req, NULL), "t");';
my $publish   = 'sse_publish(app, "t", &(sse_event){ .data = "x" });';
my @rows  = (
    ['hello', '', ''],
    ['options', '', '', '&(sse_app_options){ .slow_ms = 9 }', '&(sse_serve_options){ .port = 9 }'],
    ['streams', 'sse_stream_send(sse_stream_open(req, NULL), &(sse_event){ .data = "x" });', ''],
    ['topics', $subscribe, $publish],
    ['a history', $subscribe,
        $publish . 'sse_topic(app, "t", &(sse_topic_options){ .history = 9 });'],
    ['live views', '', 'sse_live(app, "/v", view, NULL);'],
    ['files', '', 'sse_static(app, "/f", ".", NULL);'],
    ['forms', 'sse_puts(sse_out(req), sse_form(req, "a"));', ''],
    ['signals (JSON)', 'sse_puts(sse_out(req), sse_signal(req, "a"));', ''],
    ['signed cookies',
        'sse_set_cookie_signed(req, "a", sse_cookie_signed(req, "a", 9), NULL);', ''],
    ['the monitor', '', 'sse_monitor(app, "/m", NULL, NULL);'],
    ['Datastar\'s client', '', 'sse_datastar(app, "/datastar.js", NULL);'],
    ['scripts', 'sse_scripts(sse_out(req), SSE_SCRIPT_ALL);', ''],
    ['a tunnel', '', 'sse_tunnel_start(app, NULL);'],
    ['an upgrade', '', 'sse_upgrade_on_signal(app, NULL);'],
    ['all of these', '', '']);
$rows[-1][1] = join ' ', map { $_->[1] } @rows[1 .. $#rows - 1];
$rows[-1][2] = join ' ', map { $_->[2] } @rows[1 .. $#rows - 1];

sub bytes { # of a program
    my ($row, @more) = @_;
    my (undef, $in_handler, $in_main, $of_app, $of_serve) = (@$row, 'NULL', 'NULL');
    open my $f, '>', "$dir/a.c" or die $!;
    print $f <<"END";
#define SSE_IMPLEMENTATION
#include "sse.h"
static void view(sse_view *v, sse_buf *b, void *user) { (void)v, (void)user; sse_puts(b, "x"); }
static void hello(sse_req *req, void *user) {
    (void)user;
    sse_html(sse_out(req), "<h1>hello %s</h1>", sse_query(req, "name"));
    $in_handler
}
int main(void) {
    sse_app *app = sse_app_new($of_app);
    sse_get(app, "/", hello, NULL);
    $in_main
    return sse_serve(app, $of_serve);
}
END
    close $f;
    system('gcc', @flags, @more, "$dir/a.c", '-o', "$dir/a") == 0
        or die "it does not compile: $in_handler $in_main";
    my ($text, $data) = (split ' ', (`size $dir/a`)[1])[0, 1];
    return $text + $data;
}

my @small = qw(-fno-asynchronous-unwind-tables -fno-unwind-tables -DSSE_NO_COMPRESSION);
my ($base, $base_small);
for my $row (@rows) {
    my ($name)  = @$row;
    my ($n, $m) = (bytes($row), bytes($row, @small));
    if (defined $base) {
        printf "%-20s %+9.1f KB %+27.1f KB\n",
            $name, ($n - $base) / 1024, ($m - $base_small) / 1024;
    } else {
        printf "%-20s %9s %32s\n", '', 'as compiled', 'no compression, no unwind tables';
        printf "%-20s %9.1f KB %27.1f KB\n", $name, $n / 1024, $m / 1024;
        ($base, $base_small) = ($n, $m);
    }
}
