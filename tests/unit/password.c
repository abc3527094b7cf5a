/* Tests of >>password: PBKDF2 against known answers (made with Python's hashlib), hashes made here
   and by others, what is none, and what a check costs; without memory, and without random bytes. */
#define _DEFAULT_SOURCE
#include "scarce.h"
#include "refuse.h"
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

static const char long_salt[] =
    "pbkdf2_sha256$1000$xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    "xxxxx"
    "xxxxxxxxxxxxxxxxxxxxxx$hIFpVq3D4UHc3hsbnEJB/z9IMKOQbPT16Us1sVxYN3o=";

static void known(void) {
    char long_password[66];
    memset(long_password, 'p', 65);
    long_password[65] = '\0';
    ok(sse_password_check("password",
           "pbkdf2_sha256$1$salt$Eg+2z/z4syxD5yJSVsT4N6hlSMkszDVICAWYfLcL4Xs=", 0),
        "one round");
    ok(sse_password_check("password",
           "pbkdf2_sha256$4096$salt$xeR41ZKIyEGqUw22hFxMjZYok6ABzk4RpJY4c6qYE0o=", 0),
        "4096 rounds");
    ok(sse_password_check("",
           "pbkdf2_sha256$1$seasalt2$APClfiMMiXsoP558QIwyaC4K82I6uEogz22UXBMsMnE=", 0),
        "an empty password");
    ok(sse_password_check(long_password, long_salt, 0),
        "a password longer than a block, a salt longer than one");
    ok(sse_password_check("password",
           "pbkdf2_sha256$3$a-b_c+d/e$ugWrj8+e6S38qlwM5bWZBVpOVqfeLy5aod99Z2UEiE8=", 0),
        "a salt with the characters of both alphabets");
    long_password[64] = '\0';
    ok(!sse_password_check(long_password, long_salt, 0), "... and not one byte less of it");
}

static void refused(void) {
    static const char *const none[] = {"", "$", "pbkdf2_sha256", "pbkdf2_sha256$1$salt",
        "pbkdf2_sha256$1$salt$", "pbkdf2_sha256$1$$Eg+2z/z4syxD5yJSVsT4N6hlSMkszDVICAWYfLcL4Xs=",
        "pbkdf2_sha256$0$salt$Eg+2z/z4syxD5yJSVsT4N6hlSMkszDVICAWYfLcL4Xs=",
        "pbkdf2_sha256$-1$salt$Eg+2z/z4syxD5yJSVsT4N6hlSMkszDVICAWYfLcL4Xs=",
        "pbkdf2_sha256$01$salt$Eg+2z/z4syxD5yJSVsT4N6hlSMkszDVICAWYfLcL4Xs=",
        "pbkdf2_sha256$1$salt$Eg-2z_z4syxD5yJSVsT4N6hlSMkszDVICAWYfLcL4Xs=",
        "pbkdf2_sha256$1$salt$Eg+2z/z4syxD5yJSVsT4N6hlSMkszDVICAWYfLcL4Xs",
        "pbkdf2_sha256$99999999999$salt$Eg+2z/z4syxD5yJSVsT4N6hlSMkszDVICAWYfLcL4Xs=",
        "pbkdf2_sha1$1$salt$Eg+2z/z4syxD5yJSVsT4N6hlSMkszDVICAWYfLcL4Xs=",
        "argon2id$1$salt$Eg+2z/z4syxD5yJSVsT4N6hlSMkszDVICAWYfLcL4Xs=", "password"};
    size_t                   i;
    for (i = 0; i < SSE__COUNT(none); i++)
        ok(!sse_password_check("password", none[i], 1), "no hash: %s", none[i]);
    ok(!sse_password_check(NULL,
           "pbkdf2_sha256$1$salt$Eg+2z/z4syxD5yJSVsT4N6hlSMkszDVICAWYfLcL4Xs=", 1),
        "no password");
    ok(!sse_password_check("", NULL, 1) && !sse_password_check(NULL, NULL, 1), "no account");
    ok(sse_password_outdated(NULL, 1) && sse_password_outdated("$2b$12$abcdef", 1),
        "what is none is outdated");
}

static void made(void) {
    sse_buf a, b;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    is_int(sse_password_hash(&a, "correct horse", 1000), SSE_OK, "a password is hashed");
    is_int(sse_password_hash(&b, "correct horse", 1000), SSE_OK, "... and again");
    ok(strcmp(sse_buf_text(&a), sse_buf_text(&b)) != 0, "with another salt");
    ok(strncmp(sse_buf_text(&a), "pbkdf2_sha256$1000$", 19) == 0, "its rounds are in it");
    ok(sse_password_check("correct horse", sse_buf_text(&a), 0) &&
            sse_password_check("correct horse", sse_buf_text(&b), 7),
        "both are right");
    ok(!sse_password_check("Correct horse", sse_buf_text(&a), 0) &&
            !sse_password_check("correct hors", sse_buf_text(&a), 0),
        "others are wrong");
    ok(!sse_password_outdated(sse_buf_text(&a), 1000) &&
            sse_password_outdated(sse_buf_text(&a), 1001) &&
            sse_password_outdated(sse_buf_text(&a), 0),
        "fewer rounds are outdated");
    sse_buf_free(&a);
    is_int(sse_password_hash(&a, "x", 0), SSE_OK, "with as many rounds as one should");
    ok(strncmp(sse_buf_text(&a), "pbkdf2_sha256$600000$", 21) == 0 &&
            !sse_password_outdated(sse_buf_text(&a), 0),
        "600000");
    sse_buf_free(&a);
    is_int(sse_password_hash(&a, NULL, 1), SSE_E_ARG, "no password");
    is_int(sse_password_hash(&a, "x", -1), SSE_E_ARG, "fewer than no rounds");
    is_int(sse_password_hash(&a, "x", 100000001), SSE_E_ARG, "more than anybody waits for");
    is_int(sse_password_hash(NULL, "x", 1), SSE_E_ARG, "nowhere to put it");
    ok(a.len == 0 && !a.error, "and nothing was written");
    sse_buf_free(&b);
}

/* Both ends of what rounds may be; of more a hash is none, and a wish the default. */
static void ends_of_rounds(void) {
    static const struct {
        const char *hash;
        int         rounds;
        bool        outdated;
    } rows[] = {{"pbkdf2_sha256$100000000$s$x", 100000000, false},
        {"pbkdf2_sha256$100000001$s$x", 1, true}, {"pbkdf2_sha256$99999999$s$x", 100000000, true},
        {"pbkdf2_sha256$600000$s$x", 100000001, false},
        {"pbkdf2_sha256$599999$s$x", 100000001, true}, {"pbkdf2_sha256$1$s$x", 1, false},
        {"pbkdf2_sha256$600000$s$x", -1, false}, {"pbkdf2_sha256$599999$s$x", -1, true},
        {"pbkdf2_sha256$1$s$", 1, true}, {"pbkdf2_sha256$1$$x", 1, true},
        {"pbkdf2_sha256$0$s$x", 1, true}};
    size_t i;
    for (i = 0; i < SSE__COUNT(rows); i++)
        ok(sse_password_outdated(rows[i].hash, rows[i].rounds) == rows[i].outdated,
            "%s, of %d rounds, is%s outdated", rows[i].hash, rows[i].rounds,
            rows[i].outdated ? "" : " not");
}

/* A hash is appended to what is there, and is whole or an error. */
static void scarcely(void) {
    sse_buf b;
    long    n;
    int     error = SSE_E_NOMEM;
    memset(&b, 0, sizeof b);
    sse_puts(&b, "a-b_c ");
    is_int(sse_password_hash(&b, "x", 1), SSE_OK, "a hash behind other text");
    ok(strncmp(sse_buf_text(&b), "a-b_c pbkdf2_sha256$1$", 22) == 0, "... which stays");
    ok(sse_password_check("x", sse_buf_text(&b) + 6, 1), "... is a hash");
    for (n = 1; n < 9; n++) { /* one of two salts has a character of base64url's own */
        b.len = 0;
        ok(sse_password_hash(&b, "x", 1) == 0 && sse_password_check("x", sse_buf_text(&b), 1),
            "whatever its salt");
    }
    for (n = 1; n < 20 && error == SSE_E_NOMEM; n++) {
        sse_buf made;
        bool    right;
        memset(&made, 0, sizeof made);
        fail_at = n;
        error = sse_password_hash(&made, "x", 1);
        ok(fail_at ? error == SSE_OK : error == SSE_E_NOMEM && made.error == error,
            "a hash without allocation %ld: %d", n, error);
        fail_at = n;
        right = sse_password_check("x", sse_buf_text(&b), 1);
        ok(right == (fail_at > 0), "... no check takes the password for right without it");
        fail_at = 0;
        sse_buf_free(&made);
    }
    ok(!error && n > 3, "%ld failed", n - 2);
    b.len = 0;
    refuse("", -1, EACCES);
    is_int(sse_password_hash(&b, "x", 1), SSE_E_IO, "no random bytes: no hash");
    is_int(sse_random(&b, 0), SSE_OK, "... no bytes are to be had");
    is_int(sse_random(&n, sizeof n), SSE_E_IO, "... and no more");
    refuse("", 0, 0);
    ok(b.len == 0 && !b.error, "nothing was written");
    sse_buf_free(&b);
    is_int(living, 0, "no memory is left");
}

static clock_t cost(const char *hash, int rounds) {
    const clock_t began = clock();
    (void)sse_password_check("a guess", hash, rounds);
    return clock() - began;
}

static void same_cost(void) { /* PW1: what is counted is CPU time, of the best of five */
    sse_buf b;
    clock_t of_one = -1, of_none = -1;
    int     i;
    memset(&b, 0, sizeof b);
    is_int(sse_password_hash(&b, "secret", 20000), SSE_OK, "an account");
    for (i = 0; i < 5; i++) {
        const clock_t one = cost(sse_buf_text(&b), 20000), none = cost(NULL, 20000);
        if (of_one < 0 || one < of_one) of_one = one;
        if (of_none < 0 || none < of_none) of_none = none;
    }
    ok(of_none > of_one / 10 && of_none < of_one * 10,
        "no account costs what a wrong password does (%ld, %ld)", (long)of_none, (long)of_one);
    sse_buf_free(&b);
}

static void randomness(void) {
    unsigned char a[1000], b[1000];
    memset(a, 0, sizeof a);
    memset(b, 0, sizeof b);
    is_int(sse_random(a, sizeof a), SSE_OK, "a thousand bytes");
    is_int(sse_random(b, sizeof b), SSE_OK, "another thousand");
    ok(memcmp(a, b, sizeof a) != 0 && memcmp(a + 500, b, 500) != 0, "they differ");
    is_int(sse_random(NULL, 0), SSE_OK, "none");
    is_int(sse_random(NULL, 1), SSE_E_ARG, "nowhere to put them");
}

int main(void) {
    known();
    refused();
    made();
    ends_of_rounds();
    scarcely();
    same_cost();
    randomness();
    return tap_done();
}
