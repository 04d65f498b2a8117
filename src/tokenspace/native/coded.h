/* Rows as 7-bit codes in two planes, and the bounds of their keys.
 *
 * With x' = x - middle = s c + e and q = s' c' + e', <q, x'> differs from s s' <c, c'> by at most |s' c'| |e| + |e'| |x'|. A key is
 * factor · (<q, x'> + constant) + addend: the inner product, the cosine (factor 1/|x|), or half of |q'|^2 - |q' - x'|^2 (addend
 * -|x'|^2 / 2), all divided by s'. The sums are whole numbers and exact; 2^-19 of the terms' sizes covers the float32 that follows.
 *
 * A code c in -60..59 stands as c + 68 = 8 u + v. The plane of the u is half of the bytes and bounds a key by itself, eight times as
 * coarsely: what is lost to it is kept once a panel. */
#include "screen.h"

typedef int32_t ints __attribute__((vector_size(4 * ROWS)));
typedef uint32_t fours __attribute__((vector_size(4 * ROWS))); /* of codes */

struct coded {
    const uint8_t *high;      /* (blocks, (groups + 1) / 2, 16, 4): u of a group, and of the next one times 16; of a last odd one u + 16 v */
    const uint8_t *low;       /* (16 blocks, groups / 2, 4): v likewise, row after row */
    const uint8_t *scales;    /* (16 blocks): s, as the float32 with the bits (code << 20) + base */
    const uint8_t *residuals; /* (16 blocks): |e| <= code · unit · s */
    const uint8_t *coarse;    /* (panels): |x' - 8 s (u - 8)| <= code · 9 unit · s for each row of the panel */
    const float *factor, *addend; /* (16 blocks) or NULL */
    const float *reach;           /* (panels, 3): the largest factor · |x'|, factor and |addend| of each panel */
    int64_t n, groups;
    int32_t base;
    float unit;
};
struct asked {
    const int32_t *codes;  /* (tiles, groups, TILE): four codes each, in -127..127 */
    const int32_t *offset; /* (tiles · TILE): 68 · the sum of a query's codes */
    const float *terms;    /* (tiles · TILE, 5): |s' c'|, |e'|, constant, 1 and |s' c'| + |e'|, all over s' */
    int64_t q;
};
struct row_terms {
    floats scale, factor, addend; /* scale is s · factor */
};

/* Adds the products of codes, four a sum; 2 · 127 · 127 < 2^15, so pairs fit into 16 bits. `query` holds signed bytes. */
static inline __attribute__((always_inline)) ints add_each(ints sum, bytes4 rows, bytes4 query)
{
#if defined(__AVX512VNNI__)
    return (ints)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)rows, (__m512i)query);
#elif defined(__AVX512BW__)
    __m512i pairs = _mm512_maddubs_epi16((__m512i)rows, (__m512i)query);
    return sum + (ints)_mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
#elif defined(__AVX2__)
    __m256i pairs = _mm256_maddubs_epi16((__m256i)rows, (__m256i)query);
    return sum + (ints)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
#else
    int8_t q[4 * ROWS];
    memcpy(q, &query, sizeof q);
    for (int i = 0; i < 4 * ROWS; i += 4)
        sum[i / 4] += rows[i] * q[i] + rows[i + 1] * q[i + 1] + rows[i + 2] * q[i + 2] + rows[i + 3] * q[i + 3];
    return sum;
#endif
}

/* Adds the products of four codes of each row with the same four of a query. */
static inline __attribute__((always_inline)) ints add_products(ints sum, bytes4 rows, int32_t query)
{
    ints each = (ints){0} + query;
    return add_each(sum, rows, (bytes4)each);
}

/* The first bytes from `at` on, a multiple of four of them, and zeros behind. */
static inline __attribute__((always_inline)) fours first_bytes(const uint8_t *at, int64_t count)
{
#if defined(__AVX512BW__)
    return (fours)_mm512_maskz_loadu_epi8(count < 64 ? (1ull << count) - 1 : ~0ull, at);
#else
    fours x = {0};
    if (count >= (int64_t)sizeof x)
        memcpy(&x, at, sizeof x);
    else
        memcpy(&x, at, (size_t)count);
    return x;
#endif
}

/* ROWS bytes as whole numbers. GCC 12 takes a hundred instructions for its own conversion. */
static inline __attribute__((always_inline)) ints widened(const uint8_t *codes)
{
#if defined(__AVX512BW__)
    return (ints)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)codes));
#elif defined(__AVX2__)
    return (ints)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)codes));
#else
    return (ints){codes[0], codes[1], codes[2], codes[3]};
#endif
}

static inline __attribute__((always_inline)) struct row_terms terms_of(const struct coded *x, int64_t at)
{
    struct row_terms t = {.factor = (floats){0} + 1};
    ints bits = (widened(x->scales + at) << 20) + x->base;
    memcpy(&t.scale, &bits, sizeof bits);
    if (x->factor)
        memcpy(&t.factor, x->factor + at, sizeof t.factor);
    if (x->addend)
        memcpy(&t.addend, x->addend + at, sizeof t.addend);
    t.scale *= t.factor;
    return t;
}

/* What a panel's bounds allow for beside what the codes lost. */
static inline float edge_of(const struct coded *x, int64_t block, const float *t)
{
    const float *reach = x->reach + block / PANEL * 3;
    return t[1] * reach[0] + 0x1p-19f * (t[4] * reach[0] + fabsf(t[2]) * reach[1] + t[3] * reach[2]);
}

/* The upper bound, but for the panel's edge, of keys whose codes' products are `sum`. */
static inline __attribute__((always_inline)) floats bound_of(const struct coded *x, ints sum, struct row_terms row, floats slack, const float *t)
{
    floats key = __builtin_convertvector(sum, floats) * row.scale + slack;
    if (x->factor)
        key += row.factor * t[2];
    if (x->addend)
        key += row.addend * t[3];
    return key;
}

/* Bits of the rows from `at` on that are no filling of the last block. */
static inline uint32_t real_rows(const struct coded *x, int64_t at)
{
    return x->n - at >= ROWS ? ~0u : (1u << (x->n > at ? x->n - at : 0)) - 1;
}
