/* Rows as they come, some at a time, and a batch of queries made codes of 8 bits, with the bounds of what the codes lost: what every_code.c
 * multiplies.
 *
 * x' = row - middle = s c + e, q' = s' c' + e'. Lengths are float32 sums, and each bound is wider by more than what they round; a row or a
 * query of which they say too little is refused. */
#ifndef TOKENSPACE_CODE_BATCH_H
#define TOKENSPACE_CODE_BATCH_H
#include "coded.h"
#include "lifted.h"

/* The largest code of a row. Where products of bytes are added in 16 bits, two of them must not leave these. */
#if defined(__AVX512VNNI__)
enum { TOP = 127 };
#else
enum { TOP = 63 };
#endif
#if defined(__AVX512BW__)
enum { VECTORS = 2 }; /* of rows that a tile takes at once */
#else
enum { VECTORS = 1 };
#endif
enum { HELD = 256 };      /* rows that are coded at a time */
enum { AHEAD = 3 };       /* rows fetched before they are wanted */
enum { SURE = 127 };      /* the largest code of a query */
#define ROUNDER 0x1.8p23f /* added, it leaves the nearest whole number in the last bits; ties to even */
#define UP (1 + 0x1p-20)  /* more than a conversion to float32 rounds down */

/* What is the same for all rows and queries. */
struct pass {
    struct table table;
    int64_t last;          /* row of the search, and one */
    int64_t width, groups; /* d, rounded up to sixteen, and a quarter of that */
    double unit;           /* what a float32 sum of squares, or its root, may be off by, as a share of it */
    double away;           /* what squares that vanish hide of a length */
    double vanished;       /* and of a product */
    const float *middle;   /* (width) */
    float *moved;          /* (width): scratch */
};
struct held {
    uint8_t *codes;                                /* (HELD / 16, groups, 16, 4): c + TOP + 1 */
    float *scale, *lost, *reach, *factor, *addend; /* (HELD): s and bounds of |e| and |x'|, all by factor; see above */
    float *lifted;                                 /* (HELD, width), where rows are no float32 */
    double *length;                                /* (HELD) */
};
struct waiting { /* for a closer look */
    float bound[HELD + 16];
    int32_t row[HELD + 16], count;
};
struct queries {
    int64_t q;
    const double *given; /* (q, d) */
    float *rounded;      /* (q, width) */
    int32_t *codes;      /* (tiles, groups, TILE): four codes each */
    int32_t *offset;     /* (tiles · TILE): TOP + 1 times the sum of a query's codes */
    float *terms;        /* (tiles · TILE, 4): bounds of |s' c'| and |e'|, constant, 1, all over s' */
    float *threshold;    /* (tiles · TILE): of the bounds above, over s' */
    struct waiting *waiting; /* (TILE) */
    double *length, *off, *constant, *square, *scale; /* (q): |q|; what float32 moved it by; <q, middle>; |q'|^2; s' */
};

static inline __attribute__((always_inline)) floats larger(floats most, floats x)
{
#if defined(__AVX512BW__)
    return (floats)_mm512_max_ps((__m512)most, _mm512_abs_ps((__m512)x));
#elif defined(__AVX2__)
    return (floats)_mm256_max_ps((__m256)most, _mm256_andnot_ps(_mm256_set1_ps(-0.0f), (__m256)x));
#else
    for (int r = 0; r < ROWS; r++)
        most[r] = fabsf(x[r]) > most[r] ? fabsf(x[r]) : most[r];
    return most;
#endif
}

/* The last byte of each number. */
static inline __attribute__((always_inline)) void last_bytes(ints x, uint8_t *bytes)
{
#if defined(__AVX512BW__)
    _mm_storeu_si128((__m128i *)bytes, _mm512_cvtepi32_epi8((__m512i)x));
#else
    for (int r = 0; r < ROWS; r++)
        bytes[r] = (uint8_t)x[r];
#endif
}

struct sums {
    floats own, square, most; /* of the squares of x, and of x'; the largest of x' in size */
};

static inline __attribute__((always_inline)) void move_on(struct sums *sums, floats x, const float *middle, float *moved)
{
    floats m = {0};
    if (middle)
        memcpy(&m, middle, sizeof m);
    sums->own = fused(x, x, sums->own);
    x -= m;
    sums->square = fused(x, x, sums->square);
    sums->most = larger(sums->most, x);
    memcpy(moved, &x, sizeof x);
}

/* Codes x' = line - middle: writes c + bias, four codes every `apart` bytes, and returns s. `squares` become those of x, of x' and, in
 * units of s, of what the codes lost; behind them is the sum of the codes. */
static inline __attribute__((always_inline)) float code_line(const struct pass *p, const float *line, const float *middle, int top, int bias,
                                                             float least, uint8_t *codes, int64_t apart, double *squares)
{
    const int64_t d = p->table.d;
    floats left = {0}, code_sum = {0};
    struct sums sums = {{0}, {0}, {0}};
    const int64_t whole = d / ROWS * ROWS;
    for (int64_t k = 0; k < whole; k += ROWS) {
        floats x;
        memcpy(&x, line + k, sizeof x);
        move_on(&sums, x, middle ? middle + k : NULL, p->moved + k);
    }
    for (int64_t k = whole; k < p->width; k += ROWS) {
        float some[ROWS] = {0};
        floats x;
        if (k < d)
            memcpy(some, line + k, (size_t)(d - k) * sizeof *line);
        memcpy(&x, some, sizeof x);
        move_on(&sums, x, middle ? middle + k : NULL, p->moved + k);
    }
    float each[ROWS], s = 0;
    memcpy(each, &sums.most, sizeof each);
    for (int r = 0; r < ROWS; r++)
        s = each[r] > s ? each[r] : s;
    s /= (float)top;
    s = s > least ? s : least;
    const float inverse = 1 / s;
    for (int64_t k = 0; k < p->width; k += ROWS) {
        floats x, rounded;
        ints bits;
        uint8_t bytes[ROWS];
        memcpy(&x, p->moved + k, sizeof x);
        x *= inverse;
        rounded = x + ROUNDER;
        memcpy(&bits, &rounded, sizeof bits);
        rounded -= ROUNDER;
        code_sum += rounded;
        x -= rounded;
        left = fused(x, x, left);
        last_bytes(bits + bias, bytes);
        for (int g = 0; g < ROWS / 4; g++)
            memcpy(codes + (k / 4 + g) * apart, bytes + 4 * g, 4);
    }
    squares[0] = total(sums.own);
    squares[1] = total(sums.square);
    squares[2] = total(left);
    squares[3] = total(code_sum);
    return s;
}

/* A bound of |x' - s c|: x' was rounded, and divided by s. */
static inline double lost_of(const struct pass *p, float s, const double *squares, double moved)
{
    return (s * sqrt(squares[2]) * (1 + p->unit) + 0x1p-21 * moved + p->away) * UP;
}

/* Takes in rows row..row+count-1; returns 0 where one is not finite, or so long or short that float32 sums say little of it. */
static int take(const struct pass *p, int64_t row, int64_t count, struct held *h)
{
    const struct table *t = &p->table;
    for (int64_t r = 0; r < count; r++) {
        const unsigned char *x = t->rows + (row + r) * t->stride;
        float *line = h->lifted + r * p->width;
        double squares[4];
        if (row + r + AHEAD < p->last)
            fetch(t, row + r + AHEAD);
        switch (t->type) {
        case FLOAT32: line = (float *)x; break;
        case FLOAT64: lift(x, t->d, p->width, FLOAT64, 8, line); break;
        case FLOAT16: lift(x, t->d, p->width, FLOAT16, 2, line); break;
        default: lift(x, t->d, p->width, BFLOAT16, 2, line);
        }
        const float s = code_line(p, line, p->middle, TOP, TOP + 1, 1e-30f,
                                  h->codes + (r / BLOCK * p->groups * BLOCK + r % BLOCK) * 4, BLOCK * 4, squares);
        if (!(*squares >= LEAST * LEAST && *squares <= 1 / (LEAST * LEAST))) {
            if (!is_zero(x, t->d, t->type))
                return 0;
            *squares = 0;
        }
        const double length = sqrt(*squares), off = t->type == FLOAT64 ? 0x1p-23 * length : 0, root = sqrt(squares[1]);
        const double moved = root * (1 + p->unit) + p->away + off, least = root * (1 - p->unit - 0x1p-22) - off;
        const double factor = t->measure != COSINE ? 1 : length > 0 ? 1 / length : 0;
        h->length[r] = length;
        h->scale[r] = (float)(s * factor);
        h->lost[r] = (float)((lost_of(p, s, squares, moved) + off) * factor * UP);
        h->reach[r] = (float)((moved + 1e-6 * length) * factor * UP); /* 2^-20 of which allows for what float64 sums round */
        h->factor[r] = (float)factor;
        h->addend[r] = least > 0 ? (float)(-least * least / 2 * (1 - 0x1p-19)) : 0;
    }
    return 1;
}

/* Codes the queries; returns 0 where one is not finite, or so long or short that float32 sums say little of it. */
static int ask(const struct pass *p, const double *middle, struct queries *a)
{
    const int64_t d = p->table.d;
    const int difference = p->table.measure == DIFFERENCE;
    float *line = p->moved; /* of a query that is moved; may become what code_line moves */
    for (int64_t i = 0; i < a->q; i++) {
        const double *query = a->given + i * d;
        const double length = sqrt(pair(query, (const unsigned char *)query, d, 0, FLOAT64, 8));
        if (!(length >= 1 / FARTHEST && length <= FARTHEST) && !is_zero((const unsigned char *)query, d, FLOAT64))
            return 0;
        float *own = a->rounded + i * p->width, *t = a->terms + 4 * i;
        uint8_t *codes = (uint8_t *)(a->codes + i / TILE * p->groups * TILE + i % TILE);
        double squares[4];
        a->length[i] = length;
        a->off[i] = round_query(query, d, own);
        a->constant[i] = pair(query, (const unsigned char *)middle, d, 0, FLOAT64, 8);
        a->square[i] = difference ? pair(query, (const unsigned char *)middle, d, 1, FLOAT64, 8) : 0;
        if (difference)
            for (int64_t k = 0; k < d; k++)
                line[k] = (float)(query[k] - middle[k]);
        const float s = code_line(p, difference ? line : own, NULL, SURE, 0, 1e-20f, codes, TILE * 4, squares);
        const double moved = sqrt(squares[1]) * (1 + p->unit) + p->away, lost = lost_of(p, s, squares, moved) / s;
        const double kept = moved / s + lost, share = 0x1p-20 + 2 * p->unit, constant = a->constant[i] / s;
        a->offset[i] = (TOP + 1) * (int32_t)squares[3];
        a->scale[i] = s;
        t[0] = (float)(kept * UP);
        t[1] = (float)((lost + share * (kept + lost)) * UP);
        t[2] = (float)(constant + share * fabs(constant));
        t[3] = 1 / s;
        a->threshold[i] = length == 0 && !difference ? INFINITY : -INFINITY; /* all keys of a zero vector are the same */
    }
    for (int64_t i = a->q; i % TILE; i++)
        a->threshold[i] = INFINITY;
    return 1;
}

#endif
