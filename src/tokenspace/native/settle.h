/* Settling: what a screen kept for one query is finished, and the screen's threshold raised to what the finished keys prove. */
#include "finish.h"

struct settling {
    const double *queries, *lengths;       /* (q, d), (q) */
    double slope;                          /* a finished key is slope · key + shift to the screen, times 1 / scale; */
    const double *shift, *doubt, *scale;   /* (q); doubt covers what rounding may change on the way */
    double *keys;                          /* (q, k): see struct best */
    int64_t *ids, *finished;               /* (q, k), (q) */
    double *unseen;                        /* (q) */
    float *rounded;                       /* room for d numbers and a vector more */
};

/* Fetches the start of a row ahead. */
static inline void fetch(const struct table *t, int64_t row)
{
    const int64_t size = t->d * (t->type == FLOAT64 ? 8 : t->type == FLOAT32 ? 4 : 2);
    const char *at = (const char *)t->rows + row * t->stride;
    for (int64_t i = 0; i < size; i += 64)
        __builtin_prefetch(at + i);
}

static void settle(const struct table *t, const struct settling *s, const struct candidates *kept, int64_t query, int64_t zero)
{
    enum { NEXT = 4 };
    const double *q = s->queries + query * t->d, shift = s->shift[query], scale = s->scale[query];
    const int64_t k = kept->k;
    struct best b = {q, NULL, s->lengths[query], 0, k, s->keys + query * k, s->ids + query * k, s->unseen[query], 0};
    float *lower = kept->lower + query * k, *upper = kept->upper + query * kept->room, least = lower[0];
    int32_t *row = kept->row + query * kept->room, count = 0;
    for (int32_t i = 0; i < kept->count[query]; i++)
        if (upper[i] >= least)
            row[count++] = row[i];
    if (t->type == FLOAT32 && b.length < 1e15 && t->most < 1e15) {
        b.off = round_query(q, t->d, s->rounded);
        b.rounded = s->rounded;
    }
    /* k rows are known to reach the threshold, which is rounded down: a key below it has no place */
    const double floor = ((double)least * scale - shift) / s->slope;
    b.unseen = floor > b.unseen ? floor : b.unseen;
    for (int32_t i = 0; i < count; i++) {
        if (i + NEXT < count)
            fetch(t, zero + row[i + NEXT]);
        finish(t, &b, zero + row[i], floor);
    }
    s->unseen[query] = b.unseen;
    s->finished[query] += b.finished;
    kept->count[query] = 0;
    for (int64_t i = 0; i < k; i++) { /* rises with the key: still a heap */
        double proven = s->slope * b.keys[i];
        lower[i] = isinf(proven) ? -INFINITY
                                 : (float)((proven + shift - 1e-6 * (fabs(proven) + fabs(shift)) - s->doubt[query]) / scale);
    }
}
