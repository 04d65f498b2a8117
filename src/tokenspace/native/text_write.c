/* Rows of a text table, written: "token 0.1 -2e-05 ...\n", each float32 with the fewest digits that read back as the same float32.
 *
 * Digits are tried from one up; each try is read back with the arithmetic of decimal.h before it is believed, so that a wrong guess can
 * only cost a longer number. The layout is that of Python's repr: positional from 1e-4 to below 1e16. The twin is in reference_text.py. */
#include "decimal.h"

enum { WIDEST = 24 }; /* "-1234567890123456.0" and its space, rounded up */

/* Find the shortest digits m and power e with float32(m * 10^e) == x; 0 where nine digits and decimal.h do not reach. */
static int shortest(float x, uint64_t *m, int *e)
{
    double wide = x, value;
    int power = 0; /* 10^power <= wide < 10^(power + 1), as far as 1e-14 */
    if (wide >= TENS[22])
        return 0;
    if (wide >= 1)
        while (wide >= TENS[power + 1])
            power++;
    else
        while (power > -14 && wide * TENS[-power] < 1)
            power--;
    for (int digits = 1; digits <= 9; digits++) {
        *e = power + 1 - digits;
        if (*e < -22 || *e > 22)
            return 0;
        *m = (uint64_t)rint(*e < 0 ? wide * TENS[-*e] : wide / TENS[*e]);
        if (scaled(*m, *e, &value) == READ && (float)value == x)
            break;
    }
    if (scaled(*m, *e, &value) != READ || (float)value != x)
        return 0;
    for (; *m && *m % 10 == 0; *m /= 10)
        ++*e;
    return 1;
}

/* Write x at p; returns the end, or 0 where it takes more than this kernel knows. */
static uint8_t *spell(float x, uint8_t *p)
{
    uint64_t m = 0;
    int e = 0, count = 0;
    uint8_t digits[20];
    if (signbit(x))
        *p++ = '-';
    x = fabsf(x);
    if (x != 0 && !(x < INFINITY && shortest(x, &m, &e)))
        return 0;
    uint64_t left = m;
    do
        digits[count++] = '0' + left % 10; /* last digit first */
    while (left /= 10);
    int power = count - 1 + e; /* of ten, of the first digit */
    if (power < -4 || power >= 16) {
        *p++ = digits[--count];
        if (count > 0)
            *p++ = '.';
        while (count > 0)
            *p++ = digits[--count];
        *p++ = 'e';
        *p++ = power < 0 ? '-' : '+';
        power = power < 0 ? -power : power;
        *p++ = '0' + power / 10;
        *p++ = '0' + power % 10;
        return p;
    }
    for (int k = 0; k <= power; k++)
        *p++ = count > 0 ? digits[--count] : '0';
    if (power < 0)
        *p++ = '0';
    *p++ = '.';
    for (int k = -1; k > power; k--)
        *p++ = '0';
    do
        *p++ = count > 0 ? digits[--count] : '0';
    while (count > 0);
    return p;
}

/* Write rows begin..end-1 of the matrix (stride bytes apart) with their tokens into out, which has `room` bytes. Returns the row it
 * stopped in front of: `end`, or one that may not fit, or one with a number out of reach. state: the bytes written. */
int64_t ts_text_write(const float *matrix, int64_t stride, int64_t d, const uint8_t *data, const int64_t *offsets, int64_t begin,
                      int64_t end, uint8_t *out, int64_t room, int64_t *state)
{
    uint8_t *p = out;
    state[0] = 0;
    for (int64_t row = begin; row < end; row++) {
        int64_t length = offsets[row + 1] - offsets[row];
        if (out + room - p < length + 1 + d * WIDEST)
            return row;
        memcpy(p, data + offsets[row], (size_t)length);
        p += length;
        const uint8_t *numbers = (const uint8_t *)matrix + row * stride;
        for (int64_t k = 0; k < d; k++) {
            float x;
            memcpy(&x, numbers + 4 * k, 4);
            *p++ = ' ';
            if (!(p = spell(x, p)))
                return row;
        }
        *p++ = '\n';
        state[0] = p - out;
    }
    return end;
}
