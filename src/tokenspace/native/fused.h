/* Vectors of float32 that multiply and add with one rounding; their halves lifted to float64, and those rounded again.
 *
 * A fused multiply-add rounds the same way on every processor, so that every build gives the same bits; asked for by name, since the
 * build passes -ffp-contract=off. Plain vector types have no name for it. Where the processor has none, the C library works it out.
 *
 * The float64 one, `add_exact`, is for factors that were float32: their product is exact in float64, so that multiplying first and
 * adding then gives the same bits. `clipped` leaves NaN as it is. */
#ifndef TOKENSPACE_FUSED_H
#define TOKENSPACE_FUSED_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#include <immintrin.h>
#define LANES 16
typedef __m512 narrow;
typedef __m512d wide;
INLINE narrow each(float x) { return _mm512_set1_ps(x); }
INLINE narrow fused(narrow x, narrow y, narrow z) { return _mm512_fmadd_ps(x, y, z); }
INLINE wide lower(narrow x) { return _mm512_cvtps_pd(_mm512_castps512_ps256(x)); }
INLINE wide upper(narrow x) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1)); }
INLINE wide lifted(const float *x) { return _mm512_cvtps_pd(_mm256_loadu_ps(x)); }
INLINE wide add_exact(double x, wide y, wide z) { return _mm512_fmadd_pd(_mm512_set1_pd(x), y, z); }
INLINE wide clipped(wide x, double limit) { return _mm512_min_pd(_mm512_set1_pd(limit), _mm512_max_pd(_mm512_set1_pd(-limit), x)); }
INLINE void put(float *out, wide x) { _mm256_storeu_ps(out, _mm512_cvtpd_ps(x)); }
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define LANES 8
typedef __m256 narrow;
typedef __m256d wide;
INLINE narrow each(float x) { return _mm256_set1_ps(x); }
INLINE narrow fused(narrow x, narrow y, narrow z) { return _mm256_fmadd_ps(x, y, z); }
INLINE wide lower(narrow x) { return _mm256_cvtps_pd(_mm256_castps256_ps128(x)); }
INLINE wide upper(narrow x) { return _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)); }
INLINE wide lifted(const float *x) { return _mm256_cvtps_pd(_mm_loadu_ps(x)); }
INLINE wide add_exact(double x, wide y, wide z) { return _mm256_fmadd_pd(_mm256_set1_pd(x), y, z); }
INLINE wide clipped(wide x, double limit) { return _mm256_min_pd(_mm256_set1_pd(limit), _mm256_max_pd(_mm256_set1_pd(-limit), x)); }
INLINE void put(float *out, wide x) { _mm_storeu_ps(out, _mm256_cvtpd_ps(x)); }
#elif defined(__aarch64__)
#include <arm_neon.h>
#define LANES 4
typedef float32x4_t narrow;
typedef float64x2_t wide;
INLINE narrow each(float x) { return vdupq_n_f32(x); }
INLINE narrow fused(narrow x, narrow y, narrow z) { return vfmaq_f32(z, x, y); }
INLINE wide lower(narrow x) { return vcvt_f64_f32(vget_low_f32(x)); }
INLINE wide upper(narrow x) { return vcvt_high_f64_f32(x); }
INLINE wide lifted(const float *x) { return vcvt_f64_f32(vld1_f32(x)); }
INLINE wide add_exact(double x, wide y, wide z) { return vfmaq_n_f64(z, y, x); }
INLINE wide clipped(wide x, double limit) { return vminq_f64(vmaxq_f64(x, vdupq_n_f64(-limit)), vdupq_n_f64(limit)); }
INLINE void put(float *out, wide x) { vst1_f32(out, vcvt_f32_f64(x)); }
#else
#define LANES 4
typedef float narrow __attribute__((vector_size(16)));
typedef double wide __attribute__((vector_size(16)));
INLINE narrow each(float x) { return (narrow){x, x, x, x}; }
INLINE narrow fused(narrow x, narrow y, narrow z)
{
    for (int i = 0; i < LANES; i++)
        z[i] = fmaf(x[i], y[i], z[i]);
    return z;
}
INLINE wide lower(narrow x) { return (wide){x[0], x[1]}; }
INLINE wide upper(narrow x) { return (wide){x[2], x[3]}; }
INLINE wide lifted(const float *x) { return (wide){x[0], x[1]}; }
INLINE wide add_exact(double x, wide y, wide z) { return x * y + z; }
INLINE wide clipped(wide x, double limit)
{
    for (int i = 0; i < 2; i++)
        x[i] = x[i] > limit ? limit : x[i] < -limit ? -limit : x[i];
    return x;
}
INLINE void put(float *out, wide x)
{
    out[0] = (float)x[0];
    out[1] = (float)x[1];
}
#endif

#endif
