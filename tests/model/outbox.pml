/* Coming back to the rows of a table, as >>outbox of sse.h does it: two servers read one table,
   each at its own pace, rows are deleted from the oldest on, and one client roams between them with
   the last id it has. A server may be killed and started again.

   Whoever is connected, and has received all that its server has read, has had each row once and in
   order up to there, or was told of a gap (B1 to B4).

   One exception: who came to an empty table has the id 0, and is not told of rows that were written
   and all deleted before it comes back.

   That a table gives its ids again (B2) is not in it: tests/unit/outbox.c tries that.

   BROKEN=n takes one rule out, and the checker has to find what that loses (model.t):

      1  a row that is gone is reported, to who comes back          tests/unit/lost.c
      2  a client ahead of its server waits until that has caught up tests/unit/lost.c: two_servers
      3  a stream that replays is sent rows by its replay alone      tests/wire/sqlite.test.mjs
      4  a replay ends where the server is, not before               tests/wire/sqlite.test.mjs
      5  a row that is gone is reported to who is replaying, too (B4)
                                                       tests/unit/lost.c: deleted_meanwhile */
#ifndef BROKEN
#define BROKEN 0
#endif
#define ROWS    4
#define BREAKS  4
#define CRASHES 2
#define N       (ROWS + 1)

byte rows;                      /* written: ids 1 to rows */
byte deleted;                   /* those up to there */
byte last[2];                   /* outbox.last of each server */

bit  connected, replaying, at;  /* at: which server */
byte after;
bit  queued[N];
bit  gap;

bit  has_id;                    /* the client */
byte id;
byte since;                     /* it is owed the rows above */
bit  got[N];
byte newest;

byte breaks, crashes, i;

inline end() {
    printf("end\n");
    connected = 0; replaying = 0; after = 0; gap = 0; i = 0;
    do :: i < N -> queued[i] = 0; i++ :: else -> break od; i = 0
}

inline refill() {               /* outbox_refill, a row at a time */
    printf("refill after %d, last %d\n", after, last[at]);
    if :: after && after <= deleted && BROKEN != 5 && BROKEN != 1 -> end() :: else fi;
    i = (after > deleted -> after : deleted) + 1;
    if
    :: connected && i <= last[at] && i <= rows -> queued[i] = 1; after = i;
       if :: BROKEN == 4 -> replaying = 0 :: else fi
    :: else -> /* B3: it may be ahead */
       if :: after > last[at] && BROKEN != 2 -> skip
          :: else -> replaying = 0
       fi
    fi;
    i = 0
}

inline connect(server) {        /* outbox_resume */
    printf("connect to %d with %d/%d\n", server, has_id, id);
    at = server; connected = 1;
    if
    :: has_id ->
        if :: !id && since < deleted -> since = deleted :: else fi;
        if
        :: !id || id > deleted || BROKEN == 1 -> after = id
        :: else -> gap = 1; after = 0
        fi;
        replaying = 1;
        refill()
    :: else -> /* it is sent its place at once: O4 */
        id = last[at]; has_id = 1; since = id
    fi
}

inline read(server) {           /* outbox_run: the next row, to all that do not replay */
    printf("server %d reads %d\n", server, last[server] + 1);
    last[server]++;
    if
    :: last[server] > deleted && connected && at == server && (!replaying || BROKEN == 3) ->
        queued[last[server]] = 1
    :: else
    fi
}

inline receive() {
    if
    :: gap ->
        gap = 0; newest = 0; since = deleted; i = 0;
        do :: i < N -> got[i] = 0; i++ :: else -> break od; i = 0
    :: else ->
        i = 1;
        do :: i < N && !queued[i] -> i++ :: else -> break od;
        if
        :: i < N ->
            assert(!got[i] && i > newest);
            queued[i] = 0; got[i] = 1; newest = i; id = i
        :: else
        fi;
        i = 0
    fi
}

/* It has had all rows up to where its server is, which are there or were while it was connected. */
inline check() {
    i = 1;
    do :: i < N && !queued[i] -> i++ :: else -> break od;
    if
    :: i == N && connected && !replaying && !gap ->
        i = since + 1;
        do
        :: i <= last[at] -> assert(got[i]); i++
        :: else -> break
        od
    :: else
    fi;
    i = 0
}

active proctype world() {
    do
    :: atomic { rows < ROWS -> rows++ }
    /* a program deletes what its servers have read: else nobody was promised it */
    :: atomic { deleted < last[0] && deleted < last[1] ->
                deleted++; printf("delete %d\n", deleted) }
    :: atomic { last[0] < rows -> read(0); check() }
    :: atomic { last[1] < rows -> read(1); check() }
    :: atomic { connected && replaying -> refill(); check() }
    :: atomic { !connected && breaks < BREAKS -> connect(0) }
    :: atomic { !connected && breaks < BREAKS -> connect(1) }
    :: atomic { connected -> receive(); check() }
    :: atomic { connected -> breaks++; end() }
    :: atomic { crashes < CRASHES -> /* it begins behind the newest row */
                crashes++;
                if :: connected && at == 0 -> end() :: else fi;
                last[0] = rows }
    od
}
