/* workload.h: the events that compression is measured and tested with, the same ones on every run.
       struct workload w = workload_new("life", 200, 1);
   life, chat, table, signals or lines; 200 events; seed 1
       w.event[i] is an sse_str of a whole SSE event; workload_free(&w); */
#ifndef WORKLOAD_H
#define WORKLOAD_H

struct workload {
    const char *name;
    sse_str    *event;
    int         count;
};

static uint64_t random_state = 1;

/* xorshift: reproducible, good enough to make text with */
static uint32_t random_below(uint32_t n) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 20) % n);
}

static void random_seed(uint64_t seed) {
    random_state = seed * 0x9E3779B97F4A7C15u + 88172645463325252u;
}

static const char *const workload_words[] = {"the", "of", "and", "to", "in", "is", "you", "that",
    "it", "was", "for", "on", "are", "as", "with", "they", "be", "at", "one", "have", "this",
    "from", "by", "hot", "word", "but", "what", "some", "we", "can", "out", "other", "were", "all",
    "there", "when", "up", "use", "your", "how", "said", "each", "she", "which", "do", "their",
    "time", "if", "will", "way", "about", "many", "then", "them", "write", "would", "like", "so",
    "these", "her", "long", "make", "thing", "see", "him", "two", "has", "look", "more", "day",
    "could", "go", "come", "did", "number", "sound", "no", "most", "people", "my", "over", "know",
    "water", "than", "call", "first", "who", "may", "down", "side", "been", "now", "find",
    "caf\xc3\xa9", "na\xc3\xafve", "\xf0\x9f\x98\x80", "deploy", "server", "latency", "stream"};
static const char *const workload_names[] = {"alice", "bob", "carol", "dave", "erin", "frank",
    "grace", "heidi", "ivan", "judy"};

enum { LIFE = 50, CHAT = 50, TABLE = 300 };
struct workload_state {
    unsigned char cell[LIFE][LIFE];
    struct {
        int     id, name, second;
        sse_buf text;
    } line[CHAT];
    int lines, second, value[TABLE][4];
};

/* A board that its players tap on. */
static void workload_life(struct workload_state *s, sse_buf *out, int first) {
    static const char *const colour[] = {"dead", "red", "blue", "green", "orange", "fuchsia",
        "purple"};
    unsigned char            next[LIFE][LIFE];
    int                      x, y, i, j;
    for (i = 0; first && i < LIFE * LIFE; i++)
        s->cell[i / LIFE][i % LIFE] =
            (unsigned char)(random_below(100) < 30 ? 1 + random_below(6) : 0);
    for (i = 0; !first && i < 2; i++) {
        const unsigned char c = (unsigned char)(1 + random_below(6));
        y = (int)random_below(LIFE);
        x = (int)random_below(LIFE);
        s->cell[y][x] = s->cell[y][(x + 1) % LIFE] = s->cell[(y + 1) % LIFE][x] =
            s->cell[(y + 2) % LIFE][(x + 1) % LIFE] = c;
    }
    for (y = 0; y < LIFE; y++)
        for (x = 0; x < LIFE; x++) {
            int around = 0, last = 0;
            for (j = -1; j <= 1; j++)
                for (i = -1; i <= 1; i++) {
                    const int v = s->cell[(y + j + LIFE) % LIFE][(x + i + LIFE) % LIFE];
                    if ((i || j) && v) around++, last = v;
                }
            next[y][x] = (unsigned char)(around == 3 || (around == 2 && s->cell[y][x])
                                             ? (s->cell[y][x] ? s->cell[y][x] : last)
                                             : 0);
        }
    if (!first) memcpy(s->cell, next, sizeof next);
    sse_puts(out,
        "event: datastar-patch-elements\ndata: elements <main id=\"board\" class=\"board\">\n");
    for (i = 0; i < LIFE * LIFE; i++) {
        if (i % LIFE == 0) sse_puts(out, "data: elements ");
        sse_printf(out,
            "<div class=\"tile %s\" id=\"c%d\" data-on:pointerdown=\"@post('/tap?id=%d')\"></div>",
            colour[s->cell[i / LIFE][i % LIFE]], i, i);
        if (i % LIFE == LIFE - 1) sse_puts(out, "\n");
    }
    sse_puts(out, "data: elements </main>\n\n");
}

static void workload_say(struct workload_state *s) { /* one more line; the oldest goes */
    int k = 4 + (int)random_below(12);
    sse_buf_free(&s->line[0].text);
    memmove(s->line, s->line + 1, (CHAT - 1) * sizeof *s->line);
    memset(&s->line[CHAT - 1], 0, sizeof *s->line);
    s->line[CHAT - 1].id = ++s->lines;
    s->line[CHAT - 1].name = (int)random_below(10);
    s->line[CHAT - 1].second = s->second += (int)random_below(40);
    while (k-- > 0)
        sse_printf(&s->line[CHAT - 1].text, "%s%s",
            workload_words[random_below(SSE__COUNT(workload_words))], k ? " " : ".");
}

static void workload_line(struct workload_state *s, int i, sse_buf *out) {
    const int t = s->line[i].second;
    sse_printf(out, "data: elements <p id=\"m%d\"><b>%s</b> <time>%02d:%02d:%02d</time> %s</p>\n",
        s->line[i].id, workload_names[s->line[i].name], t / 3600 % 24, t / 60 % 60, t % 60,
        sse_buf_text(&s->line[i].text));
}

static void workload_chat(struct workload_state *s, sse_buf *out) { /* the last 50 lines, whole */
    int i;
    do workload_say(s);
    while (s->lines < CHAT);
    sse_puts(out, "event: datastar-patch-elements\ndata: elements <section id=\"chat\">\n");
    for (i = 0; i < CHAT; i++) workload_line(s, i, out);
    sse_puts(out, "data: elements </section>\n\n");
}

/* A topic: each chat line by itself. */
static void workload_lines(struct workload_state *s, sse_buf *out) {
    workload_say(s);
    sse_puts(out, "event: datastar-patch-elements\ndata: selector #chat\ndata: mode append\n");
    workload_line(s, CHAT - 1, out);
    sse_puts(out, "\n");
}

/* A dashboard, ten numbers change. */
static void workload_table(struct workload_state *s, sse_buf *out, int first) {
    int i;
    for (i = 0; first && i < TABLE * 4; i++) s->value[i / 4][i % 4] = (int)random_below(100000);
    for (i = 0; i < 10; i++) { /* one after the other: compilers order the calls of one statement */
        const uint32_t row = random_below(TABLE), column = random_below(4);
        s->value[row][column] = (int)random_below(100000);
    }
    sse_puts(out, "event: datastar-patch-elements\ndata: elements <table id=\"dash\"><tbody>\n");
    for (i = 0; i < TABLE; i++)
        sse_printf(out,
            "data: elements <tr id=\"r%d\"><th>host-%03d.example</th><td class=\"n\">%d</td>"
            "<td class=\"n\">%d.%02d</td><td class=\"n\">%d</td><td "
            "class=\"n\">%d</td></tr>\n",
            i, i, s->value[i][0], s->value[i][1] / 100, s->value[i][1] % 100, s->value[i][2],
            s->value[i][3]);
    sse_puts(out, "data: elements </tbody></table>\n\n");
}

static void workload_signals(sse_buf *out, int i) { /* a topic: small and alike */
    const int      degrees = 18 + (int)random_below(5), tenths = (int)random_below(10);
    const uint32_t user = random_below(10);
    sse_printf(out,
        "event: datastar-patch-signals\n"
        "data: signals {\"count\":%d,\"temp\":%d.%d,\"user\":\"%s\"}\n\n",
        i, degrees, tenths, workload_names[user]);
}

static struct workload workload_new(const char *name, int count, uint64_t seed) {
    struct workload        w;
    struct workload_state *s = (struct workload_state *)sse__zalloc(sizeof *s);
    int                    i;
    w.name = name;
    w.count = count;
    w.event = (sse_str *)sse__zalloc((size_t)count * sizeof *w.event);
    random_seed(seed);
    s->second = 36000;
    for (i = 0; i < count; i++) {
        sse_buf out = {NULL, 0, 0, 0};
        switch (name[0] == 's' ? 's' : name[2]) {
        case 'f': workload_life(s, &out, i == 0); break;
        case 'a': workload_chat(s, &out); break;
        case 'b': workload_table(s, &out, i == 0); break;
        case 'n': workload_lines(s, &out); break;
        default: workload_signals(&out, i);
        }
        w.event[i] = sse__str(sse_buf_text(&out), out.len);
    }
    for (i = 0; i < CHAT; i++) sse_buf_free(&s->line[i].text);
    SSE_FREE(s);
    return w;
}

static void workload_free(struct workload *w) {
    int i;
    for (i = 0; i < w->count; i++) SSE_FREE((void *)(uintptr_t)w->event[i].ptr);
    SSE_FREE(w->event);
}
#endif
