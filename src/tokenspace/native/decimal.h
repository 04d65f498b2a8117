/* A decimal number in text, read exactly as Python's float reads it: rounded once, half to even, without the C library, whose strtod
 * listens to the locale. Up to 19 digits and exponents of ten within 27 are worked out with integers of 128 bits; anything else is
 * called hard and left to the caller. */
#ifndef TOKENSPACE_DECIMAL_H
#define TOKENSPACE_DECIMAL_H
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { MALFORMED, READ, HARD };

static const double TENS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                              1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* m * 10^e, rounded once, half to even. */
static inline int scaled(uint64_t m, int64_t e, double *value)
{
    if (m < UINT64_C(1) << 53 && e >= -22 && e <= 22) { /* both exact, so one rounding (Clinger 1990) */
        *value = e < 0 ? (double)m / TENS[-e] : (double)m * TENS[e];
        return READ;
    }
    if (m == 0) {
        *value = 0;
        return READ;
    }
#ifdef __SIZEOF_INT128__
    if (e >= -27 && e <= 27) { /* 5^27 is the last power of five below 2^63 */
        uint64_t five = 1;
        for (int64_t i = e < 0 ? -e : e; i > 0; i--)
            five *= 5;
        unsigned __int128 wide = m;
        int shift = 0, rest = 0;
        if (e < 0) {
            shift = 64 + __builtin_clzll(m);
            wide <<= shift;
            unsigned __int128 quotient = wide / five;
            rest = quotient * five != wide;
            wide = quotient;
        } else {
            wide *= five;
        }
        uint64_t high = (uint64_t)(wide >> 64);
        int drop = (high ? 128 - __builtin_clzll(high) : 64 - __builtin_clzll((uint64_t)wide)) - 53;
        if (drop > 0) {
            unsigned __int128 cut = wide & (((unsigned __int128)1 << drop) - 1), half = (unsigned __int128)1 << (drop - 1);
            wide >>= drop;
            wide += cut > half || (cut == half && (rest || (wide & 1)));
        } else {
            drop = 0;
        }
        *value = ldexp((double)(uint64_t)wide, drop - shift + (int)e);
        return READ;
    }
#endif
    return HARD;
}

enum { QUICK_REACH = 32 }; /* bytes that quick() may look at, past the field's end too */

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* Of eight bytes, each digit's 0x30 taken off: the highest bit of the first that is no digit, and of some after it. */
static inline uint64_t no_digits(uint64_t eight)
{
    return ((eight + UINT64_C(0x7676767676767676)) | eight) & UINT64_C(0x8080808080808080);
}

/* The number that the first `count` of eight digits make, 1..8. */
static inline uint32_t joined(uint64_t eight, int count)
{
    eight <<= 64 - 8 * count; /* zeros in front */
    eight = eight * 10 + (eight >> 8);
    return (uint32_t)(((eight & UINT64_C(0xff000000ff)) * UINT64_C(0xf424000000064) +
                       ((eight >> 16) & UINT64_C(0xff000000ff)) * UINT64_C(0x271000000001)) >>
                      32);
}

/* quick() for any number of digits on either side of the point. */
static int quick_long(const uint8_t *p, const uint8_t *end, const uint8_t **at, double *value)
{
    static const uint64_t POWERS[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    int minus = *p == '-', places = 0;
    uint64_t m = 0;
    p += minus;
    const uint8_t *first = p;
    for (; (unsigned)*p - '0' <= 9 && p - first < 7; p++)
        m = m * 10 + (*p - '0');
    if (p == first || *p != '.')
        return MALFORMED;
    p++;
    for (int count = 8; count == 8 && places <= 8; p += count, places += count) {
        uint64_t eight, wrong;
        memcpy(&eight, p, 8);
        eight ^= UINT64_C(0x3030303030303030);
        wrong = no_digits(eight);
        count = wrong ? __builtin_ctzll(wrong) >> 3 : 8;
        if (!count)
            break;
        if (m > (places ? UINT64_C(90071991) : UINT64_C(9999999))) /* so that m stays below 2^53: (2^53 - 10^8) / 10^8, seven digits */
            return MALFORMED;
        m = m * POWERS[count] + joined(eight, count);
    }
    if (p > end || (p < end && *p != ' ' && *p != '\t'))
        return MALFORMED;
    *at = p;
    *value = (double)m / TENS[places];
    if (minus)
        *value = -*value;
    return READ;
}
#endif

/* The same as number() for what tables are full of, "-0.12345": a sign, up to 7 digits, a point and up to 16 digits. One digit, a point
 * and up to 6 are taken at once, without a branch that looks at them. MALFORMED says only that number() has to look. The value is finite
 * in float32 too. A third faster on GloVe than the long way, which is twice as fast as number(). */
static inline int quick(const uint8_t *p, const uint8_t *end, const uint8_t **at, double *value)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    static const double TENTHS[2][7] = {{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6}, {-1e0, -1e1, -1e2, -1e3, -1e4, -1e5, -1e6}};
    uint64_t eight, after;
    memcpy(&eight, p, 8);
    memcpy(&after, p + 1, 8);
    const int minus = (uint8_t)eight == '-';
    eight ^= (eight ^ after) & -(uint64_t)minus; /* half of all numbers are negative, so a branch would be foreseen half of the time */
    eight ^= UINT64_C(0x3030303030302e30);
    const uint64_t wrong = no_digits(eight);
    const int places = __builtin_ctzll(wrong >> 16 | UINT64_C(1) << 55) >> 3; /* the point is no digit wanted; six fill the eight bytes */
    const uint8_t *stop = p + minus + 2 + places;
    if ((wrong & 0x80) || (eight & 0xff00) || !places || stop > end || (stop < end && *stop != ' ' && *stop != '\t'))
        return quick_long(p, end, at, value);
    eight = (eight & ~UINT64_C(0xffff)) | (eight & 0xff) << 8; /* the digit in the point's place */
    *at = stop;
    *value = (double)joined(eight, places + 2) / TENTHS[minus][places];
    return READ;
#else
    (void)p, (void)end, (void)at, (void)value;
    return MALFORMED;
#endif
}

/* Read the number that fills [p, field end); *at becomes the field's end: the next space or tab, or `end`. */
static inline int number(const uint8_t *p, const uint8_t *end, const uint8_t **at, double *value)
{
    int minus = p < end && *p == '-', digits = 0, status;
    uint64_t m = 0;
    int64_t e = 0, power = 0, surplus = 0;
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    const uint8_t *first = p, *point = 0;
    for (; p < end; p++) {
        unsigned digit = (unsigned)*p - '0';
        if (digit > 9) {
            if (*p != '.' || point)
                break;
            point = p;
        } else if (digits < 19) {
            m = m * 10 + digit;
            digits += m != 0;
        } else {
            surplus++;
        }
    }
    if (p - first - (point != 0) < 1)
        return MALFORMED;
    if (point)
        e = point + 1 - p;
    if (p < end && (*p | 32) == 'e') {
        int down = ++p < end && *p == '-';
        if (p < end && (*p == '-' || *p == '+'))
            p++;
        const uint8_t *exponent = p;
        for (; p < end && (unsigned)*p - '0' <= 9; p++)
            power = power < 100000 ? power * 10 + (*p - '0') : power;
        if (p == exponent)
            return MALFORMED;
        e += down ? -power : power;
    }
    if (p < end && *p != ' ' && *p != '\t')
        return MALFORMED;
    *at = p;
    status = surplus ? HARD : scaled(m, e, value);
    if (minus)
        *value = -*value;
    return status;
}

/* Whether [p, end) is "nan" or "inf", with or without a sign, in any case. */
static inline int nonfinite(const uint8_t *p, const uint8_t *end)
{
    p += p < end && (*p == '-' || *p == '+');
    if (end - p != 3)
        return 0;
    uint8_t word[3] = {p[0] | 32, p[1] | 32, p[2] | 32};
    return !memcmp(word, "nan", 3) || !memcmp(word, "inf", 3);
}
#endif
