/* Token -> row id by open addressing: a slot holds row id + 1, or 0 where it is free; linear probing from FNV-1a (64 bit, folded).
 *
 * The arrays may be a mapped file that nobody has checked: each slot and each offset is held against its bounds before it is
 * used, and a probe ends after as many steps as there are slots. The twin is in reference.py. */
#include <stdint.h>
#include <string.h>

enum { BLOCK = 32 }; /* tokens whose memory is sent for at once: 16 are 20 % slower, 64 no faster */

static uint64_t hash(const uint8_t *token, int64_t length)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (int64_t i = 0; i < length; i++)
        h = (h ^ token[i]) * UINT64_C(0x100000001b3);
    return h ^ (h >> 32); /* FNV's low bits are its weak ones, and the mask keeps the low bits */
}

/* 1: slot's token equals; 0: differs; -1: the row or its offsets point outside. */
static int equals(const uint8_t *data, int64_t bytes, const int64_t *offsets, int64_t n, int64_t row, const uint8_t *token, int64_t length)
{
    if (row >= n)
        return -1;
    int64_t start = offsets[row], end = offsets[row + 1];
    if (start < 0 || end < start || end > bytes)
        return -1;
    return end - start == length && !memcmp(data + start, token, (size_t)length);
}

/* Hash `count` tokens that stand between offsets[0] and offsets[count] of `tokens`, and send for what the probes will read: each slot,
 * the offsets of the row in it, that row's token. A probe waits for memory three times in a row, and a block of them at once. */
static void ahead(const uint8_t *tokens, const int64_t *offsets, int64_t count, const uint8_t *data, int64_t bytes, const int64_t *bounds,
                  int64_t n, const uint32_t *slots, uint64_t mask, uint64_t *hashes)
{
    for (int64_t i = 0; i < count; i++) {
        hashes[i] = hash(tokens + offsets[i], offsets[i + 1] - offsets[i]);
        __builtin_prefetch(slots + (hashes[i] & mask));
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t row = (int64_t)slots[hashes[i] & mask] - 1;
        if (row >= 0 && row < n)
            __builtin_prefetch(bounds + row);
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t row = (int64_t)slots[hashes[i] & mask] - 1;
        if (row >= 0 && row < n && bounds[row] >= 0 && bounds[row] < bytes)
            __builtin_prefetch(data + bounds[row]);
    }
}

/* Fills `slots` (zeroed, mask + 1 of them, more than n) from n tokens whose offsets are sound.
 * Returns -1, or the first row whose token an earlier row has; that row goes to *earlier. */
int64_t ts_hash_tokens(const uint8_t *data, const int64_t *offsets, int64_t n, uint32_t *slots, uint64_t mask, int64_t *earlier)
{
    uint64_t hashes[BLOCK];
    for (int64_t row = 0; row < n; row++) {
        if (row % BLOCK == 0)
            ahead(data, offsets + row, n - row < BLOCK ? n - row : BLOCK, data, offsets[n], offsets, n, slots, mask, hashes);
        const uint8_t *token = data + offsets[row];
        int64_t length = offsets[row + 1] - offsets[row];
        uint64_t at = hashes[row % BLOCK] & mask;
        for (; slots[at]; at = (at + 1) & mask)
            if (equals(data, offsets[n], offsets, n, (int64_t)slots[at] - 1, token, length) == 1) {
                *earlier = (int64_t)slots[at] - 1;
                return row;
            }
        slots[at] = (uint32_t)(row + 1);
    }
    return -1;
}

/* out[i] = the row of wanted token i, -1 where there is none, -2 where the index points outside the table. */
void ts_find_tokens(const uint8_t *data, int64_t bytes, const int64_t *offsets, int64_t n, const uint32_t *slots, uint64_t mask,
                    const uint8_t *wanted, const int64_t *wanted_offsets, int64_t m, int64_t *out)
{
    uint64_t hashes[BLOCK];
    for (int64_t i = 0; i < m; i++) {
        if (i % BLOCK == 0)
            ahead(wanted, wanted_offsets + i, m - i < BLOCK ? m - i : BLOCK, data, bytes, offsets, n, slots, mask, hashes);
        const uint8_t *token = wanted + wanted_offsets[i];
        int64_t length = wanted_offsets[i + 1] - wanted_offsets[i];
        uint64_t at = hashes[i % BLOCK] & mask, step = 0;
        out[i] = -1;
        for (; step <= mask && slots[at]; step++, at = (at + 1) & mask) {
            int same = equals(data, bytes, offsets, n, (int64_t)slots[at] - 1, token, length);
            if (same) {
                out[i] = same == 1 ? (int64_t)slots[at] - 1 : -2;
                break;
            }
        }
        if (step > mask)
            out[i] = -2; /* no free slot: such an index was not made by us */
    }
}
