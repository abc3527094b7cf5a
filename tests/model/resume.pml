/* Coming back to histories, as >>history, >>topics and >>replay of sse.h do it: one server with a
   topic in memory (MEM) and one in a database (DISK), and one client that follows either or both.
   In any order: the server publishes, trims (by count, or by age), forgets what makes room, saves
   (or cannot), is killed and started again, perhaps with another database, of another server say;
   the client receives, loses its connection with what was under way (its queue overflows, too), and
   comes back with the last id it has. What it is sent of a history comes a page at a time.

   Whoever is connected, and has received all, has had each event once and in order, or was told of
   a gap: no loss is silent (K1, K2, K6, O1, O3, O4). And none is told of for nothing: no stream is
   cut while it replays for what its client was told of as it began; who has had all that there is
   and lost nothing since is not told of a gap when it comes back.

   BROKEN=n takes one rule out, and the checker has to find what that loses (model.t):

      1  what an earlier start had in memory only is lost       tests/unit/lost.c: restarts
      2  what is trimmed is lost                                 tests/wire/topics.test.mjs
      3  no byte leaves before its event is kept (C5)            tests/unit/kept.c
      4  numbers are reserved before they are given (K1)         tests/unit/kept.c
      5  a topic that makes room is remembered                   tests/unit/lost.c: evicted
      6  a slow reader is not replayed over what was trimmed     tests/wire/topics.test.mjs
      7  what no store took, and is no more, is lost             tests/unit/lost.c: unsaved
      8  a stream has an id before its first event (O4)          tests/wire/ends.test.mjs
      9  ids of starts that a store does not know are unknown (K6)
                                                       tests/unit/lost.c: another_database
     10  so are numbers that such a start cannot have given (K6) tests/unit/lost.c: lost_numbers
     11  what a client was told of is no reason to cut it
                                                       tests/unit/lost.c: told_once, in_pages
     12  a stream that began with older events is told its place (O4)
                                                       tests/unit/lost.c: began_behind
     13  what went out and no store took is lost by a crash (K2)
                                                       tests/unit/history.c: killed
     14  also to who has the newest number that was reserved
                                                       tests/unit/history.c: killed(false)
     15  so is what went out while the store was tried again
                                                       tests/unit/history.c: behind_a_post */
#ifndef follows                  /* by the client: MEM, DISK, or 3: both */
#define follows 3
#endif
#ifndef BROKEN
#define BROKEN 0
#endif
#ifndef EVENTS
#define EVENTS  3  /* published in all */
#endif
#define RESERVE 2  /* numbers that the store promises at a time */
#define KEEP    1  /* events that a history holds */
#ifndef CRASHES
#define CRASHES 1
#endif
#define BREAKS  2  /* connections that the client loses */
#define N       8 /* numbers: EVENTS, and what crashes skip */
#define MEM     1
#define DISK    2

/* the server */
byte last, earlier, epoch = 1;
byte lost[3], missing[3];       /* by topic, as sse__history has them */
bit  held[N];                   /* it is in its history */
byte gone[3];                   /* rule.gone */
byte on_disk_upto;
bit  loaded[3];                 /* there is a history in memory */
byte saved;                     /* the last number of DISK that its store has */
byte saved_lost;
byte cut, gone_upto, saved_gone; /* store.cut, .lost, .saved_lost */
/* the store */
byte reserved, disk_reserved, disk_lost, disk_cut;
bit  mark;                      /* its lock says that it may lack what has left */
bit  stored[N];
byte known[CRASHES + 2];        /* by epoch: numbers below may be in its ids; 0: not its start */
/* a flight: a copy of what the store lacks */
bit  flying, failing, fly_again; /* fly_again: it failed when the flight began */
byte fly_reserved, fly_upto, fly_lost, fly_last, fly_gone;
bit  fly_has[N];

/* what was published: its topic; whether a byte of it may have left (C5) */
byte topic[N];
bit  left[N];
byte kept_upto;                 /* net.kept: numbers up to there may leave */

/* the connection */
bit  connected, replaying;
byte after;
bit  queued[N];
byte place;                     /* number of the id without an event; 0: none is queued */
byte gap;                       /* a gap event is queued, first of all: up to the number below */
bit  behind;                    /* it is told its place when it has replayed */
bit  lately[3];                 /* by topic: it has lost something since the stream began */

/* the client */
byte id_epoch, id;              /* its Last-Event-ID; epoch 0: none */
byte since;                     /* it is owed what has a number above */
bit  got[N];
bit  owed_gap;                  /* an event that it should have had lost its number as well */
byte newest;                    /* highest number received */
bit  settled;                   /* it has had all, and nothing it needs was lost since */

byte events, crashes, breaks, trims, failures, forgets, swaps;
bit  may_lose;                  /* the connection, and with it what is under way */
byte i, n, seq;                 /* seq: of the latest refill */
bit  b, found, old, is_lost, more;

#define FOLLOWS(t) ((follows & (t)) != 0)
#define DIRTY      ((loaded[DISK] && (saved_lost != lost[DISK] || unsaved)) || \
                    gone_upto != saved_gone)
bit unsaved;                    /* a number above saved is held; computed by look() */

inline look() {                 /* unsaved */
    unsaved = 0; i = 1;
    do :: i < N -> unsaved = unsaved || (held[i] && topic[i] == DISK && i > saved); i++
       :: else -> break
    od; i = 0
}

inline load(t) {                /* a history begins: history_new */
    if
    :: !loaded[t] ->
        loaded[t] = 1; missing[t] = gone[t];
        if
        :: t == MEM ->
            lost[t] = gone[t];
            if :: BROKEN != 1 && earlier > lost[t] -> lost[t] = earlier :: else fi
        :: else ->
            lost[t] = disk_lost; saved_lost = disk_lost; saved = 0; i = 1;
            do :: i < N -> held[i] = (topic[i] == DISK -> stored[i] && i > disk_lost : held[i]);
                           if :: held[i] && topic[i] == DISK -> saved = i :: else fi; i++
               :: else -> break
            od; i = 0
        fi
    :: else
    fi
}

inline loses(t, number) {
    lately[t] = lately[t] || (connected && replaying);
    settled = settled && !(FOLLOWS(t) && number > id)
}

inline drop_oldest(t) {
    printf("trim %d\n", t);
    i = 1;
    do :: i < N && !(held[i] && topic[i] == t) -> i++ :: else -> break od;
    if :: i < N -> held[i] = 0; loses(t, i);
                   if :: BROKEN != 2 -> lost[t] = i :: else fi
       :: else fi;
    i = 0
}

inline count(t) {               /* n */
    n = 0; i = 1;
    do :: i < N -> n = n + (held[i] && topic[i] == t -> 1 : 0); i++ :: else -> break od; i = 0
}

inline reset_connection() {
    printf("the connection ends\n");
    connected = 0; replaying = 0; after = 0; gap = 0; place = 0; behind = 0;
    lately[MEM] = 0; lately[DISK] = 0; i = 0;
    do :: i < N -> queued[i] = 0; i++ :: else -> break od; i = 0
}

/* What waits for the store leaves if there is nothing to save. */
inline settle() {
    look();
    if
    :: failing || (!flying && !DIRTY && last <= reserved) -> kept_upto = last
    :: else
    fi;
    i = 1;
    do :: i < N -> left[i] = left[i] || (topic[i] && i <= kept_upto); i++ :: else -> break od;
    i = 0; unsaved = 0; n = 0
}

inline publish(t) {
    printf("publish %d on %d\n", last + 1, t);
    load(t);
    last++; events++;
    assert(last < N);
    assert(!topic[last] && !held[last]);                        /* K1 */
    topic[last] = t; held[last] = 1;
    count(t);
    if :: n > KEEP -> drop_oldest(t) :: else fi;
    if :: connected && !replaying && FOLLOWS(t) -> queued[last] = 1 :: else fi;
    if :: BROKEN == 3 -> kept_upto = last :: else fi;
    settle()
}

inline fly() {                  /* flight_load: copies */
    printf("fly\n");
    flying = 1; fly_again = failing; fly_last = last; fly_upto = 0;
    fly_lost = lost[DISK]; fly_gone = gone_upto;
    fly_reserved = (last > reserved -> last + RESERVE : 0);
    i = 1;
    do :: i < N -> fly_has[i] = loaded[DISK] && held[i] && topic[i] == DISK && i > saved;
                   if :: fly_has[i] -> fly_upto = i :: else fi; i++
       :: else -> break
    od; i = 0
}

inline land(ok) {
    printf("land %d\n", ok);
    flying = 0;
    if
    :: ok ->
        if :: fly_reserved && BROKEN != 4 -> disk_reserved = fly_reserved; reserved = fly_reserved;
                                             known[epoch] = reserved + 1
           :: fly_reserved && BROKEN == 4 -> reserved = fly_reserved; known[epoch] = reserved + 1
           :: else fi;
        if :: loaded[DISK] ->
            disk_lost = fly_lost; saved_lost = fly_lost;
            if :: fly_upto -> saved = fly_upto :: else fi;
            i = 1;
            do :: i < N -> if :: fly_has[i] -> stored[i] = 1 :: else fi;
                           if :: i <= disk_lost && topic[i] == DISK -> stored[i] = 0 :: else fi;
                           i++
               :: else -> break
            od
           :: else fi;
        disk_cut = fly_gone; saved_gone = fly_gone;
        failing = 0; look();
        mark = mark && fly_again && BROKEN != 15 && (DIRTY || last > reserved); unsaved = 0
    :: else -> failing = 1; failures++; mark = 1
    fi;
    i = 1;
    do :: i < N -> fly_has[i] = 0; i++ :: else -> break od;
    i = 0; fly_again = 0;
    if :: fly_last > kept_upto -> kept_upto = fly_last :: else fi;
    fly_reserved = 0; fly_upto = 0; fly_lost = 0; fly_last = 0; fly_gone = 0;
    settle()
}

inline forget(t) {              /* topic_forget: it makes room */
    printf("forget %d\n", t);
    look(); n = lost[t]; i = 1;
    do :: i < N -> if
                   :: topic[i] == t ->
                       if :: held[i] -> n = i; held[i] = 0; b = 1 :: else fi
                   :: else
                   fi; i++
       :: else -> break
    od; i = 0;
    if
    :: t == DISK && !DIRTY -> if :: n > on_disk_upto -> on_disk_upto = n :: else fi
    :: else -> if :: n > gone[t] && BROKEN != 5 -> gone[t] = n :: else fi;
               if :: t == DISK && n > gone_upto -> gone_upto = n :: else fi;
               if :: b -> loses(t, n) :: else fi
    fi;
    b = 0; loaded[t] = 0; lost[t] = 0; missing[t] = 0; unsaved = 0; n = 0;
    if :: t == DISK -> saved = 0; saved_lost = 0 :: else fi;
    settle()
}

/* The next start has another database: one that is empty, or one in which a server of another
   name has kept an event and reserved two numbers. */
inline swap() {
    printf("another database\n");
    swaps++; i = 1;
    do
    :: i < N -> topic[i] = 0; stored[i] = 0; left[i] = 0; got[i] = 0; i++
    :: else -> break
    od;
    i = 0; disk_lost = 0; disk_reserved = 0; disk_cut = 0; mark = 0; since = 0; settled = 0;
    do :: i < CRASHES + 2 -> known[i] = 0; i++ :: else -> break od; i = 0;
    if
    :: skip
    :: disk_reserved = RESERVE; topic[1] = DISK; stored[1] = 1; left[1] = 1
    fi
}

inline crash() {                /* kill -9, and a new start */
    printf("crash\n");
    crashes++; epoch++;
    reset_connection();
    i = 1;
    do
    :: i < N ->
        if :: topic[i] && !left[i] -> topic[i] = 0; stored[i] = 0 :: else fi; /* nobody saw it */
        held[i] = 0; fly_has[i] = 0; i++
    :: else -> break
    od;
    i = 0;
    if :: skip :: swaps < 1 && FOLLOWS(DISK) -> swap() fi;
    n = disk_reserved; i = 1;    /* store_read: a file may know less than its events show */
    do :: i < N -> if :: stored[i] && i > n -> n = i :: else fi; i++ :: else -> break od; i = 0;
    reserved = n;
    if :: mark && BROKEN != 13 ->     /* store_cut */
              if :: disk_cut > n -> n = disk_cut :: else fi;
              if :: BROKEN != 14 -> n++ :: else fi;
              disk_cut = n; mark = 0; settled = settled && !FOLLOWS(DISK)
       :: else -> if :: disk_cut > n -> n = disk_cut :: else fi
    fi;
    cut = disk_cut; gone_upto = cut; saved_gone = cut;
    i = reserved + 1;            /* numbers that it did not reserve are given again */
    do :: i < N -> if :: topic[i] -> assert(failures);
                                     owed_gap = owed_gap ||
                                         (FOLLOWS(topic[i]) && i > since && !got[i]);
                                     topic[i] = 0; left[i] = 0; got[i] = 0
                      :: else fi; i++
       :: else -> break
    od; i = 0;
    if :: since > n -> since = n :: else fi;
    settled = settled && !FOLLOWS(MEM) && id <= n;
    last = n; earlier = n; on_disk_upto = n; kept_upto = n;
    known[epoch] = n + 1; n = 0;
    flying = 0; failing = 0; fly_again = 0; saved = 0; saved_lost = 0; unsaved = 0;
    fly_reserved = 0; fly_upto = 0; fly_lost = 0; fly_last = 0; fly_gone = 0;
    loaded[MEM] = 0; loaded[DISK] = 0; lost[MEM] = 0; lost[DISK] = 0;
    missing[MEM] = 0; missing[DISK] = 0; gone[MEM] = 0; gone[DISK] = 0
}

#define LACKS(t, upto) (FOLLOWS(t) && (upto) > after && (lately[t] || BROKEN == 11))

inline load_all() {
    if :: FOLLOWS(MEM) -> load(MEM) :: else fi;
    if :: FOLLOWS(DISK) -> load(DISK) :: else fi
}

inline refill() {               /* one page: one event */
    seq = 0;
    load_all();
    if /* lost before it was read: cut, its client comes back */
    :: LACKS(MEM, lost[MEM]) || LACKS(DISK, lost[DISK]) ||
       LACKS(MEM, gone[MEM]) || LACKS(DISK, gone[DISK]) ->
        assert(lately[MEM] || lately[DISK]); /* its client does not know of that */
        if :: BROKEN != 6 -> reset_connection() :: else fi
    :: else
    fi;
    if
    :: connected ->
        i = after + 1;
        do :: i < N && !(held[i] && FOLLOWS(topic[i])) -> i++ :: else -> break od;
        if :: i < N -> queued[i] = 1; after = i; seq = i :: else -> i = N - 1 fi;
        more = 0; i++;
        do :: i < N -> more = more || (held[i] && FOLLOWS(topic[i])); i++ :: else -> break od;
        i = 0; replaying = more; more = 0;
        if :: !replaying -> after = 0 :: else fi
    :: else
    fi
}

inline tell_place() {           /* seq: the number at which what it began with ends; or 0 */
    if :: !seq || (seq < last && BROKEN != 12) -> place = last + 1 :: else fi
}

inline go_on() {                /* its queue is empty: stream_replay */
    refill();
    if :: connected && !replaying && behind -> behind = 0; tell_place() :: else fi;
    seq = 0
}

inline greet() {                /* the newest event of the topic in memory, for a newcomer */
    i = N - 1;
    do :: i && !(held[i] && topic[i] == MEM) -> i-- :: else -> break od;
    if :: i -> queued[i] = 1; seq = i; if :: i <= since -> got[i] = 0; newest = 0 :: else fi
       :: else fi;
    i = 0
}

inline connect() {              /* stream_resume */
    printf("connect with %d-%d\n", id_epoch, id);
    load_all();
    connected = 1; found = 0; old = 0; is_lost = 0; after = 0; seq = 0;
    b = 0;                      /* placed */
    if
    :: id_epoch ->
        found = id <= last && id_epoch == epoch;
        if /* of an earlier start, and all is in databases */
        :: !found && (id <= last || BROKEN == 10) && (id <= earlier || BROKEN == 10) &&
           (BROKEN == 1 || !FOLLOWS(MEM)) && (known[id_epoch] || BROKEN == 9) &&
           (id < known[id_epoch] || BROKEN == 9 || BROKEN == 10) ->
            found = 1; old = 1
        :: else
        fi;
        is_lost = (FOLLOWS(MEM) && (lost[MEM] > id || missing[MEM] > id)) ||
                  (FOLLOWS(DISK) && (lost[DISK] > id || (missing[DISK] > id && BROKEN != 7) ||
                                     cut > id));
        if
        :: found && !is_lost -> after = id; b = !old
        :: else -> assert(!settled); gap = last + 1; after = 0
        fi;
        refill()
    :: else ->                  /* its first visit: from now on */
        since = last; owed_gap = 0;
        if :: FOLLOWS(MEM) -> greet() :: skip fi
    fi;
    if
    :: connected && !b && (!seq || !replaying) && BROKEN != 8 -> tell_place()
    :: connected && !b && seq && replaying -> behind = 1
    :: else
    fi;
    found = 0; old = 0; is_lost = 0; b = 0; seq = 0;
    settle()
}

/* The first of what is queued: i, N: none; b: it may leave. */
inline look_at_first() {
    i = 1;
    do :: i < N && !queued[i] -> i++ :: else -> break od;
    if :: gap -> b = 1
       :: !gap && place && place <= i -> b = place - 1 <= kept_upto
       :: else -> b = i < N && left[i]
    fi
}

inline receive() {
    if
    :: gap -> /* "forget what you had": the whole history follows */
        since = gap - 1; gap = 0; newest = 0; owed_gap = 0; i = 0;
        do :: i < N -> got[i] = 0; i++ :: else -> break od
    :: !gap && place && place <= i -> id = place - 1; id_epoch = epoch; place = 0
    :: else ->
        assert(!got[i] && i > newest);                          /* O1, O3 */
        queued[i] = 0; got[i] = 1; newest = i; id = i; id_epoch = epoch
    fi
}

/* Connected and without anything under way: all that it is owed has come. */
inline check() {
    i = 1; b = connected && !replaying && !gap && !place && !flying && kept_upto == last;
    do :: i < N -> b = b && !queued[i]; i++ :: else -> break od;
    assert(!b || id_epoch);                                     /* O4 */
    assert(!b || !owed_gap);
    settled = settled || b;
    i = since + 1;
    do
    :: b && i < N ->
        assert(!topic[i] || !FOLLOWS(topic[i]) || got[i]);
        i++
    :: else -> break
    od;
    i = 0; b = 0
}

inline drain() {                /* receives all that may leave, or a part */
    look_at_first();
    do
    :: b -> receive(); look_at_first()
    :: b && may_lose -> b = 0
    :: else -> break
    od;
    i = 0; b = 0
}

active proctype world() {
    known[1] = 1;
    do
    :: atomic { events < EVENTS && last < N - 1 -> publish(MEM) }
    :: atomic { events < EVENTS && last < N - 1 -> publish(DISK) }
    :: atomic { connected && replaying -> go_on() }
    :: atomic { !connected && breaks < BREAKS -> connect() }
    :: atomic { connected -> may_lose = 0; drain(); check() }
    :: atomic { connected -> may_lose = 1; drain(); may_lose = 0; breaks++; reset_connection() }
    :: atomic { !flying && (failing || last > reserved || loaded[DISK]) ->
                look();
                if :: failing || last > reserved || DIRTY -> fly() :: else fi; unsaved = 0 }
    :: atomic { flying -> land(1) }
    :: atomic { flying && failures < 1 -> land(0) }
    :: atomic { trims < 1 && loaded[MEM] -> trims++; drop_oldest(MEM); settle() }
    :: atomic { trims < 1 && loaded[DISK] -> trims++; drop_oldest(DISK); settle() }
    :: atomic { forgets < 1 && loaded[MEM] -> forgets++; forget(MEM) }
    :: atomic { forgets < 1 && loaded[DISK] && !flying -> forgets++; forget(DISK) }
    :: atomic { crashes < CRASHES -> crash() }
    od
}
