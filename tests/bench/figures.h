/* figures.h: medians and other parts of what was measured. */
#include <stdlib.h>

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The value that so much of them are not above: 0.5, the median; 0.99. Sorts. 0 without any. */
static double part(double *values, size_t count, double p) {
    qsort(values, count, sizeof *values, by_size);
    if (!count) return 0;
    if (p == 0.5 && count % 2 == 0) return (values[count / 2 - 1] + values[count / 2]) / 2;
    return values[(size_t)((double)(count - 1) * p)];
}
