# make install and make dist, and the ways to use what they make that the README shows.
use strict;
use warnings;
use lib 'tests/header';
use Cwd;
use Header;
use Test::More;

my ($version) = $text =~ /^#define SSE_VERSION "(.*?)"/m;
my @make      = (qw(make -s --no-print-directory));
my $root      = getcwd() . "/$dir/root";
my $prefix    = "$root/usr/local";
$ENV{$_} = '' for qw(MAKEFLAGS MAKELEVEL DESTDIR); # as started by hand
delete $ENV{PREFIX};

sub files { # below a directory
    my ($top) = @_;
    return [sort map { s{^\Q$top\E/}{}r } split /\n/, `find '$top' -type f`];
}

sub emptied { # a directory
    my ($top) = @_;
    system 'rm', '-rf', $top;
    system 'mkdir', '-p', $top;
    return $top;
}

# What is installed, and that nothing of it stays.
emptied($root);
umask 077; # of whoever installs: others read it all the same
compiles('make install DESTDIR=...', @make, 'install', "DESTDIR=$root");
umask 022;
is_deeply(files($root),
    [map { "usr/local/$_" } qw(include/sse.h lib/cmake/sse/sseConfig.cmake
        lib/cmake/sse/sseConfigVersion.cmake lib/pkgconfig/sse.pc)], 'it installs four files');
is_empty([map { "$_: " . sprintf '%o', (stat "$root/$_")[2] & 0777 }
        grep { ((stat "$root/$_")[2] & 0777) != 0644 } @{files($root)}], 'everybody may read them');
ok(slurp("$prefix/include/sse.h") eq $text, 'sse.h is as it was');
my $other = emptied("$dir/an other root");
compiles('another PREFIX', @make, 'install', 'PREFIX=/opt/sse', "DESTDIR=$other");
like(slurp("$other/opt/sse/lib/pkgconfig/sse.pc"), qr{^prefix=/opt/sse$}m, 'sse.pc names it');
compiles('make uninstall', @make, 'uninstall', 'PREFIX=/opt/sse', "DESTDIR=$other");
is_empty(files($other), 'nothing stays');

# What is packed: the same bytes, whoever packs and whenever, from a repository of its own.
my $repo = emptied("$dir/repo");
my @git  = ('git', '-C', $repo, '-c', 'user.name=x', '-c', 'user.email=x@localhost',
    '-c', 'commit.gpgsign=false');
system 'cp', qw(sse.h Makefile README.md LICENSE), $repo;
my $tar = getcwd() . "/$repo/build/sse-$version.tar.gz";

sub packed { # packed WHAT...: its bytes
    my @how = @_;
    unlink $tar;
    compiles("make dist (@how)", @make, '-C', $repo, @how, 'dist');
    return -e $tar ? slurp($tar) : '';
}

if (have('git')) {
    local @ENV{qw(GIT_AUTHOR_DATE GIT_COMMITTER_DATE)} = ('1234567890 +0200') x 2;
    delete local @ENV{qw(GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE)};
    spew('repo/.gitignore', "/build/\n");
    spew('repo/note', 'not tracked');
    compiles('a repository', @git, 'init', '-q');
    compiles('what is in it', @git, 'add', qw(.gitignore sse.h Makefile README.md LICENSE));
    compiles('a commit', @git, 'commit', '-q', '-m', 'all');
    my $first = packed();
    system 'touch', map { "$repo/$_" } qw(sse.h Makefile README.md LICENSE);
    umask 077;
    ok($first ne '' && packed('TZ=Asia/Tokyo') eq $first, 'the same bytes');
    umask 022;
    is_deeply([split /\n/, `tar -tzf '$tar'`], ["sse-$version/", map { "sse-$version/$_" }
            qw(.gitignore LICENSE Makefile README.md sse.h)], 'what is tracked, below its version');
    like(`TZ=UTC tar -tvzf '$tar'`, qr{^(?:\S+ +\S+ +\d+ 2009-02-13 23:31 .*\n)+\z},
        'with the time of the commit');
    spew('repo/LICENSE', 'another');
    refuses('what is not committed is not packed', qr/commit first/,
        @make, '-C', $repo, 'dist');
}

# hello, as the README has it built: by pkg-config, by find_package, by FetchContent.
if (have('pkg-config')) {
    local $ENV{PKG_CONFIG_PATH}        = "$prefix/lib/pkgconfig";
    local $ENV{PKG_CONFIG_SYSROOT_DIR} = $root;
    my ($line) = slurp('README.md') =~ /^(cc main\.c .*pkg-config.*?)(?: +#.*)?$/m;
    is(`pkg-config --modversion sse`, "$version\n", 'pkg-config knows the version');
    my $hello = emptied("$dir/pkg-config");
    system 'cp', 'examples/hello.c', "$hello/main.c";
    compiles("$line", 'sh', '-c', "cd '$hello' && $line");
    ok(-x "$hello/a.out", 'it is a program');
}
my @blocks = slurp('README.md') =~ /^```cmake\n(.*?)^```/msg;
is(scalar @blocks, 2, 'the README has two ways for CMake');
if (have('cmake') && -e $tar) {
    my %way = (find_package => $blocks[0] // '', FetchContent => $blocks[1] // '');
    for my $way (sort keys %way) {
        my $build  = emptied("$dir/$way");
        my $script = "cmake_minimum_required(VERSION 3.18)\nproject(app C)\n" .
            "add_executable(app hello.c)\n" . $way{$way} =~ s{https://[^)]+}{$tar}r;
        like($script, qr/\b$way\b/, "one is $way");
        spew("$way/CMakeLists.txt", $script);
        system 'cp', 'examples/hello.c', $build;
        runs("cmake with $way", 'cmake', '-S', $build, '-B', "$build/build",
            "-DCMAKE_PREFIX_PATH=$prefix");
        runs('it builds', 'cmake', '--build', "$build/build");
        ok(-x "$build/build/app", 'it is a program');
    }
    my $asks = emptied("$dir/versions"); # semantic versioning, and 0.x is as x
    my ($major, $minor) = $version =~ /^(\d+)\.(\d+)/;
    my %found = ($version => 1, "$major.$minor" => 1, "$major.$minor.999" => 0,
        "$major." . ($minor + 1) => 0, $major + 1 => 0, "$version EXACT" => 1);
    my @lines = map { "find_package(sse $_ QUIET)\nmessage(\"<$_> \${sse_FOUND}\")\n" .
        "unset(sse_DIR CACHE)\n" } sort keys %found;
    spew('versions/CMakeLists.txt', join '', "cmake_minimum_required(VERSION 3.18)\n",
        "project(app C)\n", @lines);
    my $said = `cmake -S '$asks' -B '$asks/build' -DCMAKE_PREFIX_PATH='$prefix' 2>&1`;
    is_deeply({ $said =~ /^<(.*?)> (\d)$/mg }, \%found, 'a version is found where it fits')
        or diag($said);
}
done_testing();
