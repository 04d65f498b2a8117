/* Every row for many queries, in one reading of the rows and with nothing prepared: some rows at a time become codes of 8 bits, and while
 * these stay in the cache they are multiplied with the codes of all queries. A row that may belong to a query's k best is multiplied with
 * it in float32, and what may then still belong there is kept, to be summed in float64 at the end. The twin is
 * reference_screens.every_code.
 *
 * With x' = x - middle = s c + e and q' = s' c' + e', <q', x'> differs from s s' <c, c'> by at most |s' c'| |e| + |e'| |x'|. A key over s'
 * is (<q', x'> + constant) · factor + addend: see the table in search/screen.py. Lengths are float32 sums; each bound is wider by more than
 * what they, and the float32 that follows, round. */
#include "code_batch.h"

enum { SPARE = 64 }; /* rows kept for a query beside twice its k */

struct lengths {
    const double *origin; /* d zeros */
    double *exact;        /* (rows): by float64 sums, where one was wanted, else -1; for the cosine only */
};

/* The threshold of the bounds that a k-th best key of `worst` stands for. */
static inline float threshold_of(const struct pass *p, const struct queries *a, int64_t query, double worst)
{
    double least = worst, size = fabs(worst);
    if (isinf(worst))
        return -INFINITY;
    if (p->table.measure == COSINE) {
        least *= a->length[query];
        size *= a->length[query];
    } else if (p->table.measure == PRODUCT) {
        least -= a->constant[query];
        size += fabs(a->constant[query]);
    } else {
        least = (least + a->square[query]) / 2;
        size += a->square[query];
    }
    return (float)((least - 0x1p-22 * size) / a->scale[query]) - 1e-37f;
}

/* Sums up in float64 what is kept for a query, and makes of the keys its thresholds. */
static void sum_kept(const struct table *t, const struct lengths *l, const struct candidates *kept, int64_t query, int64_t first, struct best *b)
{
    enum { NEXT = 4 };
    float *lower = kept->lower + query * kept->k, *upper = kept->upper + query * kept->room;
    int32_t *row = kept->row + query * kept->room, count = 0;
    for (int32_t i = 0; i < kept->count[query]; i++)
        if (upper[i] >= *lower)
            row[count++] = row[i];
    for (int32_t i = 0; i < count; i++) {
        const unsigned char *x = t->rows + (first + row[i]) * t->stride;
        if (i + NEXT < count)
            fetch(t, first + row[i + NEXT]);
        if (t->measure == COSINE && l->exact[row[i]] < 0)
            l->exact[row[i]] = sqrt(sum_of(t, l->origin, x, 1));
        sum_up(t, b, first + row[i], t->measure == COSINE ? l->exact[row[i]] : 0, b->keys[0]); /* rows come in any order */
    }
    kept->count[query] = 0;
    for (int64_t i = 0; i < kept->k; i++) /* rises with the key: still a heap */
        lower[i] = isinf(b->keys[i]) ? -INFINITY : (float)(b->keys[i] - 0x1p-22 * fabs(b->keys[i])) - 1e-37f;
}

/* Looks at a row of those held more closely, in float32, and keeps it where its key may belong to the k best. */
static __attribute__((noinline)) void look(const struct pass *p, const struct held *h, const struct queries *a, const struct candidates *kept,
                                           const struct lengths *l, int64_t query, int64_t row, int64_t r, int64_t first, struct best *b)
{
    const struct table *t = &p->table;
    const unsigned char *x = t->type == FLOAT32 ? t->rows + (row + r) * t->stride : (const unsigned char *)(h->lifted + r * p->width);
    const float *own = a->rounded + query * p->width;
    const double length = h->length[r];
    double upper, lower;
    if (t->measure == DIFFERENCE) {
        const double far = sqrt(rough(t, own, x, 1));
        const double off = far * p->unit + a->off[query] + p->away + (t->type == FLOAT64 ? 0x1p-23 * length : 0);
        upper = far > off ? -(far - off) * (far - off) : 0;
        lower = -(far + off) * (far + off);
    } else if (t->measure == PRODUCT) {
        const double off = (2 * p->unit * a->length[query] + a->off[query]) * length + p->vanished;
        upper = rough(t, own, x, 0);
        lower = upper - off;
        upper += off;
    } else if (length > 0) {
        upper = rough(t, own, x, 0) / (length * a->length[query]);
        lower = upper - 4 * p->unit;
        upper += 4 * p->unit;
    } else {
        upper = lower = NO_COSINE;
    }
    const float most = (float)(upper + 0x1p-22 * fabs(upper)) + 1e-37f, least = (float)(lower - 0x1p-22 * fabs(lower)) - 1e-37f;
    float *heap = kept->lower + query * kept->k, *uppers = kept->upper + query * kept->room;
    int32_t *rows = kept->row + query * kept->room, *count = kept->count + query;
    if (!(most >= *heap))
        return;
    if (*count == kept->room) {
        int32_t left = 0;
        for (int32_t i = 0; i < *count; i++)
            if (uppers[i] >= *heap) {
                uppers[left] = uppers[i];
                rows[left++] = rows[i];
            }
        *count = left;
        if (left > kept->room / 2)
            sum_kept(t, l, kept, query, first, b);
    }
    uppers[*count] = most;
    rows[(*count)++] = (int32_t)(row + r - first);
    if (least > *heap)
        raise_threshold(heap, kept->k, least);
    a->threshold[query] = threshold_of(p, a, query, *heap);
}

struct found {
    struct lengths lengths;
    double *keys; /* (q, k): see struct best */
    int64_t *ids, *finished;
};

/* Lets the rows from `at` on wait whose bits are set. */
static inline __attribute__((always_inline)) void let_wait(struct waiting *w, floats bounds, int64_t at, uint32_t hits)
{
#if defined(__AVX512BW__)
    const __m512i rows = _mm512_add_epi32(_mm512_set1_epi32((int)at), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    _mm512_storeu_ps(w->bound + w->count, _mm512_maskz_compress_ps((__mmask16)hits, (__m512)bounds));
    _mm512_storeu_si512(w->row + w->count, _mm512_maskz_compress_epi32((__mmask16)hits, rows));
    w->count += __builtin_popcount(hits);
#else
    for (; hits; hits &= hits - 1) {
        const int r = __builtin_ctz(hits);
        w->bound[w->count] = bounds[r];
        w->row[w->count++] = (int32_t)(at + r);
    }
#endif
}

/* `vectors` times ROWS of the `count` rows held, from `at` on, with TILE queries from `query` on. */
static inline __attribute__((always_inline)) void tile_as(const struct pass *p, const struct held *h, const struct queries *a, int64_t count,
                                                          int64_t at, int64_t query, const int measure, const int vectors)
{
    const int32_t *own = a->codes + query * p->groups;
    const uint8_t *codes = h->codes + (at / BLOCK * p->groups * BLOCK + at % BLOCK) * 4;
    const int64_t groups = p->groups;
    ints sum[TILE][VECTORS];
    for (int i = 0; i < TILE; i++)
        for (int v = 0; v < vectors; v++)
            sum[i][v] = (ints){0} - a->offset[query + i];
    for (int64_t g = 0; g < groups; g++) {
        bytes4 rows[VECTORS];
        for (int v = 0; v < vectors; v++)
            memcpy(rows + v, codes + (v * groups + g) * BLOCK * 4, sizeof *rows);
        for (int i = 0; i < TILE; i++)
            for (int v = 0; v < vectors; v++)
                sum[i][v] = add_products(sum[i][v], rows[v], own[g * TILE + i]);
    }
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++, at += ROWS) { /* unrolled, the sums stay in the registers */
        floats scale, lost, reach, other;
        memcpy(&scale, h->scale + at, sizeof scale);
        memcpy(&lost, h->lost + at, sizeof lost);
        memcpy(&reach, h->reach + at, sizeof reach);
        memcpy(&other, (measure == COSINE ? h->factor : h->addend) + at, sizeof other);
        const uint32_t real = count - at >= ROWS ? ~0u : (1u << (count > at ? count - at : 0)) - 1;
#pragma GCC unroll 12
        for (int i = 0; i < TILE; i++) {
            const float *t = a->terms + (query + i) * 4;
            floats key = fused(__builtin_convertvector(sum[i][v], floats), scale, lost * t[0]);
            key = fused(reach, (floats){0} + t[1], key);
            if (measure != PRODUCT)
                key = fused(other, (floats){0} + t[measure == COSINE ? 2 : 3], key);
            const uint32_t hits = reaching(key, a->threshold[query + i]) & real;
            if (__builtin_expect(hits != 0, 0))
                let_wait(a->waiting + i, key, at, hits);
        }
    }
}

#define TILE_OF(name, measure, vectors)                                                                                               \
    static __attribute__((noinline)) void name(const struct pass *p, const struct held *h, const struct queries *a, int64_t count,     \
                                               int64_t at, int64_t query)                                                             \
    {                                                                                                                                 \
        tile_as(p, h, a, count, at, query, measure, vectors);                                                                         \
    }
TILE_OF(product_tile, PRODUCT, VECTORS)
TILE_OF(difference_tile, DIFFERENCE, VECTORS)
TILE_OF(cosine_tile, COSINE, VECTORS)
TILE_OF(last_product_tile, PRODUCT, 1)
TILE_OF(last_difference_tile, DIFFERENCE, 1)
TILE_OF(last_cosine_tile, COSINE, 1)

/* A bound that about k of those who wait reach, k being small. */
static inline float pivot_of(struct waiting *w, int64_t k)
{
    float most[16], next;
    for (int r = 0; r < 16; r++) {
        most[r] = -INFINITY;
        w->bound[w->count + r] = -INFINITY;
    }
    for (int32_t i = 0; i < w->count; i += 16)
        for (int r = 0; r < 16; r++)
            most[r] = w->bound[i + r] > most[r] ? w->bound[i + r] : most[r];
    for (int i = 0; i < 16 && i < k; i++) /* the k-th of sixteen maxima */
        for (int r = i + 1; r < 16; r++)
            if (most[r] > most[i]) {
                next = most[i];
                most[i] = most[r];
                most[r] = next;
            }
    return most[k < 16 ? k - 1 : 15];
}

/* Looks at those who wait for query j and whose bound is in from..below-1 and reaches the threshold. */
static inline void look_at(const struct pass *p, const struct held *h, const struct queries *a, const struct candidates *kept,
                           const struct lengths *l, int64_t j, int64_t row, int64_t first, float from, float below, struct best *b)
{
    const struct waiting *w = a->waiting + j % TILE;
    for (int32_t i = 0; i < w->count; i += ROWS) {
        floats bounds;
        memcpy(&bounds, w->bound + i, sizeof bounds);
        uint32_t hits = reaching(bounds, from > a->threshold[j] ? from : a->threshold[j]);
        if (w->count - i < ROWS)
            hits &= (1u << (w->count - i)) - 1;
        for (; hits; hits &= hits - 1) {
            const int32_t at = i + __builtin_ctz(hits);
            if (w->bound[at] < below && w->bound[at] >= a->threshold[j])
                look(p, h, a, kept, l, j, row, w->row[at], first, b);
        }
    }
}

/* The queries from `query` on with all rows held: those that may count wait, and the best of them are looked at first. */
static void screen(const struct pass *p, const struct held *h, const struct queries *a, const struct candidates *kept, const struct found *f,
                   int64_t first, int64_t row, int64_t count, int64_t query)
{
    static void (*const tiles[])(const struct pass *, const struct held *, const struct queries *, int64_t, int64_t, int64_t) = {
        product_tile, difference_tile, cosine_tile, last_product_tile, last_difference_tile, last_cosine_tile};
    const int32_t measure = p->table.measure;
    const int64_t end = (count + BLOCK - 1) / BLOCK * BLOCK;
    int64_t at = 0;
    for (; at + VECTORS * ROWS <= end; at += VECTORS * ROWS)
        tiles[measure](p, h, a, count, at, query);
    for (; at < end; at += ROWS)
        tiles[3 + measure](p, h, a, count, at, query);
    for (int64_t j = query; j < query + TILE; j++) {
        struct waiting *w = a->waiting + (j - query);
        if (!w->count)
            continue;
        struct best b = {a->given + j * p->table.d, NULL, a->length[j], 0, kept->k, f->keys + j * kept->k, f->ids + j * kept->k, 0, 0};
        const float pivot = w->count > 2 * kept->k ? pivot_of(w, kept->k) : -INFINITY;
        look_at(p, h, a, kept, &f->lengths, j, row, first, pivot, INFINITY, &b);
        if (pivot > -INFINITY)
            look_at(p, h, a, kept, &f->lengths, j, row, first, -INFINITY, pivot, &b);
        f->finished[j] += b.finished;
        w->count = 0;
    }
}

/* Takes `size` bytes of the room, a whole number of the cache's lines; without a room only counts them. */
static inline void *taken(uint8_t **room, int64_t *counted, int64_t size)
{
    uint8_t *here = *room;
    size = (size + 63) / 64 * 64;
    *counted += size;
    if (here)
        *room = here + size;
    return here;
}

static int64_t lay_out(uint8_t *room, int64_t n, int64_t q, int64_t d, int64_t k, int32_t type, struct pass *p, struct held *h,
                       struct queries *a, struct candidates *kept, double **exact)
{
    int64_t bytes = 64;
    const int64_t width = p->width = (d + 15) / 16 * 16, all = (q + TILE - 1) / TILE * TILE;
    p->groups = width / 4;
    kept->k = k;
    kept->room = 2 * k + SPARE;
    room = room ? room + (64 - (uintptr_t)room % 64) % 64 : room;
    p->middle = taken(&room, &bytes, 4 * width);
    p->moved = taken(&room, &bytes, 4 * width);
    h->codes = taken(&room, &bytes, HELD * width);
    float **const terms[] = {&h->scale, &h->lost, &h->reach, &h->factor, &h->addend};
    for (int i = 0; i < 5; i++)
        *terms[i] = taken(&room, &bytes, 4 * HELD);
    h->length = taken(&room, &bytes, 8 * HELD);
    h->lifted = taken(&room, &bytes, type == FLOAT32 ? 0 : 4 * HELD * width);
    a->rounded = taken(&room, &bytes, 4 * q * width);
    a->codes = taken(&room, &bytes, all * width);
    a->offset = taken(&room, &bytes, 4 * all);
    a->terms = taken(&room, &bytes, 16 * all);
    a->threshold = taken(&room, &bytes, 4 * all);
    a->waiting = taken(&room, &bytes, TILE * sizeof(struct waiting));
    double **const numbers[] = {&a->length, &a->off, &a->constant, &a->square, &a->scale};
    for (int i = 0; i < 5; i++)
        *numbers[i] = taken(&room, &bytes, 8 * q);
    *exact = taken(&room, &bytes, 8 * n);
    kept->lower = taken(&room, &bytes, 4 * q * k);
    kept->upper = taken(&room, &bytes, 4 * q * kept->room);
    kept->row = taken(&room, &bytes, 4 * q * kept->room);
    kept->count = taken(&room, &bytes, 4 * q);
    return bytes;
}

/* How many bytes of room a search of n rows takes. */
int64_t ts_every_code_room(int64_t n, int64_t q, int64_t d, int64_t k, int32_t type)
{
    struct pass p;
    struct held h;
    struct queries a;
    struct candidates kept;
    double *exact;
    return lay_out(NULL, n, q, d, k, type, &p, &h, &a, &kept, &exact);
}

/* Searches rows first..last-1 for the k nearest of each of q queries, and writes them best first; returns 0, and nothing of use, where a
 * row is not finite, or a length outside of what float32 sums say something of. `origin` are d zeros; each number of `middle` is a
 * float32. */
int32_t ts_every_code(int32_t measure, int32_t type, const unsigned char *rows, int64_t stride, int64_t d, const double *queries, int64_t q,
                      int64_t first, int64_t last, const double *origin, const double *middle, uint8_t *room, int64_t k, double *keys,
                      int64_t *ids, int64_t *finished, double *unseen)
{
    struct pass p = {.table = {measure, type, rows, stride, d, NULL, 0}, .last = last, .unit = ((double)d / ROWS + 18) * 0x1p-24};
    struct held h;
    struct queries a = {.q = q, .given = queries};
    struct candidates kept;
    struct found f = {{origin, NULL}, keys, ids, finished};
    lay_out(room, last - first, q, d, k, type, &p, &h, &a, &kept, &f.lengths.exact);
    p.away = sqrt((double)d) * 0x1p-62;
    p.vanished = (double)d * 0x1p-126;
    for (int64_t j = 0; j < p.width; j++)
        ((float *)p.middle)[j] = j < d ? (float)middle[j] : 0;
    if (!ask(&p, middle, &a))
        return 0;
    for (int64_t i = 0; measure == COSINE && i < last - first; i++)
        f.lengths.exact[i] = -1;
    for (int64_t i = 0; i < q; i++)
        finished[i] = kept.count[i] = 0;
    for (int i = 0; i < TILE; i++)
        a.waiting[i].count = 0;
    for (int64_t i = 0; i < q * k; i++) {
        kept.lower[i] = -INFINITY;
        keys[i] = -INFINITY;
        ids[i] = INT64_MAX;
    }
    for (int64_t row = first; row < last; row += HELD) {
        const int64_t count = last - row < HELD ? last - row : HELD;
        if (!take(&p, row, count, &h))
            return 0;
        for (int64_t query = 0; query < q; query += TILE)
            screen(&p, &h, &a, &kept, &f, first, row, count, query);
    }
    for (int64_t i = 0; i < q; i++) {
        struct best b = {queries + i * d, NULL, a.length[i], 0, k, keys + i * k, ids + i * k, 0, 0};
        if (a.threshold[i] == INFINITY) {
            for (int64_t j = 0; j < k && first + j < last; j++) {
                b.keys[j] = measure == COSINE ? NO_COSINE : 0;
                b.ids[j] = first + j;
            }
            unseen[i] = b.keys[k - 1];
            continue;
        }
        sum_kept(&p.table, &f.lengths, &kept, i, first, &b);
        finished[i] += b.finished;
        unseen[i] = finished[i] < last - first ? keys[i * k] : -INFINITY;
        in_order(b.keys, b.ids, k);
    }
    return 1;
}
