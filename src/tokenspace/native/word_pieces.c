/* The pieces a word is spelt with: all runs of minn to maxn letters of "<word>", each hashed to one of a number of buckets, as fastText
 * numbers them: FNV-1a of 32 bits over bytes taken as signed. A lone mark "<" or ">" is no piece. The twin is in reference_words.py. */
#include <stdint.h>

/* Byte i of "<word>", whose last is byte `last`. */
static inline uint8_t marked(const uint8_t *word, int64_t i, int64_t last) { return i == 0 ? '<' : i == last ? '>' : word[i - 1]; }

/* A byte that goes on with a letter (UTF-8). */
static inline int goes_on(uint8_t byte) { return (byte & 0xc0) == 0x80; }

static inline uint32_t hashed(uint32_t hash, uint8_t byte) { return (hash ^ (uint32_t)(int8_t)byte) * 16777619u; }

/* out (room for `room`) = bucket numbers of word i's pieces at begins[i]..begins[i + 1], for the words first..n-1. Returns the first word
 * whose pieces found no room, or n. */
int64_t ts_word_pieces(const uint8_t *data, const int64_t *offsets, int64_t first, int64_t n, int64_t minn, int64_t maxn, int64_t buckets,
                       int64_t *begins, int32_t *out, int64_t room)
{
    for (; first < n; first++) {
        const uint8_t *word = data + offsets[first];
        int64_t last = offsets[first + 1] - offsets[first] + 1, at = begins[first];
        if ((room - at) / maxn <= last)
            return first;
        for (int64_t i = 0; i <= last; i++) {
            if (goes_on(marked(word, i, last)))
                continue;
            uint32_t hash = 2166136261u;
            for (int64_t j = i, letters = 1; j <= last && letters <= maxn; letters++) {
                hash = hashed(hash, marked(word, j++, last));
                while (j <= last && goes_on(marked(word, j, last)))
                    hash = hashed(hash, marked(word, j++, last));
                if (letters >= minn && !(letters == 1 && (i == 0 || j > last)))
                    out[at++] = (int32_t)(hash % (uint32_t)buckets);
            }
        }
        begins[first + 1] = at;
    }
    return n;
}
