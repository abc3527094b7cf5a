# sse.h is one file and needs no building: this makes the examples and runs the tests. All output
# goes to build/.

PORT ?= 8000
WARN  = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wundef -Wno-format-security $(STRICT)
LIBS  = -lsqlite3 -lbrotlienc -lpthread -lm
OPT   = -O1
CHECKS = -DSSE_DEBUG_CHECKS -DSSE_STATIC
ASAN  = $(CHECKS) -g -O0 -fno-omit-frame-pointer -fsanitize=address,undefined \
        -fno-sanitize-recover=undefined
TSAN  = $(CHECKS) -g -O0 -fsanitize=thread
FUZZ ?= 30
HOURS ?= 1
PREFIX ?= /usr/local
VERSION := $(shell sed -n 's/^.define SSE_VERSION "\(.*\)"/\1/p' sse.h)
into    = "$(DESTDIR)$(PREFIX)/$(1)"
MAKE1 = $(MAKE) --no-print-directory

names    = $(basename $(notdir $(wildcard $(1))))
hiredis  = $(wildcard /usr/include/hiredis/async.h /usr/local/include/hiredis/async.h)
guests   = $(foreach l,libuv glib-2.0,\
           $(shell pkg-config --exists $(l) 2>/dev/null && echo embed-$(l)))
examples = $(patsubst %,build/%,$(filter-out $(if $(hiredis),,cluster),$(call names,examples/*.c)) \
           $(guests))
units    = $(call names,tests/unit/*.c)
threaded = $(basename $(notdir $(shell \
           grep -lsE 'pthread_create|sse_offload|sse_db_post|body_to_file|what is acknowledged' \
           tests/unit/*.c)))
polled   = $(basename $(notdir $(shell \
           grep -lsE 'sse__loop_|sse_watch|source\.fd|->source' tests/unit/*.c)))
headers  = tests/tap.h $(wildcard tests/unit/*.h)
fuzzers  = $(filter-out replay,$(call names,tests/fuzz/*.c))
check    = $(units:%=build/asan/unit/%)
binaries = $(examples) $(check) $(units:%=build/tcc/unit/%) $(units:%=build/gcc/unit/%) \
           $(polled:%=build/poll/unit/%) $(threaded:%=build/tsan/unit/%) \
           $(fuzzers:%=build/replay/%) build/asan/combine
faults   = build/faults/calls build/faults/disk
# Those that take longest first; many of them wait most of the time.
long     = build/asan/combine $(faults) $(filter %/tunnel %/changes,$(binaries))
wired    = $(filter-out slow_fsync scarce_memory disk,$(call names,tests/wire/*.c)) outside
# The servers of a kind share one sse.o, all but those that set or see what is within.
kinds    = asan poll tsan clang
alone    = build/asan/frames build/asan/memory
suites   = $(wildcard tests/browser/*.test.mjs tests/model/*.t tests/header/*.t tests/arch/*.t \
           tests/frame/*.t tests/datastar/*.test.mjs tests/wire/*.t tests/wire/*.test.mjs)
servers  = $(wired:%=build/asan/%) $(addprefix build/poll/,ends http stopping topics) \
           $(addprefix build/clang/,server sqlite disk faults) \
           $(addprefix build/tsan/,server stopping) build/senders/topics \
           build/topics build/datastar-format build/slow_fsync.so build/scarce_memory.so

all: $(examples) ## build the examples

run: ## start the chat on http://127.0.0.1:8000 (PORT=... for another port)
	@sh tests/setup.sh run "$(PORT)"
	@$(MAKE1) build/chat
	@cd build && PORT=$(PORT) exec ./chat

check: ## run the unit tests under ASan and UBSan (seconds)
	@sh tests/setup.sh check
	@$(MAKE1) -j2 $(check)
	@prove -j2 $(check)

test: ## run everything
	@sh tests/setup.sh test
	@$(MAKE1) -j2 CC=clang OPT=-O0 STRICT=-Werror built
	@: >build/test.log
	@prove -j8 --merge --timer --exec 'sh tests/apart.sh' $(long) $(suites) \
	    $(filter-out $(long) $(examples),$(binaries)) 2>>build/test.log | tee build/test.out
	@tail -n 1 build/test.out | grep -q '^Result: PASS' || { \
	    echo "== what the tests said, its end (build/test.log has all):"; \
	    tail -n 100 build/test.log; echo "== what was not as it should be:"; \
	    grep -aE '^ *# |SUMMARY|runtime error|Assertion' build/test.log | tail -n 100; \
	    sed -n '/^Test Summary Report/,$$p' build/test.out; exit 1; } >&2

portable: ## run the tests on other machines, C libraries and compilers, and without parts
	@sh tests/setup.sh portable
	@$(MAKE1) build/topics
	@perl tests/portable/run.pl $(ROWS)

# What it runs: by a make of its own, which sees what the set-up has installed.
built: build/asan/combine $(faults) $(binaries) $(servers)

layers: ## prove that each section uses only what stands above it
	@sh tests/setup.sh layers
	@perl tests/header/layers.t

sizes: ## show the bytes of code of each section, and what each feature adds to a program
	@sh tests/setup.sh layers
	@mkdir -p build && perl tests/header/sizes.pl
	@perl tests/header/features.pl

pictures: $(examples) build/asan/monitor ## take the pictures of the README: examples/*.png
	@node tests/browser/pictures.mjs

bench: ## measure sse.h beside others: 10 minutes; BENCH=quick: 2; CHARTS=DIR: charts to DIR
	@sh tests/setup.sh bench
	@MAKE='$(MAKE1)' BENCH='$(BENCH)' CHARTS='$(CHARTS)' perl tests/bench/run.pl

outside: build/outside ## build the server for other people's test suites

mutants: ## put N=100 faults into sse.h and see the tests fail: SEED= SECTION= (minutes)
	@sh tests/setup.sh test
	@perl tests/mutants/run.pl

model: ## check the protocol of resuming, in all orders of what may happen, with spin (minutes)
	@sh tests/setup.sh test
	@FOLLOWS=1,2 prove --timer tests/model/model.t

coverage: ## count the lines and branches that the tests reach, by section (minutes)
	@sh tests/setup.sh test
	@perl tests/coverage/run.pl

fuzz: ## fuzz each target for FUZZ=30 seconds; finds go to build/fuzz
	@sh tests/setup.sh fuzz
	@$(MAKE1) -j2 $(fuzzers:%=build/fuzz/%)
	@for f in $(fuzzers); do mkdir -p build/fuzz/$$f.corpus && \
	    echo "== $$f: $(FUZZ) s, see build/fuzz/$$f.log" && \
	    build/fuzz/$$f -max_total_time=$(FUZZ) -timeout=20 -rss_limit_mb=1500 \
	        -dict=tests/fuzz/words.dict -artifact_prefix=build/fuzz/$$f. build/fuzz/$$f.corpus \
	        tests/fuzz/corpus/$$f 2>build/fuzz/$$f.log && \
	    grep -a -e INITED -e DONE build/fuzz/$$f.log || \
	    { tail -n 50 build/fuzz/$$f.log; exit 1; }; done

faults: ## fail each system call, allocation, write (minutes)
	@sh tests/setup.sh check
	@$(MAKE1) -j2 $(faults)
	@prove --timer build/faults/calls :: all && prove --timer build/faults/disk :: all

soak: ## combine features by chance for HOURS=1, against a model of each client
	@sh tests/setup.sh fuzz
	@$(MAKE1) build/asan/combine
	@build/asan/combine -t $$(( 3600 * $(HOURS) ))

fresh: ## run the tests on a fresh Debian in a directory of its own (root, debootstrap, minutes)
	@sh tests/fresh.sh

format: ## lay out the C of the tests as .clang-format says
	@sh tests/setup.sh test
	@node build/node/node_modules/clang-format/index.js -i tests/tap.h \
	    $(wildcard tests/*/*.[ch] tests/bench/peers/*.c)

format-check: ## compare the layout of the tests with .clang-format and 100 columns
	@sh tests/setup.sh test
	@prove tests/header/format.t

install: ## install sse.h for cc, pkg-config and CMake: PREFIX=/usr/local DESTDIR=
	install -d $(call into,include) $(call into,lib/pkgconfig) $(call into,lib/cmake/sse)
	install -m 644 sse.h $(call into,include/sse.h)
	@printf '%s\n' "$$sse_pc" >$(call into,lib/pkgconfig/sse.pc)
	@printf '%s\n' "$$sse_cmake" >$(call into,lib/cmake/sse/sseConfig.cmake)
	@printf '%s\n' "$$sse_cmake_version" >$(call into,lib/cmake/sse/sseConfigVersion.cmake)
	@chmod 644 $(call into,lib/pkgconfig/sse.pc) $(call into,lib/cmake/sse/)*.cmake

uninstall: ## remove what make install put there, with the same PREFIX and DESTDIR
	rm -f $(call into,include/sse.h) $(call into,lib/pkgconfig/sse.pc)
	rm -rf $(call into,lib/cmake/sse)

dist: ## pack what is committed into build/sse-VERSION.tar.gz, the same bytes each time
	@git diff --quiet HEAD -- || { echo "commit first: make dist packs what is committed" >&2; \
	    exit 1; }
	@mkdir -p build
	git -c tar.umask=0022 archive --prefix=sse-$(VERSION)/ -o build/sse-$(VERSION).tar HEAD
	gzip -9nf build/sse-$(VERSION).tar

clean: ## remove build/
	rm -rf build

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile | \
	    awk -F': ' '{ printf "make %-13s %s\n", $$1, substr($$0, length($$1) + 3) }'

# What make install writes. The libraries are those of a program without any SSE_NO_ macro; a linker
# with --as-needed drops what a program does not use.
define sse_pc
prefix=$(PREFIX)
includedir=$${prefix}/include

Name: sse
Description: A live web server in one C file: HTTP, Server-Sent Events, Datastar, SQLite
Version: $(VERSION)
Cflags: -I$${includedir}
Libs: -lsqlite3 -lbrotlienc -lpthread
endef

define sse_cmake
include(CMakeFindDependencyMacro)
find_dependency(Threads)
if(NOT TARGET sse::sse)
  get_filename_component(sse_prefix "$${CMAKE_CURRENT_LIST_DIR}" REALPATH) # /lib may be /usr/lib
  get_filename_component(sse_prefix "$${sse_prefix}/../../.." ABSOLUTE)
  add_library(sse::sse INTERFACE IMPORTED)
  set_target_properties(sse::sse PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "$${sse_prefix}/include"
    INTERFACE_LINK_LIBRARIES "sqlite3;brotlienc;Threads::Threads")
endif()
endef

# As semantic versioning has it: the same first number, or, while that is 0, the same two.
define sse_cmake_version
set(PACKAGE_VERSION "$(VERSION)")
string(REGEX MATCH "^(0\\.)?[0-9]+" sse_is "$${PACKAGE_VERSION}")
string(REGEX MATCH "^(0\\.)?[0-9]+" sse_wanted "$${PACKAGE_FIND_VERSION}")
if(sse_wanted STREQUAL sse_is AND NOT PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
  set(PACKAGE_VERSION_EXACT TRUE)
endif()
endef
export sse_pc sse_cmake sse_cmake_version

build/%: examples/%.c sse.h
	@mkdir -p $(@D)
	$(CC) -std=c99 $(OPT) -I. $(WARN) $< -o $@ $(LIBS)

# Only this one needs hiredis: it is left out where that is not installed.
build/cluster: LIBS += -lhiredis
build/cluster: examples/redis.h examples/cluster_page.h examples/cluster_here.h
build/kanban: examples/kanban_page.h examples/kanban_files.h
build/rooms: examples/rooms_page.h
build/todo: examples/todo_page.h
build/board: examples/board_page.h examples/board_camera.h
build/board: LIBS =

# The guest of other loops than its own, of those that are installed.
build/embed-libuv: USE = -DUSE_LIBUV
build/embed-glib-2.0: USE = -DUSE_GLIB
build/embed-%: examples/embed.c sse.h
	@mkdir -p $(@D)
	$(CC) -std=c99 $(OPT) -I. $(USE) $(WARN) $(subst -I,-isystem ,$(shell pkg-config --cflags $*)) $< \
	    -o $@ $(LIBS) $(shell pkg-config --libs $*)

build/outside: tests/outside/server.c sse.h
	@mkdir -p $(@D)
	$(CC) -std=c11 -O1 -I. $(WARN) $< -o $@ $(LIBS)

build/datastar-format: tests/datastar/format.c sse.h
	@mkdir -p $(@D)
	clang -std=c11 $(ASAN) $(WARN) $< -o $@ $(LIBS)

build/asan/unit/%: tests/unit/%.c $(headers) sse.h
	@mkdir -p $(@D)
	clang -std=c11 $(ASAN) $(WARN) $< -o $@ $(LIBS)

# The other poller, which all of tcc's programs have: unit tests of it, and the servers of poll.t.
build/poll/unit/%: tests/unit/%.c $(headers) sse.h
	@mkdir -p $(@D)
	clang -std=c11 -DSSE_USE_POLL $(ASAN) $(WARN) $< -o $@ $(LIBS)

build/tcc/unit/%: tests/unit/%.c $(headers) sse.h
	@mkdir -p $(@D)
	tcc -w $(CHECKS) $< -o $@ $(LIBS)

# Optimised, and silent: what gcc warns of is seen where build/topics is built.
build/gcc/unit/%: tests/unit/%.c $(headers) sse.h
	@mkdir -p $(@D)
	gcc -std=gnu17 -Og -w $(CHECKS) $< -o $@ $(LIBS)

build/tsan/unit/%: tests/unit/%.c $(headers) sse.h
	@mkdir -p $(@D)
	clang -std=c11 $(TSAN) $(WARN) $< -o $@ $(LIBS)

# scarce_memory.so is preloaded: the sanitizer of clang, linked in, would not ask it for memory.
build/asan/faults: tests/wire/faults.c tests/wire/ready.h sse.h
	@mkdir -p $(@D)
	gcc -std=c11 -I. $(ASAN) $(WARN) $< -o $@ $(LIBS)

$(alone): build/asan/%: tests/wire/%.c tests/wire/ready.h sse.h
	@mkdir -p $(@D)
	clang -std=c11 -I. $(ASAN) $(WARN) $< -o $@ $(LIBS)

asan_is  = -std=c11 $(ASAN) -O1
poll_is  = -std=c11 $(ASAN) -DSSE_USE_POLL
tsan_is  = -std=c11 $(TSAN)
clang_is = -std=c99 -O2 $(CHECKS)

$(kinds:%=build/%/sse.o): build/%/sse.o: sse.h
	@mkdir -p $(@D)
	clang $($*_is) -USSE_STATIC $(WARN) -x c -DSSE_IMPLEMENTATION -c $< -o $@

define link
@mkdir -p $(@D)
clang $($(notdir $(@D))_is) -USSE_STATIC -Itests/linked -I. $(WARN) $< $(filter %.o,$^) -o $@ \
    $(LIBS)
endef

build/asan/outside: tests/outside/server.c tests/linked/sse.h build/asan/sse.o
	$(link)

build/asan/%: tests/wire/%.c tests/wire/ready.h tests/linked/sse.h build/asan/sse.o
	$(link)

build/poll/%: tests/wire/%.c tests/wire/ready.h tests/linked/sse.h build/poll/sse.o
	$(link)

build/tsan/%: tests/wire/%.c tests/wire/ready.h tests/linked/sse.h build/tsan/sse.o
	$(link)

build/clang/%: tests/wire/%.c tests/wire/ready.h tests/linked/sse.h build/clang/sse.o
	$(link)

build/asan/alive build/asan/chat build/asan/life: tests/wire/crowd.h
build/asan/chat: tests/wire/worn.h examples/chat.c
build/asan/life: tests/wire/worn.h examples/life.c

build/asan/combine: $(wildcard tests/combine/*) tests/tap.h sse.h
	@mkdir -p $(@D)
	clang -std=c11 $(ASAN) $(WARN) $< -o $@ $(LIBS)

# Much is computed there: optimised.
build/asan/combine: ASAN += -O1
build/asan/unit/password: ASAN += -O1

# Every connection is written to by the threads of .senders: for senders.t.
build/senders/%: tests/wire/%.c tests/wire/ready.h sse.h
	@mkdir -p $(@D)
	clang -std=c11 -I. -DSSE__SENDERS_MIN=1 $(TSAN) $(WARN) $< -o $@ $(LIBS)

build/%.so: tests/wire/%.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -O2 -shared -fPIC $(WARN) $< -o $@

build/topics: tests/wire/topics.c tests/wire/ready.h sse.h
	@mkdir -p $(@D)
	gcc -std=c11 -I. -O2 $(WARN) $< -o $@ $(LIBS)

# Calls that fail: the linker puts those of wrap.h in their place.
wraps = $(shell sed -n 's/.*__wrap_\([a-z_0-9][a-z_0-9]*\).*/\1/p' tests/faults/wrap.h | sort -u)

build/faults/%: tests/faults/%.c $(wildcard tests/faults/*.h) tests/tap.h sse.h
	@mkdir -p $(@D)
	clang -std=c11 -I. $(ASAN) $(WARN) $< -o $@ $(LIBS) -lbrotlidec -lz

build/faults/calls: LIBS += $(wraps:%=-Wl,--wrap=%)
build/faults/calls: ASAN += -O1

build/replay/%: tests/fuzz/%.c tests/fuzz/replay.c $(wildcard tests/fuzz/*.h) sse.h
	@mkdir -p $(@D)
	clang -std=c11 $(ASAN) $(WARN) -DCORPUS='"tests/fuzz/corpus/$*"' $< tests/fuzz/replay.c \
	    -o $@ $(LIBS)

build/fuzz/%: tests/fuzz/%.c $(wildcard tests/fuzz/*.h) sse.h
	@mkdir -p $(@D)
	clang -std=c11 $(ASAN) -O1 -fsanitize=fuzzer $(WARN) $< -o $@ $(LIBS)

# Those that need no more than what is public share the rest.
build/bench/sse.o: sse.h
	@mkdir -p $(@D)
	$(CC) -std=c11 -O2 -x c -DSSE_IMPLEMENTATION -c $< -o $@

build/bench/fanout build/bench/requests build/bench/peers: build/bench/%: tests/bench/%.c \
    $(wildcard tests/bench/*.h) build/bench/sse.o
	$(CC) -std=c11 -O2 -I. $(WARN) $< build/bench/sse.o -o $@ $(LIBS)

build/bench/peer/%: tests/bench/peers/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -Wall -Wextra $< -o $@ -l$(patsubst lib%,%,$*)

build/bench/%: tests/bench/%.c $(wildcard tests/bench/*.h) sse.h
	@mkdir -p $(@D)
	$(CC) -std=c11 -O2 -I. $(WARN) $< -o $@ $(LIBS)

build/bench/fair: build/slow_fsync.so

# The reference decoders that frames are read back with.
build/replay/frame build/fuzz/frame build/bench/frame build/asan/combine: LIBS += -lbrotlidec -lz
build/replay/server build/fuzz/server build/replay/file build/fuzz/file: LIBS += -lbrotlidec -lz

.PHONY: all run check test built portable layers sizes pictures bench outside mutants model \
    coverage fuzz faults soak fresh format format-check install uninstall dist clean help
