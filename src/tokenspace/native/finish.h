/* Finishing: a row's key from the definition, in float64 and one fixed order, and its place among a query's k best.
 *
 * A float32 row that cannot be among them is mostly known by a float32 sum, whose error is bounded: a term goes through at most
 * d / ROWS + 15 roundings of 2^-24, and the query was rounded too. Only the others are summed in float64. */
#include "pair.h"
#include "screen.h"

enum { PRODUCT, DIFFERENCE, COSINE };
#define NO_COSINE (-3.0) /* key of a pair whose cosine does not exist */

struct table {
    int32_t measure, type;
    const unsigned char *rows;
    int64_t stride, d;
    const double *lengths; /* (n) for the cosine, or NULL */
    double most;           /* the largest length */
};
struct best {
    const double *query;
    const float *rounded; /* the query in float32, zeros up to a whole vector; NULL where no float32 sum is to be trusted */
    double length, off;    /* of the query; how far float32 moved it */
    int64_t k;
    double *keys; /* a heap, the worst in front: of equal keys the one with the highest id */
    int64_t *ids;
    double unseen;    /* the highest key that a row left unfinished can have */
    int64_t finished; /* rows summed in float64 */
};

/* Fetches a row ahead. */
static inline void fetch(const struct table *t, int64_t row)
{
    const int64_t size = t->d * (t->type == FLOAT64 ? 8 : t->type == FLOAT32 ? 4 : 2);
    const char *at = (const char *)t->rows + row * t->stride;
    for (int64_t i = 0; i < size; i += 64)
        __builtin_prefetch(at + i);
}

/* Puts a row in place of the worst. */
static void enter(struct best *b, double key, int64_t row)
{
    int64_t at = 0;
    for (int64_t child; (child = 2 * at + 1) < b->k; at = child) {
        if (child + 1 < b->k && (b->keys[child + 1] < b->keys[child] ||
                                 (b->keys[child + 1] == b->keys[child] && b->ids[child + 1] > b->ids[child])))
            child++;
        if (!(b->keys[child] < key || (b->keys[child] == key && b->ids[child] > row)))
            break;
        b->keys[at] = b->keys[child];
        b->ids[at] = b->ids[child];
    }
    b->keys[at] = key;
    b->ids[at] = row;
}

/* The sum of q x, or of (q - x)^2, in float32. */
static inline __attribute__((always_inline)) double rough(const struct table *t, const float *q, const unsigned char *row, int difference)
{
    floats sum[4] = {{0}}, a, b;
    int64_t k = 0;
    for (; k + 4 * ROWS <= t->d; k += 4 * ROWS)
        for (int p = 0; p < 4; p++) {
            memcpy(&a, q + k + p * ROWS, sizeof a);
            memcpy(&b, row + (k + p * ROWS) * 4, sizeof b);
            a = difference ? a - b : a;
            sum[p] = fused(a, difference ? a : b, sum[p]);
        }
    for (int p = 0; k < t->d; k += ROWS, p++) {
        b = (floats){0};
        memcpy(&a, q + k, sizeof a);
        memcpy(&b, row + k * 4, k + ROWS <= t->d ? sizeof b : (size_t)(t->d - k) * 4);
        a = difference ? a - b : a;
        sum[p] = fused(a, difference ? a : b, sum[p]);
    }
    return total((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

/* An upper bound of a float32 row's key; 2^-126 for each square or product that may have vanished. */
static inline double rough_bound(const struct table *t, const struct best *b, int64_t row, const unsigned char *x)
{
    const double unit = ((double)t->d / ROWS + 16) * 0x1p-24, lost = (double)t->d * 0x1p-126;
    if (t->measure == DIFFERENCE) {
        double least = sqrt(rough(t, b->rounded, x, 1) * (1 - unit)) - sqrt(lost) - b->off;
        return least > 0 ? -(least * least * (1 - 0x1p-40)) : 0;
    }
    double product = rough(t, b->rounded, x, 0);
    if (t->measure == PRODUCT)
        return product + unit * b->length * t->most + b->off * t->most + lost;
    double lengths = b->length * t->lengths[row];
    return lengths > 0 ? (product + lost) / lengths + unit + 2 * b->off / b->length : NO_COSINE;
}

/* Writes a query in float32, filled up with zeros to a whole vector; returns how far that moved it, rounded up. */
static inline double round_query(const double *query, int64_t d, float *rounded)
{
    lanes off = {0};
    double each[WIDTH], sum = 0;
    int64_t j = 0;
    for (; j + WIDTH <= d; j += WIDTH) {
        lanes x;
        memcpy(&x, query + j, sizeof x);
        const singles y = __builtin_convertvector(x, singles);
        memcpy(rounded + j, &y, sizeof y);
        x -= __builtin_convertvector(y, lanes);
        off += x * x;
    }
    memcpy(each, &off, sizeof each);
    for (int i = 0; i < WIDTH; i++)
        sum += each[i];
    for (; j < d; j++) {
        rounded[j] = (float)query[j];
        sum += (query[j] - rounded[j]) * (query[j] - rounded[j]);
    }
    for (; j % ROWS; j++)
        rounded[j] = 0;
    return sqrt(sum) * (1 + 0x1p-20);
}

static inline __attribute__((always_inline)) double sum_of(const struct table *t, const double *query, const unsigned char *x, int difference)
{
    switch (t->type) {
    case FLOAT32: return pair(query, x, t->d, difference, FLOAT32, 4);
    case FLOAT64: return pair(query, x, t->d, difference, FLOAT64, 8);
    case FLOAT16: return pair(query, x, t->d, difference, FLOAT16, 2);
    default: return pair(query, x, t->d, difference, BFLOAT16, 2);
    }
}

/* Sums a row in float64; one whose key is below `floor` has no place. `length` is the row's, for the cosine. */
static inline void sum_up(const struct table *t, struct best *b, int64_t row, double length, double floor)
{
    const unsigned char *x = t->rows + row * t->stride;
    double key = t->measure == DIFFERENCE ? -sum_of(t, b->query, x, 1) : sum_of(t, b->query, x, 0);
    if (t->measure == COSINE) {
        double lengths = b->length * length;
        key = lengths > 0 ? key / lengths : NO_COSINE;
        key = key > 1 ? 1 : key < -1 && lengths > 0 ? -1 : key;
    }
    b->finished++;
    if (key >= floor && (key > b->keys[0] || row < b->ids[0]))
        enter(b, key, row);
}

/* Finishes a row: sums it up, unless a rough sum shows that its key is below `floor` or all of the best. */
static inline void finish(const struct table *t, struct best *b, int64_t row, double floor)
{
    floor = floor > b->keys[0] ? floor : b->keys[0];
    if (b->rounded && floor > -INFINITY) {
        double most = rough_bound(t, b, row, t->rows + row * t->stride);
        if (most < floor) {
            b->unseen = most > b->unseen ? most : b->unseen;
            return;
        }
    }
    sum_up(t, b, row, t->measure == COSINE ? t->lengths[row] : 0, floor);
}

/* Puts a heap of k keys in order, the best first: the worst comes off it and goes to the end. */
static inline void in_order(double *keys, int64_t *ids, int64_t k)
{
    for (int64_t i = k; i > 0; i--) {
        struct best b = {.k = i - 1, .keys = keys, .ids = ids};
        double key = keys[0];
        int64_t id = ids[0];
        enter(&b, keys[i - 1], ids[i - 1]);
        keys[i - 1] = key;
        ids[i - 1] = id;
    }
}
