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

/* Moves the m highest bounds to the front, and their rows with them. */
static void bring_forward(float *upper, int32_t *row, int32_t count, int32_t m)
{
    for (int32_t first = 0, last = count - 1; first < last;) {
        const float pivot = upper[first + (last - first) / 2];
        int32_t i = first, j = last;
        while (i <= j) {
            while (upper[i] > pivot)
                i++;
            while (upper[j] < pivot)
                j--;
            if (i <= j) {
                const float bound = upper[i];
                const int32_t id = row[i];
                upper[i] = upper[j], row[i++] = row[j];
                upper[j] = bound, row[j--] = id;
            }
        }
        if (m <= j)
            last = j;
        else if (m >= i)
            first = i;
        else
            return;
    }
}

/* What a finished key is to the screen, rounded down. */
static inline float proven(const struct settling *s, int64_t query, double key)
{
    const double moved = s->slope * key, shift = s->shift[query];
    return isinf(moved) ? -INFINITY : (float)((moved + shift - 1e-6 * (fabs(moved) + fabs(shift)) - s->doubt[query]) / s->scale[query]);
}

/* The key of a threshold that k rows are known to reach: a key below it, which is rounded down, has no place. */
static inline double reached(const struct settling *s, int64_t query, float least, struct best *b)
{
    const double floor = ((double)least * s->scale[query] - s->shift[query]) / s->slope;
    b->unseen = floor > b->unseen ? floor : b->unseen;
    return floor;
}

/* The highest bounds come first: once k of them are finished, many of the others are below the worst of these. */
static void settle(const struct table *t, const struct settling *s, const struct candidates *kept, int64_t query, int64_t zero)
{
    enum { NEXT = 4 };
    const double *q = s->queries + query * t->d;
    const int64_t k = kept->k;
    struct best b = {q, NULL, s->lengths[query], 0, k, s->keys + query * k, s->ids + query * k, s->unseen[query], 0};
    float *lower = kept->lower + query * k, *upper = kept->upper + query * kept->room, least = lower[0];
    int32_t *row = kept->row + query * kept->room, count = 0, foremost;
    for (int32_t i = 0; i < kept->count[query]; i++)
        if (upper[i] >= least) {
            upper[count] = upper[i];
            row[count++] = row[i];
        }
    foremost = 2 * k < count / 2 ? (int32_t)(2 * k) : count;
    if (foremost < count)
        bring_forward(upper, row, count, foremost);
    if (t->type == FLOAT32 && b.length < 1e15 && t->most < 1e15) {
        b.off = round_query(q, t->d, s->rounded);
        b.rounded = s->rounded;
    }
    double floor = reached(s, query, least, &b);
    for (int32_t from = 0, to = foremost; from < count; from = to, to = count) {
        if (from) { /* the rest, or what the finished keys leave of it */
            const float now = proven(s, query, b.keys[0]);
            int32_t left = from;
            least = now > least ? now : least;
            floor = reached(s, query, least, &b);
            for (int32_t i = from; i < count; i++)
                if (upper[i] >= least)
                    row[left++] = row[i];
            to = count = left;
        }
        for (int32_t i = from; i < to; i++) {
            if (i + NEXT < to)
                fetch(t, zero + row[i + NEXT]);
            finish(t, &b, zero + row[i], floor);
        }
    }
    s->unseen[query] = b.unseen;
    s->finished[query] += b.finished;
    kept->count[query] = 0;
    for (int64_t i = 0; i < k; i++) /* rises with the key: still a heap */
        lower[i] = proven(s, query, b.keys[i]);
}
