/* tree.h: a second reader of JSON, RFC 8259, that makes a tree of it and goes down by itself.
   Include it after fuzz.h. */
#ifndef TREE_H
#define TREE_H

typedef struct tree {
    char         kind;       /* { [ " 0 t f n */
    sse_str      raw;        /* as it stands there */
    char        *key, *text; /* decoded, with their lengths: of a member; of a string */
    size_t       key_n, text_n;
    struct tree *members, *next; /* the last one first */
    int          count;
} tree;

/* Valid UTF-8 by a second reader: RFC 3629. */
static bool is_utf8(const char *p) {
    while (*p) {
        const unsigned char c = (unsigned char)*p++;
        int more = c < 0x80 ? 0 : c < 0xC2 ? -1 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : c < 0xF5 ? 3 : -1;
        const unsigned char next = (unsigned char)*p;
        if (more < 0) return false;
        if ((c == 0xE0 && next < 0xA0) || (c == 0xED && next > 0x9F) ||
            (c == 0xF0 && next < 0x90) || (c == 0xF4 && next > 0x8F))
            return false;
        while (more--)
            if (((unsigned char)*p++ & 0xC0) != 0x80) return false;
    }
    return true;
}

static void tree_free(tree *t) {
    while (t) {
        tree *next = t->next;
        tree_free(t->members);
        free(t->key);
        free(t->text);
        free(t);
        t = next;
    }
}

static const char *past_space(const char *p) { return p + strspn(p, " \t\r\n"); }

static int tree_hex(const char *p) { /* four digits; -1: they are none */
    int v = 0, i;
    for (i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef0123456789ABCDEF", *at = strchr(digits, p[i]);
        if (!p[i] || !at) return -1;
        v = v * 16 + (int)(at - digits) % 16;
    }
    return v;
}

static char *put_utf8(char *out, int c) {
    if (c < 0x80) *out++ = (char)c;
    else if (c < 0x800) *out++ = (char)(0xC0 | c >> 6), *out++ = (char)(0x80 | (c & 63));
    else {
        if (c < 0x10000) *out++ = (char)(0xE0 | c >> 12);
        else *out++ = (char)(0xF0 | c >> 18), *out++ = (char)(0x80 | (c >> 12 & 63));
        *out++ = (char)(0x80 | (c >> 6 & 63));
        *out++ = (char)(0x80 | (c & 63));
    }
    return out;
}

/* The text ends with a NUL, and holds none. *at: at the quote, then behind the other one. */
static char *tree_string(const char **at, size_t *n) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char       *p = *at + 1;
    char             *text = (char *)malloc(strlen(p) + 1), *out = text;
    CHECK(text);
    while (*p != '"') {
        int a, b;
        if ((unsigned char)*p < 0x20) goto wrong;
        if (*p != '\\') {
            *out++ = *p++;
            continue;
        }
        if (p[1] && strchr(from, p[1])) {
            *out++ = to[strchr(from, p[1]) - from];
            p += 2;
            continue;
        }
        if (p[1] != 'u' || (a = tree_hex(p + 2)) < 0) goto wrong;
        p += 6;
        if (a >= 0xD800 && a < 0xE000) { /* half of a pair means nothing by itself */
            b = a < 0xDC00 && p[0] == '\\' && p[1] == 'u' ? tree_hex(p + 2) : -1;
            if (b >= 0xDC00 && b < 0xE000) a = 0x10000 + (a - 0xD800) * 1024 + b - 0xDC00, p += 6;
            else a = 0xFFFD;
        }
        out = put_utf8(out, a);
    }
    *at = p + 1;
    *n = (size_t)(out - text);
    return text;
wrong:
    free(text);
    return NULL;
}

static const char *past_number(const char *p) { /* NULL: it is none */
    static const char digits[] = "0123456789";
    if (*p == '-') p++;
    if (!*p || !strchr(digits, *p)) return NULL;
    p += *p == '0' ? 1 : strspn(p, digits);
    if (*p == '.') {
        if (!strspn(++p, digits)) return NULL;
        p += strspn(p, digits);
    }
    if (*p == 'e' || *p == 'E') {
        p += p[1] == '+' || p[1] == '-' ? 2 : 1;
        if (!strspn(p, digits)) return NULL;
        p += strspn(p, digits);
    }
    return p;
}

/* The value at *at, which then is behind it. NULL: it is not well-formed. */
static tree *tree_value(const char **at, int depth) {
    static const char *const words[] = {"true", "false", "null"};
    tree                    *t = (tree *)calloc(1, sizeof *t);
    const char              *p = *at, close = *p == '{' ? '}' : ']';
    size_t                   i;
    CHECK(t);
    t->kind = *p;
    if ((*p == '{' || *p == '[') && depth < 200) {
        p = past_space(p + 1);
        while (*p != close) {
            char  *key = NULL;
            size_t key_n = 0;
            tree  *member;
            if (close == '}') {
                if (*p != '"' || !(key = tree_string(&p, &key_n))) goto wrong;
                p = past_space(p);
                if (*p != ':') {
                    free(key);
                    goto wrong;
                }
                p = past_space(p + 1);
            }
            member = tree_value(&p, depth + 1);
            if (!member) {
                free(key);
                goto wrong;
            }
            member->key = key;
            member->key_n = key_n;
            member->next = t->members;
            t->members = member;
            t->count++;
            p = past_space(p);
            if (*p != close && *p != ',') goto wrong;
            if (*p == ',') {
                p = past_space(p + 1);
                if (*p == close) goto wrong;
            }
        }
        p++;
    } else if (*p == '"') {
        if (!(t->text = tree_string(&p, &t->text_n))) goto wrong;
    } else if (*p == 't' || *p == 'f' || *p == 'n') {
        for (i = 0; i < 3 && strncmp(p, words[i], strlen(words[i])); i++) {
        }
        if (i == 3) goto wrong;
        p += strlen(words[i]);
    } else {
        t->kind = '0';
        if (!(p = past_number(p))) goto wrong;
    }
    t->raw = sse__str(*at, (size_t)(p - *at));
    *at = p;
    return t;
wrong:
    tree_free(t);
    return NULL;
}

/* Of a text that ends with a NUL. NULL: it is not well-formed. */
static tree *tree_of(const char *json) {
    const char *p = past_space(json);
    tree       *t = tree_value(&p, 0);
    if (!t || !*past_space(p)) return t;
    tree_free(t);
    return NULL;
}

static int tree_depth(const tree *t) { /* of what is open at a time */
    int         most = 0, n;
    const tree *m;
    for (m = t->members; m; m = m->next)
        if ((n = tree_depth(m)) > most) most = n;
    return most + (t->kind == '{' || t->kind == '[');
}

/* By steps with dots between, \ before a character that is meant as such. NULL: absent. */
static const tree *tree_at(const tree *t, const char *path) {
    char step[300];
    while (t && *path) {
        const tree *m = t->members;
        size_t      n = 0;
        int         i = t->count - 1;
        while (*path && *path != '.') {
            if (*path == '\\' && path[1]) path++;
            CHECK(n + 1 < sizeof step);
            step[n++] = *path++;
        }
        step[n] = '\0';
        for (; m; m = m->next, i--) {
            char number[20];
            snprintf(number, sizeof number, "%d", i);
            if (t->kind == '[' ? !strcmp(number, step) : m->key_n == n && !memcmp(m->key, step, n))
                break;
        }
        t = m;
        if (!*path) return t;
        path++;
        if (!*path && t) { /* "a.": the member without a name */
            for (m = t->members; m && (t->kind == '[' || m->key_n); m = m->next) {
            }
            return m;
        }
    }
    return t;
}
#endif
