/* Every row for some queries, in one reading of the rows and with nothing prepared: a few rows at a time become float32, and while these
 * stay in the cache they are multiplied with all queries. A row is summed in float64 for those queries only whose k-th best key so far
 * the float32 sum, with all that it may be off by, reaches. The twin is reference_screens.every_row.
 *
 * A term of a float32 sum goes through at most d / ROWS + 15 roundings of 2^-24, and both factors were rounded before. */
#include "lifted.h"

#if defined(__AVX512BW__)
enum { SIDE = 4 }; /* rows, and queries, whose sums the registers hold together */
#else
enum { SIDE = 2 };
#endif
enum { GROUP = 8 }; /* rows that are lifted at a time */

/* What is known of the rows at hand. */
struct group {
    float *lines;  /* (GROUP, width + ROWS): were they a power of two apart, they would share the cache's lines */
    int64_t width; /* d, rounded up to whole vectors */
    double length[GROUP], exact[GROUP]; /* by float32 sums; by float64 ones where they were wanted, else -1 */
    double slope[GROUP];                /* what a float32 sum becomes a key by */
};

/* Takes in `count` rows; returns 0 where one is not finite, or so long or short that float32 sums say little of it. */
static int take(const struct table *t, int64_t row, int64_t count, struct group *g)
{
    for (int64_t r = 0; r < count; r++) {
        const unsigned char *x = t->rows + (row + r) * t->stride;
        float *line = g->lines + r * (g->width + ROWS);
        double square;
        switch (t->type) {
        case FLOAT32: square = lift(x, t->d, g->width, FLOAT32, 4, line); break;
        case FLOAT64: square = lift(x, t->d, g->width, FLOAT64, 8, line); break;
        case FLOAT16: square = lift(x, t->d, g->width, FLOAT16, 2, line); break;
        default: square = lift(x, t->d, g->width, BFLOAT16, 2, line);
        }
        g->exact[r] = -1;
        if (!(square >= LEAST * LEAST && square <= 1 / (LEAST * LEAST))) {
            if (!is_zero(x, t->d, t->type))
                return 0;
            g->exact[r] = square = 0;
        }
        g->length[r] = sqrt(square);
        g->slope[r] = t->measure == DIFFERENCE ? -1 : t->measure == PRODUCT ? 1 : square > 0 ? 1 / g->length[r] : 0;
    }
    return 1;
}

/* Writes the float32 sums of SIDE lines with `count` queries, (SIDE, count). */
static inline __attribute__((always_inline)) void
multiply_as(const float *lines, const float *queries, int64_t width, const int difference, const int count, double *out)
{
    floats sum[SIDE][SIDE] = {{{0}}};
    for (int64_t k = 0; k < width; k += ROWS) {
        floats x[SIDE], y;
        for (int r = 0; r < SIDE; r++)
            memcpy(x + r, lines + r * (width + ROWS) + k, sizeof *x);
        for (int i = 0; i < count; i++) {
            memcpy(&y, queries + i * width + k, sizeof y);
            for (int r = 0; r < SIDE; r++) {
                floats a = difference ? y - x[r] : y;
                sum[r][i] = fused(a, difference ? a : x[r], sum[r][i]);
            }
        }
    }
    for (int r = 0; r < SIDE; r++)
        for (int i = 0; i < count; i++)
            out[r * count + i] = total(sum[r][i]);
}

static inline __attribute__((always_inline)) void
multiply(const float *lines, const float *queries, int64_t width, int difference, const int count, double *out)
{
    if (difference)
        multiply_as(lines, queries, width, 1, count, out);
    else
        multiply_as(lines, queries, width, 0, count, out);
}

/* The least `sum · slope` a row may have, less `allowance` times its length, for a query's key to reach the worst of its best. */
static inline double limit_of(const struct table *t, const struct best *b, double unit, double most)
{
    const double lost = (double)t->d * 0x1p-126, worst = b->keys[0];
    if (isinf(worst) || b->length == 0)
        return -INFINITY;
    if (t->measure == DIFFERENCE) {
        const double reach = sqrt(-worst) * (1 + 0x1p-40) + sqrt(lost) + b->off + 0x1p-24 * most;
        return -reach * reach * (1 + 2 * unit);
    }
    return t->measure == PRODUCT ? worst - lost : (worst - 4 * unit) * b->length;
}

/* Searches rows first..last-1 for the k nearest of each of q queries, and writes them best first; returns 0, and nothing of use, where a
 * row is not finite, or a length outside of what float32 sums say something of. `origin` are d zeros; `rounded` and `lines` are room for
 * q and GROUP times d numbers and two vectors more, `terms` for four numbers a query. */
int32_t ts_every_row(int32_t measure, int32_t type, const unsigned char *rows, int64_t stride, int64_t d, const double *queries, int64_t q,
                     int64_t first, int64_t last, const double *origin, float *rounded, float *lines, double *terms, int64_t k,
                     double *keys, int64_t *ids, int64_t *finished, double *unseen)
{
    const struct table t = {measure, type, rows, stride, d, NULL, 0};
    const double unit = ((double)d / ROWS + 18) * 0x1p-24;
    struct group g = {.lines = lines, .width = (d + ROWS - 1) / ROWS * ROWS};
    double most = 0; /* the largest length of a row so far */
    for (int64_t i = 0; i < q; i++) {
        const double length = sqrt(pair(queries + i * d, (const unsigned char *)(queries + i * d), d, 0, FLOAT64, 8));
        if (!(length >= 1 / FARTHEST && length <= FARTHEST) && !is_zero((const unsigned char *)(queries + i * d), d, FLOAT64))
            return 0;
        double *term = terms + 4 * i;
        term[0] = length;
        term[1] = round_query(queries + i * d, d, rounded + i * g.width);
        term[2] = measure == PRODUCT ? (unit + 0x1p-24) * length + term[1] : 0; /* allowance, and limit: see limit_of */
        term[3] = -INFINITY;
        finished[i] = 0;
        for (int64_t j = i * k; j < (i + 1) * k; j++) {
            keys[j] = -INFINITY;
            ids[j] = INT64_MAX;
        }
    }
    for (int64_t row = first; row < last; row += GROUP) {
        const int64_t count = last - row < GROUP ? last - row : GROUP;
        const double before = most;
        if (!take(&t, row, count, &g))
            return 0;
        for (int64_t r = 0; r < count; r++)
            most = g.length[r] * (1 + unit) > most ? g.length[r] * (1 + unit) : most;
        for (int64_t i = 0, side; i < q; i += side) {
            double sums[GROUP * SIDE];
            const float *some = rounded + i * g.width;
            side = i + SIDE <= q ? SIDE : 1;
            for (int64_t r = 0; r < count; r += SIDE) { /* rows beyond `count` are those of before */
                const float *line = lines + r * (g.width + ROWS);
                if (side == 1)
                    multiply(line, some, g.width, measure == DIFFERENCE, 1, sums + r);
                else
                    multiply(line, some, g.width, measure == DIFFERENCE, SIDE, sums + r * SIDE);
            }
            for (int64_t j = i; j < i + side; j++) {
                double *term = terms + 4 * j;
                struct best b = {queries + j * d, NULL, term[0], term[1], k, keys + j * k, ids + j * k, 0, 0};
                if (most > before)
                    term[3] = limit_of(&t, &b, unit, most);
                for (int64_t r = 0; r < count; r++)
                    if (sums[r * side + j - i] * g.slope[r] + term[2] * g.length[r] >= term[3]) {
                        if (measure == COSINE && g.exact[r] < 0)
                            g.exact[r] = sqrt(sum_of(&t, origin, rows + (row + r) * stride, 1));
                        sum_up(&t, &b, row + r, g.exact[r], -INFINITY);
                        term[3] = limit_of(&t, &b, unit, most);
                    }
                finished[j] += b.finished;
            }
        }
    }
    for (int64_t i = 0; i < q; i++) {
        unseen[i] = finished[i] < last - first ? keys[i * k] : -INFINITY;
        in_order(keys + i * k, ids + i * k, k);
    }
    return 1;
}
