/* A wave of co-occurrences on its way to training: chosen segments of the counts, brought into tasks whose words do not meet, and mixed.
 *
 * Each word belongs to a stripe. A record of words i and j belongs to the task of their two stripes; tasks that run at one time have no stripe
 * in common, so no two threads move the same row, and the result does not depend on their number. The twins are in reference_glove. */
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

INLINE uint64_t mixed(uint64_t x) /* splitmix64; Steele, Lea and Flood, OOPSLA 2014 */
{
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

/* The natural logarithm of a normal number, to about 1e-13: m 2^e with m in 0.7..1.4, and atanh's series. */
INLINE double logarithm(double x)
{
    int64_t bits;
    double m;
    memcpy(&bits, &x, sizeof bits);
    int64_t e = (bits - 0x3fe6a09e667f3bcdll) >> 52; /* sqrt(1/2) is where the exponent rises */
    bits -= (int64_t)((uint64_t)e << 52);
    memcpy(&m, &bits, sizeof m);
    double s = (m - 1) / (m + 1), z = s * s;
    double sum = 1. / 3 + z * (1. / 5 + z * (1. / 7 + z * (1. / 9 + z * (1. / 11 + z * (1. / 13 + z * (1. / 15))))));
    return (double)e * 0x1.62e42fefa39efp-1 + (2 * s + 2 * s * (z * sum));
}

/* e^y for y in -700..0, to about 1e-13. */
INLINE double exponential(double y)
{
    int64_t e = (int64_t)(y * 0x1.71547652b82fep0 - 0.5);
    double r = y - (double)e * 0x1.62e42fefa39efp-1, power = 1, scale;
    for (int k = 13; k > 0; k--)
        power = 1 + r / k * power;
    int64_t bits = (e + 1023) << 52;
    memcpy(&scale, &bits, sizeof scale);
    return power * scale;
}

/* Whether a record is kept out of training to measure it. */
INLINE int is_held(int64_t i, int64_t j, uint64_t seed, uint64_t held)
{
    return held && mixed(seed ^ ((uint64_t)i << 32 | (uint64_t)j)) < held;
}

/* Segments of the counts, one after the other: records first[k] .. first[k] + size[k], which begin in row[k]; column and count, a float32, alternate.
 * Taken are those that are held out, or the others. Without `pairs`, next[t] counts the records of task t; with it, it is where the next
 * one goes. */
void ts_glove_gather(const int64_t *first, const int64_t *size, const int64_t *row, int64_t segments, const int64_t *ends,
                     const int32_t *entries, const uint8_t *stripes, const int32_t *tasks, int64_t n_stripes,
                     uint64_t seed, uint64_t held, int32_t wanted, double x_max, double alpha, int64_t *next, int32_t *pairs,
                     float *terms)
{
    double log_most = logarithm(x_max);
    for (int64_t k = 0, at = 0; k < segments; k++) {
        int64_t i = row[k];
        for (int64_t whole = first[k]; whole < first[k] + size[k]; whole++, at++) {
            while (whole >= ends[i])
                i++;
            int64_t j = entries[2 * at];
            if (is_held(i, j, seed, held) != wanted)
                continue;
            int64_t place = next[tasks[stripes[i] * n_stripes + stripes[j]]]++;
            if (!pairs)
                continue;
            float x;
            memcpy(&x, entries + 2 * at + 1, sizeof x);
            double log_x = logarithm(x);
            pairs[2 * place] = (int32_t)i;
            pairs[2 * place + 1] = (int32_t)j;
            terms[2 * place] = (float)log_x;
            terms[2 * place + 1] = x < x_max ? (float)exponential(alpha * (log_x - log_most)) : 1;
        }
    }
}

/* Mix the records of each task among themselves (Fisher and Yates). */
void ts_glove_mix(const int64_t *bounds, int64_t tasks, uint64_t seed, int64_t *pairs, int64_t *terms)
{
    for (int64_t t = 0; t < tasks; t++)
        for (int64_t last = bounds[t + 1] - 1; last > bounds[t]; last--) {
            uint64_t span = (uint64_t)(last - bounds[t] + 1);
            int64_t at = bounds[t] + (int64_t)(((mixed(seed + (uint64_t)last) >> 32) * span) >> 32);
            int64_t pair = pairs[at], term = terms[at];
            pairs[at] = pairs[last], pairs[last] = pair;
            terms[at] = terms[last], terms[last] = term;
        }
}
