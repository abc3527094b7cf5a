/* point.h: the C library of a country with another decimal point, whatever locales this machine
   has. Include it before sse.h. */
#ifndef POINT_H
#define POINT_H
#include <stdarg.h>

static const char *decimal_point = ".";

static const char *const other_points[] = {",", "\xD9\xAB" /* U+066B, in Persian */};
static const char *const comma_locales[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8",
    "nl_NL.UTF-8", "sv_SE.UTF-8", "ru_RU.UTF-8", "ps_AF.UTF-8", "fa_IR.UTF-8"};

__attribute__((format(printf, 3, 4))) static int point_snprintf(char *out, size_t room,
    const char *fmt, ...) {
    char        text[12000];
    const char *dot;
    size_t      extra;
    va_list     ap;
    int         n;
    va_start(ap, fmt);
    if (!strcmp(decimal_point, ".")) n = vsnprintf(out, room, fmt, ap);
    else n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (!strcmp(decimal_point, ".")) return n;
    dot = strpbrk(fmt, "fFeEgGaA") ? strchr(text, '.') : NULL;
    if (!dot) return snprintf(out, room, "%s", text);
    extra = strlen(decimal_point) - 1;
    snprintf(out, room, "%.*s%s%s", (int)(dot - text), text, decimal_point, dot + 1);
    return n + (int)extra;
}

static double point_strtod(const char *text, char **end) {
    char        copy[900];
    const char *at = strstr(text, decimal_point);
    char       *stop;
    double      v;
    if (!strcmp(decimal_point, ".")) return strtod(text, end);
    snprintf(copy, sizeof copy, "%.*s%s%s", at ? (int)(at - text) : (int)strcspn(text, "."), text,
        at ? "." : "", at ? at + strlen(decimal_point) : "");
    v = strtod(copy, &stop);
    *end = (char *)(size_t)((size_t)text + (size_t)(stop - copy) +
                            (at && stop > copy + (at - text) ? strlen(decimal_point) - 1 : 0));
    return v;
}

#define snprintf point_snprintf
#define strtod   point_strtod
#endif
