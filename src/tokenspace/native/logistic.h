/* The logistic function s(z) = 1/(1 + exp(-z)), exact to float32's rounding and without a table, and the logarithm of many of its values.
 *
 * The twin is in reference_training.py. */
#ifndef TOKENSPACE_LOGISTIC_H
#define TOKENSPACE_LOGISTIC_H
#include <math.h>
#include <stdint.h>
#include <string.h>

/* For n products z = -y f: chance = s(y f), share = s(-y f). exp is cephes' polynomial, 2 ulp; |z| is held to 87. The arrays have room for
 * a multiple of 16, and are filled up to it: numbers left over are slower done alone than with the others. */
static void sigmoids(int64_t n, float *z, float *chance, float *share)
{
    while (n % 16)
        z[n++] = 0;
    for (int64_t i = 0; i < n; i++) {
        float x = z[i] > 87.0f ? 87.0f : z[i] < -87.0f ? -87.0f : z[i];
        float shifted = x * 1.44269504f + 12582912.0f, whole = shifted - 12582912.0f; /* 1.5 * 2^23: rounds to an integer */
        float r = __builtin_fmaf(whole, 2.12194440e-4f, __builtin_fmaf(whole, -0.693359375f, x)), y = 1.9875691500e-4f;
        y = __builtin_fmaf(y, r, 1.3981999507e-3f);
        y = __builtin_fmaf(y, r, 8.3334519073e-3f);
        y = __builtin_fmaf(y, r, 4.1665795894e-2f);
        y = __builtin_fmaf(y, r, 1.6666665459e-1f);
        y = __builtin_fmaf(y, r, 5.0000001201e-1f);
        y = __builtin_fmaf(y, r * r, r) + 1.0f;
        int32_t bits;
        memcpy(&bits, &shifted, sizeof bits);
        bits = (int32_t)((uint32_t)(bits - 0x4b400000 + 127) << 23);
        float power;
        memcpy(&power, &bits, sizeof power);
        float e = y * power, p = 1.0f / (1.0f + e);
        chance[i] = p;
        share[i] = e * p;
    }
}

/* A product of chances, mantissa 2^exponent: its logarithm is taken once, in the end, where each one's would cost as much as its exp. */
typedef struct {
    double mantissa, exponent;
    int broken; /* one was not a number */
} chances;

/* Multiply the product of the chances by those of a row. */
static inline void multiply(chances *all, const float *chance, int64_t k)
{
    for (int64_t first = 0; first < k; first += 6) { /* six are 1e-228 at the least */
        double product = all->mantissa;
        uint64_t bits;
        for (int64_t c = first; c < k && c < first + 6; c++)
            product *= chance[c];
        all->broken |= !(product > 0);
        memcpy(&bits, &product, sizeof bits);
        all->exponent += (double)((int64_t)(bits >> 52) - 1023);
        bits = (bits & UINT64_C(0xfffffffffffff)) | UINT64_C(1023) << 52;
        memcpy(&all->mantissa, &bits, sizeof bits);
    }
}
#endif
