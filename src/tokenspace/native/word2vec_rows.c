/* Rows of a word2vec binary table: "token" 0x20 d float32 (little-endian), with or without a 0x0A in front of the token.
 *
 * Where a row begins depends on every token before it, so finding the rows is one thread's work and touches a few bytes of each; copying
 * them is everyone's. A row that breaks a rule is not described here: the kernel stops in front of it. The twins are in
 * reference_text.py. */
#include <stdint.h>
#include <string.h>

enum { MAX_TOKEN = 65536, AHEAD = 16 }; /* rows ahead whose memory is sent for: no cache foresees steps of a kilobyte */

/* Find `rows` rows from byte `at` on; starts and lengths are their tokens' bytes. Returns how many there are, at most `rows`;
 * state: the first byte after the last of them. */
int64_t ts_word2vec_rows(const uint8_t *bytes, int64_t size, int64_t at, int64_t d, int64_t rows, int64_t *starts, int64_t *lengths,
                         int64_t *state)
{
    int64_t row = 0;
    for (; row < rows; row++) {
        if (4 * d + 8 < (size - at) / AHEAD)
            __builtin_prefetch(bytes + at + AHEAD * (4 * d + 8)); /* about there, if tokens are as long as words are */
        int64_t start = at + (at < size && bytes[at] == '\n');
        int64_t look = size - start < MAX_TOKEN + 1 ? size - start : MAX_TOKEN + 1;
        const uint8_t *space = look > 0 ? memchr(bytes + start, ' ', (size_t)look) : 0;
        if (!space || (size - (space + 1 - bytes)) / 4 < d)
            break;
        starts[row] = start;
        lengths[row] = space - (bytes + start);
        at = space + 1 - bytes + 4 * d;
    }
    state[0] = at;
    return row;
}

/* Copy the d float32 numbers after each token in rows begin..end-1 into out (rows x d); returns the first row that holds NaN or
 * infinity, or `end`. */
int64_t ts_word2vec_copy(const uint8_t *bytes, const int64_t *starts, const int64_t *lengths, int64_t d, int64_t begin, int64_t end,
                         float *out)
{
    for (int64_t row = begin; row < end; row++) {
        const uint8_t *from = bytes + starts[row] + lengths[row] + 1;
        memcpy(out + row * d, from, (size_t)d * 4);
        uint32_t bad = 0;
        for (int64_t k = 0; k < d; k++) { /* of what was read: what was written is not in the cache before it has gone to it */
            uint32_t bits;
            memcpy(&bits, from + 4 * k, 4);
            bad |= (bits & UINT32_C(0x7f800000)) == UINT32_C(0x7f800000); /* all exponent bits set: NaN or infinity */
        }
        if (bad)
            return row;
    }
    return end;
}

/* Put n pieces of `bytes`, which begin at starts[i], end to end: piece i fills out[offsets[i]..offsets[i + 1]-1]. */
void ts_gather(const uint8_t *bytes, const int64_t *starts, const int64_t *offsets, int64_t n, uint8_t *out)
{
    for (int64_t i = 0; i < n; i++)
        memcpy(out + offsets[i], bytes + starts[i], (size_t)(offsets[i + 1] - offsets[i]));
}

/* How many 0x0A there are in bytes begin..end-1. */
int64_t ts_count_lines(const uint8_t *bytes, int64_t begin, int64_t end)
{
    int64_t lines = 0;
    for (const uint8_t *p = bytes + begin, *last = bytes + end; p < last && (p = memchr(p, '\n', (size_t)(last - p))); p++)
        lines++;
    return lines;
}
