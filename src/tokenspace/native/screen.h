/* What the screens share: vectors of keys, and the rows that may still be among a query's k best.
 *
 * A screen gives each row a lower and an upper bound of its key. The k best lower bounds stand in a heap whose least is the
 * threshold: a row whose upper bound is below it is not among the k best. All memory is the caller's. */
#ifndef TOKENSPACE_SCREEN_H
#define TOKENSPACE_SCREEN_H

#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

/* Rows a vector holds, and queries whose sums the registers hold beside it. */
#if defined(__AVX512BW__)
enum { ROWS = 16, TILE = 12 };
#elif defined(__AVX2__)
enum { ROWS = 8, TILE = 6 };
#else
enum { ROWS = 4, TILE = 4 };
#endif
enum { BLOCK = 16, PANEL = 16 }; /* rows a block, and blocks a panel, which stays in the cache while the queries pass */

typedef float floats __attribute__((vector_size(4 * ROWS)));
typedef uint8_t bytes4 __attribute__((vector_size(4 * ROWS)));

struct candidates {
    int64_t k, room;
    float *lower;   /* (q, k): a heap of lower bounds, the least in front; starts at minus infinity */
    float *upper;   /* (q, room): upper bounds of the rows kept */
    int32_t *row;   /* (q, room): those rows, counted from the first of this call */
    int32_t *count; /* (q): how many */
};

/* x y + sum, rounded once where the processor does that. */
static inline __attribute__((always_inline)) floats fused(floats x, floats y, floats sum)
{
#if defined(__AVX512BW__)
    return (floats)_mm512_fmadd_ps((__m512)x, (__m512)y, (__m512)sum);
#elif defined(__AVX2__)
    return (floats)_mm256_fmadd_ps((__m256)x, (__m256)y, (__m256)sum);
#else
    return sum + x * y;
#endif
}

/* The numbers added up, halves on halves. */
static inline __attribute__((always_inline)) double total(floats sum)
{
#if defined(__AVX512BW__)
    return _mm512_reduce_add_ps((__m512)sum);
#else
    float each[ROWS];
    memcpy(each, &sum, sizeof each);
    for (int step = ROWS / 2; step; step /= 2)
        for (int r = 0; r < step; r++)
            each[r] += each[r + step];
    return each[0];
#endif
}

/* Bit r says whether keys[r] >= threshold. */
static inline __attribute__((always_inline)) uint32_t reaching(floats keys, float threshold)
{
#if defined(__AVX512BW__)
    return _mm512_cmp_ps_mask((__m512)keys, _mm512_set1_ps(threshold), _CMP_GE_OQ);
#elif defined(__AVX2__)
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps((__m256)keys, _mm256_set1_ps(threshold), _CMP_GE_OQ));
#else
    uint32_t bits = 0;
    for (int r = 0; r < ROWS; r++)
        bits |= (uint32_t)(keys[r] >= threshold) << r;
    return bits;
#endif
}

/* Puts a lower bound into the heap in place of its least. */
static inline void raise_threshold(float *heap, int64_t k, float lower)
{
    int64_t at = 0;
    for (int64_t child; (child = 2 * at + 1) < k; at = child) {
        child += child + 1 < k && heap[child + 1] < heap[child];
        if (!(heap[child] < lower))
            break;
        heap[at] = heap[child];
    }
    heap[at] = lower;
}

/* Keeps a row if its upper bound reaches the threshold; `slack` is the distance of its lower bound from it. */
static inline __attribute__((always_inline)) void keep_row(const struct candidates *kept, int64_t query, int32_t row, float upper, float slack)
{
    float *heap = kept->lower + query * kept->k;
    if (!(upper >= heap[0]))
        return;
    const int64_t place = query * kept->room + kept->count[query]++;
    kept->upper[place] = upper;
    kept->row[place] = row;
    if (upper - slack > heap[0])
        raise_threshold(heap, kept->k, upper - slack);
}

/* Keeps the rows from `row` on whose bits are set; upper[r] and slack[r] are the bound and its distance from the lower one. */
static __attribute__((noinline, unused)) void keep(const struct candidates *kept, int64_t query, int64_t row, uint32_t bits, floats upper, floats slack)
{
    for (; bits; bits &= bits - 1) {
        const int r = __builtin_ctz(bits);
        keep_row(kept, query, (int32_t)(row + r), upper[r], slack[r]);
    }
}

/* Makes room for a panel's rows by dropping those that fell below the threshold; 0 where a query's do not fit: then the caller
 * has to settle what is kept before the screen can go on. */
static inline int make_room(const struct candidates *kept, int64_t q)
{
    for (int64_t query = 0; query < q; query++) {
        int32_t *count = kept->count + query, *rows = kept->row + query * kept->room, left = 0;
        float *uppers = kept->upper + query * kept->room, least = kept->lower[query * kept->k];
        if (*count + BLOCK * PANEL <= kept->room)
            continue;
        for (int32_t i = 0; i < *count; i++)
            if (uppers[i] >= least) {
                uppers[left] = uppers[i];
                rows[left++] = rows[i];
            }
        *count = left;
        if (left + BLOCK * PANEL > kept->room)
            return 0;
    }
    return 1;
}

#endif
