/* Tests of >>sign: SHA-256 and HMAC against known answers (made with Python's hashlib and hmac),
   signed values as py-sse writes them, and everything that must not verify. */
#include <stddef.h>
static void *test_realloc(void *p, size_t n);
#define SSE_MALLOC(n)     malloc(n)
#define SSE_REALLOC(p, n) test_realloc(p, n)
#define SSE_FREE(p)       free(p)
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

static int allocs_left = -1; /* -1: any number */

static void *test_realloc(void *p, size_t n) {
    if (allocs_left == 0) return NULL;
    if (allocs_left > 0) allocs_left--;
    return realloc(p, n);
}

static const char *hex(const unsigned char digest[32]) {
    static char out[65];
    int         i;
    for (i = 0; i < 32; i++) snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return out;
}

static const char *sha256_in_pieces(const void *bytes, size_t n, size_t piece) {
    const unsigned char *p = (const unsigned char *)bytes;
    unsigned char        digest[32];
    sse_sha256           s;
    memset(&s, 0, sizeof s);
    for (; n > piece; n -= piece, p += piece) sse_sha256_add(&s, p, piece);
    sse_sha256_add(&s, p, n);
    sse_sha256_end(&s, digest);
    return hex(digest);
}

static const char *sha256(const void *bytes, size_t n) { return sha256_in_pieces(bytes, n, n + 1); }

static const char *hmac(const void *key, size_t key_len, const void *bytes, size_t n) {
    unsigned char mac[32];
    sse_hmac_sha256(mac, key, key_len, bytes, n);
    return hex(mac);
}

static void digests(void) {
    static const struct {
        const char *text, *digest;
    } known[] = {
        /* FIPS 180 examples */
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    static unsigned char data[1000];
    static char          million[1000000];
    unsigned char        digest[32];
    sse_sha256           s, all;
    size_t               i, n, wrong = 0;
    for (i = 0; i < SSE__COUNT(known); i++)
        is_str(sha256(known[i].text, strlen(known[i].text)), known[i].digest, "a known digest");
    memset(million, 'a', sizeof million);
    is_str(sha256(million, sizeof million),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", "a million times a");
    is_str(sha256_in_pieces(million, sizeof million, 999),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", "the same in pieces");
    for (i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 7 + i / 256);
    memset(&all, 0, sizeof all);
    for (n = 0; n <= 300; n++) {
        memset(&s, 0, sizeof s);
        sse_sha256_add(&s, data, n);
        sse_sha256_end(&s, digest);
        sse_sha256_add(&all, digest, sizeof digest);
    }
    sse_sha256_end(&all, digest);
    is_str(hex(digest), "37c4dea4792819683234a2a82a4a9e4279e80e78e8fdaa3d7833e5a95e9aac55",
        "the digest of the digests of 0 to 300 bytes");
    for (i = 0; i < sizeof all; i++) wrong += ((unsigned char *)&all)[i] != 0;
    is_int(wrong, 0, "at the end the state is {0} again");
    for (n = 0; n <= 200; n++) {
        char whole[65];
        snprintf(whole, sizeof whole, "%s", sha256(data, n));
        for (i = 0; i <= n; i++) {
            memset(&s, 0, sizeof s);
            sse_sha256_add(&s, data, i);
            sse_sha256_add(&s, data + i, n - i);
            sse_sha256_end(&s, digest);
            wrong += strcmp(hex(digest), whole) != 0;
        }
    }
    is_int(wrong, 0, "every split of 0 to 200 bytes");
    sse_sha256_add(&s, NULL, 0);
    sse_sha256_end(&s, digest);
    is_str(hex(digest), known[0].digest, "nothing, at address NULL");
}

static void macs(void) { /* the cases of RFC 4231 but the fifth, which truncates */
    static const char
        hash_first[] = "Test Using Larger Than Block-Size Key - Hash Key First",
        both_large[] =
            "This is a test using a larger than block-size key and a larger than block-size data. "
            "The key needs to be hashed "
            "before being used by the HMAC algorithm.";
    unsigned char key[131], data[1000], mac[32];
    sse_sha256    all;
    size_t        i;
    memset(key, 0x0b, 20);
    is_str(hmac(key, 20, "Hi There", 8),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", "case 1");
    is_str(hmac("Jefe", 4, "what do ya want for nothing?", 28),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", "case 2");
    memset(key, 0xaa, sizeof key);
    memset(data, 0xdd, 50);
    is_str(hmac(key, 20, data, 50),
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe", "case 3");
    is_str(hmac(key, 131, hash_first, strlen(hash_first)),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", "case 6");
    is_str(hmac(key, 131, both_large, strlen(both_large)),
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2", "case 7");
    for (i = 0; i < 25; i++) key[i] = (unsigned char)(i + 1);
    memset(data, 0xcd, 50);
    is_str(hmac(key, 25, data, 50),
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b", "case 4");
    for (i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 7 + i / 256);
    memset(&all, 0, sizeof all);
    for (i = 0; i < 150; i++) {
        sse_hmac_sha256(mac, data, i, data + i, i);
        sse_sha256_add(&all, mac, sizeof mac);
    }
    sse_sha256_end(&all, mac);
    is_str(hex(mac), "3dc4b467c7ce45147f62c49803123f95098bff0aa038cf5e31a015c05e71e3d8",
        "keys of 0 to 149 bytes");
    is_str(hmac(NULL, 0, NULL, 0), hmac("", 0, "", 0), "no key and no bytes");
}

/* ---- signed values --------------------------------------------------------------------------- */

static const uint64_t then = 1700000000;

/* Or the name of the error. */
static const char *sign(const char *secrets, const char *value, uint64_t now) {
    static char out[4][500];
    static int  turn;
    char       *to = out[turn++ % 4];
    sse_buf     b = {0};
    int         error;
    sse_puts(&b, "before ");
    error = sse__sign_at(&b, secrets, value, now);
    if (error && (b.len != 7 || b.error)) snprintf(to, sizeof out[0], "the buffer changed");
    else snprintf(to, sizeof out[0], "%s", error ? sse_error_text(error) : sse_buf_text(&b) + 7);
    sse_buf_free(&b);
    return to;
}

static const char *unsign(const char *secrets, const char *text, int max_age_s, uint64_t now) {
    static char out[500];
    sse_buf     b = {0};
    int         error;
    sse_puts(&b, "before ");
    error = sse__unsign_at(&b, secrets, text, max_age_s, now);
    if (error && (b.len != 7 || b.error)) snprintf(out, sizeof out, "the buffer changed");
    else
        snprintf(out, sizeof out, "%s",
            error == SSE_E_SIGNATURE ? "refused"
            : error                  ? sse_error_text(error)
                                     : sse_buf_text(&b) + 7);
    sse_buf_free(&b);
    return out;
}

static void as_py_sse(void) {
    static const struct {
        const char *secret, *value;
        uint64_t    when;
        const char *text;
    } known[] = {
        {"my-secret", "Fox42", 1700000000,
            "Rm94NDI.6553f100.eRKmWbjmxt6tws94vcwA7fCX_sE0NYhs3S8IzN7xrH0"},
        {"k", "", 1, ".1.R_3xHqBaNP5FwpzXbrzUJYzDbHErybVeVoKNOFSxFPg"},
        {"new", "Zo\xC3\xAB|\xE2\x82\xAC|\xF0\x9F\x98\x80", 2147483647,
            "Wm_Dq3zigqx88J-YgA.7fffffff.IMd06J9QZl95WujO_aL67sPqnaKI9eQmsxyMfQNXgWo"},
        {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
         "xxxxxxxxxxx",
            "{\"id\":7}", 1700000000,
            "eyJpZCI6N30.6553f100.P6gIjNSHF4dpgw-yIiK4uGfwENyOcV9uDvhU6PJk34E"},
        {"old", "a", 0, "YQ.0.ZivrFxM8vjDWrXbaM2ZCerT63bcT2cKkrJaH5wdLkEo"},
    };
    size_t i;
    for (i = 0; i < SSE__COUNT(known); i++) {
        is_str(sign(known[i].secret, known[i].value, known[i].when), known[i].text,
            "signed as py-sse signs");
        is_str(unsign(known[i].secret, known[i].text, 0, known[i].when), known[i].value,
            "and read back");
    }
}

static void secrets(void) {
    const char *by_old = sign("old", "v", then), *by_new = sign("new old", "v", then);
    is_str(by_new, sign("new", "v", then), "the first secret signs");
    is_str(unsign("new old", by_old, 0, then), "v", "the second one still verifies");
    is_str(unsign("a b old c", by_old, 0, then), "v", "one of many");
    is_str(unsign("  new   old  ", by_old, 0, then), "v", "spaces around and between");
    is_str(unsign("new", by_old, 0, then), "refused", "a secret that is gone does not verify");
    is_str(unsign("newold", by_new, 0, then), "refused", "nor do two run together");
    is_str(sign("", "v", then), sse_error_text(SSE_E_ARG), "no secret signs nothing");
    is_str(sign("  ", "v", then), sse_error_text(SSE_E_ARG), "nor do spaces");
    is_str(sign(NULL, "v", then), sse_error_text(SSE_E_ARG), "nor does NULL");
    is_str(sign("s", NULL, then), sse_error_text(SSE_E_ARG), "NULL is no value");
    is_str(unsign("", by_new, 0, then), sse_error_text(SSE_E_ARG), "no secret verifies nothing");
    is_str(unsign(NULL, by_new, 0, then), sse_error_text(SSE_E_ARG), "nor does NULL");
    is_str(unsign("s", NULL, 0, then), sse_error_text(SSE_E_ABSENT), "NULL is no text");
}

static void secrets_of_bytes(void) {
    static const char key[] = "a secret\0of any bytes\xFF"; /* 22 of them */
    const char       *text = "dg.6553f100", *signature;
    unsigned char     mac[32];
    sse_buf           b = {0};
    sse_hmac_sha256(mac, key, 22, text, strlen(text));
    sse_printf(&b, "%s.", text);
    sse__base64url_put(&b, sse__str((const char *)mac, 32));
    signature = sse_buf_text(&b);
    is_str(sign("base64:YSBzZWNyZXQAb2YgYW55IGJ5dGVz/w==", "v", then), signature,
        "a secret in base64 is its bytes");
    is_str(sign("base64:YSBzZWNyZXQAb2YgYW55IGJ5dGVz_w", "v", then), signature,
        "also in that of URLs");
    is_str(sign("base64:3q2-7w==", "v", then), sign("base64:3q2+7w==", "v", then),
        "... with its padding");
    is_str(sign("base64:3q2-7wA=", "v", then), sign("base64:3q2-7wA", "v", then), "... or without");
    is_str(sign("base64:3q2-7w=", "v", then), sse_error_text(SSE_E_ARG), "... and not half of it");
    is_str(sign("base64:3q2-7w======", "v", then), sse_error_text(SSE_E_ARG), "... nor too much");
    is_str(sign("base64:3q2-====", "v", then), sse_error_text(SSE_E_ARG),
        "... nor where none belongs");
    is_str(sign("base64:YWJj-_-_", "v", then), sign("base64:YWJj+/+/", "v", then),
        "... whose first half is of both");
    is_str(unsign("new base64:YSBzZWNyZXQAb2YgYW55IGJ5dGVz/w==", signature, 0, then), "v",
        "one of several, as they rotate");
    is_str(sign("base64:c2VjcmV0", "v", then), sign("secret", "v", then),
        "bytes that are a word sign like the word");
    is_str(sign("base64", "v", then), sign("base64:YmFzZTY0", "v", then),
        "without a colon: a word");
    is_str(sign("base64:c2VjcmV0=", "v", then), sse_error_text(SSE_E_ARG), "one that is damaged");
    is_str(sign("base64:", "v", then), sse_error_text(SSE_E_ARG), "or empty");
    is_str(unsign("base64:*", signature, 0, then), sse_error_text(SSE_E_ARG), "verifies nothing");
    is_str(sign("good base64:*", "v", then), sse_error_text(SSE_E_ARG),
        "one that is damaged, behind one that is not");
    is_str(unsign("good base64:*", sign("good", "v", then), 0, then), sse_error_text(SSE_E_ARG),
        "... is told of where it is not needed, too");
    is_str(unsign("base64:* good", sign("good", "v", then), 0, then), sse_error_text(SSE_E_ARG),
        "... in any order");
    is_str(unsign("good base64:*", "torn", 0, then), sse_error_text(SSE_E_ARG),
        "... whatever the text is");
    sse_buf_free(&b);
}

static void ages(void) {
    const char *text = sign("s", "v", then), *far = sign("s", "v", UINT64_MAX);
    is_str(unsign("s", text, 0, then + 3600), "v", "by default it holds an hour");
    is_str(unsign("s", text, 0, then + 3601), "refused", "and no longer");
    is_str(unsign("s", text, 5, then + 5), "v", "max_age_s is the last second");
    is_str(unsign("s", text, 5, then + 6), "refused", "the next one is too late");
    is_str(unsign("s", text, SSE_OFF, then + 1000000000), "v", "SSE_OFF: any age");
    is_str(unsign("s", text, 0, then - 60), "v", "a clock a minute ahead is allowed for");
    is_str(unsign("s", text, 0, then - 61), "refused", "but no more");
    is_str(unsign("s", text, SSE_OFF, then - 61), "refused", "at any age");
    is_str(unsign("s", far, 0, then), "refused", "the end of time does not overflow");
    is_str(unsign("s", far, 0, UINT64_MAX), "v", "though it may come");
}

/* SG1. The first list is signed with the right secret: only the spelling is wrong. */
static void forgeries(void) {
    static const char *const spelt[] = {"YQ.6553F100.T8bBSi2Vlxfz_lnSP4RVXxNQ7af4EP9vGXnA-Q0Z_Ag",
        "YQ.06553f100.2v8HwwtW3KIBfsmOQblsDeGJvVuc4uBKLwBTLHCPI5w",
        "YR.6553f100.QIivnvtxaJge0hjKE2eCDkKEZh34ldjvGrVw2z43nIo",
        "YQ==.6553f100.cl-mWs8WHcNiP6s47NyjFC3cHBExIboiFxRMHedGaC8",
        "Y.6553f100.Cz1NJR_UPXj4_YD2d1wPOPTEUHlQswK0TTzPKi-Ea-8",
        "YQ.._VgLHI4OMEqioGgp5HzQ5DLno6ReHVq-4IkyTDbW_6g",
        "..4fWtoLYj0Np8KvMP2IhiDuk9u_K7NCl0O54Uf4GDfOU",
        "YQ.0x6553f100.cHqsm7n1mX-Tf_OhEy_LcgqRXZQVrqvy95zgyP-XF60",
        "YQ.-1.Q7dzfDcHDWU9p3C9DCzDvDZccKUqp1SStY313-_lHsA",
        "YQ.16553f1006553f100.1cwCJdJMsJIys7tpps6dWL2I7VY4jdHvct5rN9_DukU",
        "Y+8.6553f100.1Si4GCzZ1Dwk147WGfC4sFzWpB7ii9LY9ugTNmrIMBc"};
    static const char *const torn[] = {"", ".", "..", "...", "YQ", "YQ.6553f100", "YQ.6553f100.",
        "YQ.6553f100.AAAA"};
    char                     good[200], text[300];
    size_t                   i, n, differ = 0;
    int                      bit;
    for (i = 0; i < SSE__COUNT(spelt); i++)
        is_str(unsign("k", spelt[i], SSE_OFF, then), "refused",
            "signed, but not as anyone writes it");
    for (i = 0; i < SSE__COUNT(torn); i++)
        is_str(unsign("k", torn[i], SSE_OFF, then), "refused", "torn");
    snprintf(good, sizeof good, "%s", sign("k", "user=7", then));
    n = strlen(good);
    for (i = 0; i < n; i++)
        for (bit = 0; bit < 8; bit++) {
            memcpy(text, good, n + 1);
            text[i] = (char)(text[i] ^ 1 << bit);
            differ += strcmp(unsign("k", text, 0, then), "refused") != 0;
        }
    is_int(differ, 0, "one bit changed, anywhere");
    for (i = 0; i < n; i++) {
        snprintf(text, sizeof text, "%.*s", (int)i, good);
        differ += strcmp(unsign("k", text, 0, then), "refused") != 0;
        snprintf(text, sizeof text, "%s", good + i + 1);
        differ += strcmp(unsign("k", text, 0, then), "refused") != 0;
    }
    is_int(differ, 0, "cut at either end, anywhere");
    snprintf(text, sizeof text, "%s=", good);
    is_str(unsign("k", text, 0, then), "refused", "padding at the end");
    snprintf(text, sizeof text, "%s.x", good);
    is_str(unsign("k", text, 0, then), "refused", "a fourth part");
}

static void memory(void) {
    char good[200];
    int  n, errors = 0, other = 0;
    snprintf(good, sizeof good, "%s",
        sign("k", "a value of more than sixty-four bytes, so that the buffer grows more than once",
            then));
    for (n = 0; n < 4; n++) {
        sse_buf b = {0};
        int     error;
        allocs_left = n;
        error = sse__sign_at(&b, "k",
            "a value of more than sixty-four bytes, so that the buffer grows more than once", then);
        if (error == SSE_E_NOMEM) errors++;
        else other += error || strcmp(sse_buf_text(&b), good);
        allocs_left = -1;
        sse_buf_free(&b);
        allocs_left = n;
        error = sse__unsign_at(&b, "k", good, 0, then);
        if (error == SSE_E_NOMEM) errors++;
        else other += error || b.len != 78;
        other += error && b.len;
        allocs_left = -1;
        sse_buf_free(&b);
    }
    ok(errors >= 3 && !other, "with n allocations it works or says SSE_E_NOMEM (%d times)", errors);
    allocs_left = 0;
    ok(sse__secret_is_fine(SSE__LIT("base64:c2VjcmV0")), "without memory no secret is blamed");
    allocs_left = -1;
    ok(sse__secret_is_fine(SSE__LIT("base64:c2VjcmV0")) &&
            !sse__secret_is_fine(SSE__LIT("base64:c2VjcmV0=")) &&
            !sse__secret_is_fine(SSE__LIT("base64:")) && sse__secret_is_fine(SSE__LIT("secret")),
        "with it those that are damaged or empty are");
}

static void comparing(void) {
    ok(sse__equal_secret(SSE__LIT("same"), SSE__LIT("same")), "equal");
    ok(!sse__equal_secret(SSE__LIT("same"), SSE__LIT("same ")), "longer");
    ok(!sse__equal_secret(SSE__LIT("same"), SSE__LIT("samE")), "the last byte");
    ok(!sse__equal_secret(SSE__LIT("same"), SSE__LIT("Same")), "the first byte");
    ok(!sse__equal_secret(SSE__LIT("\x80"), SSE__LIT("\x00")), "the highest bit");
    ok(sse__equal_secret(sse__text(NULL), sse__text("")), "nothing equals nothing");
}

/* SG2: how much CPU time it takes, at best, to see that the byte at this place differs. */
static clock_t cost(char *a, char *b, size_t n, size_t at) {
    clock_t best = -1;
    int     i, equal = 0;
    b[at] ^= 1;
    for (i = 0; i < 5; i++) {
        const clock_t began = clock();
        clock_t       took;
        equal += sse__equal_secret(sse__str(a, n), sse__str(b, n));
        took = clock() - began;
        if (best < 0 || took < best) best = took;
    }
    b[at] ^= 1;
    return equal ? -1 : best;
}

static void same_cost(void) {
    const size_t n = 4000000;
    char        *a = (char *)calloc(1, n), *b = (char *)calloc(1, n);
    clock_t      first = cost(a, b, n, 0), last = cost(a, b, n, n - 1);
    ok(last > 0 && first > last / 4, "the first byte costs what the last does (%ld, %ld)",
        (long)first, (long)last);
    free(a);
    free(b);
}

static void by_the_clock(void) {
    sse_buf text = {0}, value = {0};
    is_int(sse_sign(&text, "k", "now"), SSE_OK, "sse_sign");
    is_int(sse_unsign(&value, "k", sse_buf_text(&text), 5), SSE_OK, "sse_unsign a moment later");
    is_str(sse_buf_text(&value), "now", "gives the value");
    is_int(sse_unsign(&value, "k", "YQ.1.5pfv", 5), SSE_E_SIGNATURE,
        "and refuses what nobody signed");
    sse_buf_free(&text);
    sse_buf_free(&value);
}

static void no_buffer(void) {
    is_int(sse_sign(NULL, "secret", "value"), SSE_E_ARG, "no buffer to sign into");
    is_int(sse_unsign(NULL, "secret", "text", 0), SSE_E_ARG, "nor to take apart into");
}

int main(void) {
    digests();
    macs();
    as_py_sse();
    secrets();
    secrets_of_bytes();
    ages();
    forgeries();
    memory();
    comparing();
    same_cost();
    by_the_clock();
    no_buffer();
    return tap_done();
}
