/* Lists, slots and maps, also without memory. */
#include <stddef.h>
static void *test_malloc(size_t n);
static void *test_realloc(void *p, size_t n);
#define SSE_MALLOC(n)     test_malloc(n)
#define SSE_REALLOC(p, n) test_realloc(p, n)
#define SSE_FREE(p)       free(p)
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

static bool alloc_fails;

static void *test_malloc(size_t n) { return alloc_fails ? NULL : malloc(n); }

static void *test_realloc(void *p, size_t n) { return alloc_fails ? NULL : realloc(p, n); }

typedef struct item {
    sse__link link;
    sse__node node;
    char      name[24];
    int       n;
} item;

static item *of_link(sse__link *link) { return SSE__CONTAINER(link, item, link); }

static void test_lists(void) {
    item      items[3];
    sse__link list, other;
    int       i, sum = 0;
    memset(items, 0, sizeof items);
    sse__list_init(&list);
    ok(sse__list_empty(&list), "a new list is empty");
    for (i = 0; i < 3; i++) {
        items[i].n = i + 1;
        sse__list_add(&list, &items[i].link);
    }
    is_int(of_link(list.next)->n, 1, "links keep the order they were added in");
    is_int(of_link(list.prev)->n, 3, "... to the end");
    ok(list.prev->next == &list && list.next->prev == &list, "which both ends say");
    sse__list_remove(&items[1].link);
    ok(!items[1].link.next, "a removed link is in no list");
    sse__list_remove(&items[1].link);
    is_int(of_link(list.next->next)->n, 3, "removing it again changes nothing");
    sse__list_move(&other, &list);
    ok(sse__list_empty(&list), "what was moved away is gone");
    for (sse__link *l = other.next; l != &other; l = l->next) sum += of_link(l)->n;
    is_int(sum, 4, "... and is in the other list");
    sse__list_move(&list, &other);
    sse__list_remove(&items[0].link);
    sse__list_remove(&items[2].link);
    ok(sse__list_empty(&list), "the last removal leaves an empty list");
    sse__list_move(&other, &list);
    ok(sse__list_empty(&other), "an empty list moves as one");
}

static void test_slots(void) {
    sse__slots t;
    uint32_t   slot[100], gen[100], s, g;
    int        i, good = 0;
    memset(&t, 0, sizeof t);
    ok(!sse__slots_get(&t, 0, 0), "a zeroed handle finds nothing in an empty table");
    for (i = 0; i < 100; i++) good += sse__slots_add(&t, &slot[i], &slot[i], &gen[i]);
    is_int(good, 100, "a hundred are added");
    ok(!sse__slots_get(&t, 0, 0), "a zeroed handle finds nothing in a full table");
    for (i = 0, good = 0; i < 100; i++) good += sse__slots_get(&t, slot[i], gen[i]) == &slot[i];
    is_int(good, 100, "each is found by its slot and generation");
    sse__slots_remove(&t, slot[7]);
    ok(!sse__slots_get(&t, slot[7], gen[7]) && !t.at[slot[7]].item, "not after it was removed");
    ok(sse__slots_add(&t, &t, &s, &g) && s == slot[7] && g != gen[7],
        "its slot serves again, with another generation");
    ok(!sse__slots_get(&t, slot[7], gen[7]), "which the old handle does not name");
    is_int(t.count, 100, "the count is right");
    for (i = 10; i < 20; i++) sse__slots_remove(&t, slot[i]);
    is_int(t.count, 90, "ten less");
    for (i = 10, good = 0; i < 20; i++) good += sse__slots_add(&t, &slot[i], &slot[i], &gen[i]);
    for (i = 0; i < 100; i++) good += i == 7 || sse__slots_get(&t, slot[i], gen[i]) == &slot[i];
    ok(good == 110 && t.used == 100 && t.count == 100,
        "ten that were removed serve again, each once");
    t.at[3].gen = UINT32_MAX;
    sse__slots_remove(&t, 3);
    is_int(t.at[3].gen, 1, "generations wrap around past 0");
    ok(!sse__slots_get(&t, 4000000000u, 1), "a slot out of range is none");
    SSE_FREE(t.at);
    memset(&t, 0, sizeof t);
    for (i = 0, good = 0; i < 100; i++) { /* until it would have to grow once more */
        alloc_fails = t.used > 0;
        good += sse__slots_add(&t, &slot[i], &slot[i], &gen[i]);
    }
    ok(good == 8 && t.count == 8 && t.used == 8, "without memory what fits is added: %d", good);
    sse__slots_remove(&t, slot[5]);
    ok(sse__slots_add(&t, &t, &s, &g) && s == slot[5] && sse__slots_get(&t, s, g) == &t,
        "... and a slot that was given back serves");
    alloc_fails = false;
    ok(sse__slots_add(&t, &t, &s, &g) && s == 8 && t.count == 9, "with memory it grows");
    SSE_FREE(t.at);
}

/* SipHash: the vectors are those of the reference implementation: key 00 01 .. 0f, text 00 01 .. */
static void test_hash(void) {
    const uint64_t key[2] = {0x0706050403020100u, 0x0F0E0D0C0B0A0908u},
                   other[2] = {0x0706050403020100u, 0x0F0E0D0C0B0A0909u};
    const char text[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    char       low[64], high[64];
    uint64_t   sum = 0;
    size_t     n;
    ok(sse__sip_hash(key, sse__str(text, 0)) == 0xABAC0158050FC4DCu, "SipHash-1-3 of nothing");
    ok(sse__sip_hash(key, sse__str(text, 1)) == 0xC9F49BF37D57CA93u, "... of a byte");
    ok(sse__sip_hash(key, sse__str(text, 8)) == 0x369095118D299A8Eu, "... of a word");
    ok(sse__sip_hash(key, sse__str(text, 8)) != sse__sip_hash(other, sse__str(text, 8)),
        "... of another key");
    for (n = 0; n < 64; n++) low[n] = (char)n, high[n] = (char)(0xC0 + n);
    ok(sse__sip_hash(key, sse__str(low, 15)) == 0xD320D86D2A519956u, "... of a word and a part");
    for (n = 0; n < 64; n++) sum = sum * 31 + sse__sip_hash(key, sse__str(low, n));
    ok(sum == 0x71020056298AD661u, "... of each length up to 63");
    for (n = 0, sum = 0; n < 64; n++) sum = sum * 31 + sse__sip_hash(key, sse__str(high, n));
    ok(sum == 0x40BF08462820E196u, "... of bytes past ASCII");
}

static void test_maps(void) { /* L1: what is found is the item that was added */
    static item items[2000];
    sse__map    m;
    sse__node  *node;
    uint32_t    bucket = 0;
    int         i, good = 0;
    memset(&m, 0, sizeof m);
    ok(!sse__map_find(&m, SSE__LIT("x")), "an empty map finds nothing");
    for (i = 0; i < 2000; i++) {
        snprintf(items[i].name, sizeof items[i].name, "name %d", i);
        good += sse__map_add(&m, &items[i].node, sse__text(items[i].name));
    }
    is_int(good, 2000, "two thousand names are added");
    ok(m.cap >= m.count, "there are at least as many buckets");
    for (i = 0, good = 0; i < 2000; i++) {
        node = sse__map_find(&m, sse__text(items[i].name));
        good += node && SSE__CONTAINER(node, item, node) == &items[i];
    }
    is_int(good, 2000, "and all are found");
    for (i = 0; i < 2000; i += 2) sse__map_remove(&m, &items[i].node);
    for (i = 0, good = 0; i < 2000; i++)
        good += (sse__map_find(&m, sse__text(items[i].name)) != NULL) == i % 2;
    is_int(good, 2000, "of those removed none is, of the others all are");
    is_int(m.count, 1000, "and they are counted");
    for (i = 0; (node = sse__map_any(&m, &bucket)) != NULL; i++) sse__map_remove(&m, node);
    is_int(i, 1000, "taking any one until none is left takes all");
    ok(bucket > m.cap / 2, "in one walk, however many there are");
    sse__map_free(&m);
    bucket = 0;
    ok(!sse__map_find(&m, SSE__LIT("name 1")) && !sse__map_any(&m, &bucket) && !m.count && !m.cap,
        "a map that was freed is an empty one");
    ok(sse__map_add(&m, &items[0].node, SSE__LIT("x")) && sse__map_find(&m, SSE__LIT("x")),
        "and can be filled again");
    sse__map_free(&m);
}

/* Only the first buckets have to be had: a map that cannot grow gets slower, and loses nothing. */
static void test_maps_without_memory(void) {
    static item items[20];
    sse__map    m;
    uint32_t    bucket = 0;
    int         i, good = 0;
    memset(&m, 0, sizeof m);
    alloc_fails = true;
    ok(!sse__map_add(&m, &items[0].node, SSE__LIT("x")) && !m.count && !sse__map_any(&m, &bucket),
        "without memory the first name is refused");
    for (i = 0; i < 20; i++) {
        alloc_fails = i > 0 && i < 15;
        snprintf(items[i].name, sizeof items[i].name, "name %d", i);
        good += sse__map_add(&m, &items[i].node, sse__text(items[i].name));
        if (i == 7 || i == 8 || i == 14) is_int(m.cap, 8, "as many buckets as there are");
    }
    is_int(good, 20, "... no other is");
    is_int(m.cap, 32, "it grows as soon as it can");
    for (i = 0, good = 0; i < 20; i++)
        good += sse__map_find(&m, sse__text(items[i].name)) == &items[i].node;
    is_int(good, 20, "and all are found");
    sse__map_free(&m);
}

/* Names that all lie in one bucket under one key spread under another. L2 */
static void test_chosen_names(void) {
    enum { CHOSEN = 256 };
    static item    items[CHOSEN];
    const uint64_t keys[2] = {1, 2}, others[2] = {1, 3};
    sse__map       m;
    uint32_t       i, n = 0, longest = 0;
    size_t         number;
    memset(&m, 0, sizeof m);
    for (number = 0; n < CHOSEN; number++) {
        snprintf(items[n].name, sizeof items[n].name, "name %lu", (unsigned long)number);
        n += sse__sip_hash(keys, sse__text(items[n].name)) % CHOSEN == 0;
    }
    sse__map_seed(&m, keys);
    for (n = 0; n < CHOSEN; n++) sse__map_add(&m, &items[n].node, sse__text(items[n].name));
    is_int(m.cap, CHOSEN, "a map with as many buckets as names");
    for (i = 0, n = 0; i < m.cap; i++) n += m.buckets[i] != NULL;
    is_int(n, 1, "whose key is known may have all of them in one bucket");
    sse__map_free(&m);
    sse__map_seed(&m, others);
    for (n = 0; n < CHOSEN; n++) sse__map_add(&m, &items[n].node, sse__text(items[n].name));
    for (i = 0; i < m.cap; i++) {
        const sse__node *node = m.buckets[i];
        for (n = 0; node; node = node->next) n++;
        if (n > longest) longest = n;
    }
    ok(longest < 10, "with another key the most in one is %u", (unsigned)longest);
    sse__map_free(&m);
}

int main(void) {
    test_lists();
    test_slots();
    test_hash();
    test_maps();
    test_maps_without_memory();
    test_chosen_names();
    return tap_done();
}
