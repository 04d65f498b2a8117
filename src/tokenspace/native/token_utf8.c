/* Which of n tokens is not UTF-8 (RFC 3629): no surrogates, nothing longer than need be, nothing above U+10FFFF, no character cut.
 *
 * The offsets may be a mapped file's that nobody has checked; a token outside the bytes counts as one that is not UTF-8. The twin is in
 * reference.py. */
#include <stdint.h>
#include <string.h>

/* Bytes of the character that begins at p and ends before `end`; 0 where there is none. */
static int64_t character(const uint8_t *p, const uint8_t *end)
{
    const uint8_t lead = p[0];
    const int64_t size = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (size > end - p)
        return 0;
    for (int64_t k = 1; k < size; k++)
        if ((p[k] & 0xc0) != 0x80)
            return 0;
    if (size > 2) /* too long for what it says, a surrogate, or beyond U+10FFFF: the second byte tells */
        if ((lead == 0xe0 && p[1] < 0xa0) || (lead == 0xed && p[1] > 0x9f) || (lead == 0xf0 && p[1] < 0x90) || (lead == 0xf4 && p[1] > 0x8f))
            return 0;
    return size;
}

/* How many of the bytes p[0..most-1], in eights and looked at `LOOK` at the most, come before the first that is not ASCII. */
static int64_t ascii(const uint8_t *p, int64_t most)
{
    enum { LOOK = 1024 };
    int64_t k = 0;
    for (uint64_t eight; k + 8 <= most && k < LOOK; k += 8) {
        memcpy(&eight, p + k, 8);
        if (eight & UINT64_C(0x8080808080808080))
            break;
    }
    return k;
}

/* Returns the first of the tokens begin..n-1 that is not UTF-8, or n. */
int64_t ts_utf8_tokens(const uint8_t *data, int64_t bytes, const int64_t *offsets, int64_t begin, int64_t n)
{
    int64_t from = 0, to = 0; /* bytes from..to-1 are ASCII: most tokens are, and stand one behind the other */
    for (int64_t row = begin; row < n; row++) {
        if (offsets[row] < 0 || offsets[row + 1] < offsets[row] || offsets[row + 1] > bytes)
            return row;
        if (offsets[row] < from || offsets[row + 1] > to) {
            from = offsets[row];
            to = from + ascii(data + from, bytes - from);
        }
        if (offsets[row + 1] <= to)
            continue;
        const uint8_t *p = data + offsets[row], *end = data + offsets[row + 1];
        while (p < end) {
            uint64_t eight;
            if (end - p >= 8 && (memcpy(&eight, p, 8), !(eight & UINT64_C(0x8080808080808080)))) {
                p += 8;
                continue;
            }
            int64_t size = character(p, end);
            if (!size)
                return row;
            p += size;
        }
    }
    return n;
}
