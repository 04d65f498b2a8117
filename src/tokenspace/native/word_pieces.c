/* The pieces a word is spelt with: all runs of minn to maxn letters of "<word>", each hashed to one of a number of buckets, as fastText
 * numbers them: FNV-1a of 32 bits over bytes taken as signed. A lone mark "<" or ">" is no piece. The twin is in reference_words.py. */
#include <stdint.h>

enum { MARKED = 1026 }; /* bytes of a word that are looked at, and its marks */

/* out (room for `room`) = bucket numbers of word i's pieces at begins[i]..begins[i + 1], for the words first..n-1. Returns the first word
 * whose pieces found no room, or n. */
int64_t ts_word_pieces(const uint8_t *data, const int64_t *offsets, int64_t first, int64_t n, int64_t minn, int64_t maxn, int64_t buckets,
                       int64_t *begins, int32_t *out, int64_t room)
{
    for (; first < n; first++) {
        uint8_t word[MARKED];
        int64_t length = offsets[first + 1] - offsets[first], at = begins[first], end = 0;
        length = length > MARKED - 2 ? MARKED - 2 : length;
        word[end++] = '<';
        for (int64_t i = 0; i < length; i++)
            word[end++] = data[offsets[first] + i];
        word[end++] = '>';
        if (room - at < end * maxn)
            return first;
        for (int64_t i = 0; i < end; i++) {
            if ((word[i] & 0xc0) == 0x80)
                continue;
            uint32_t hash = 2166136261u;
            for (int64_t j = i, letters = 1; j < end && letters <= maxn; letters++) {
                hash = (hash ^ (uint32_t)(int8_t)word[j++]) * 16777619u;
                while (j < end && (word[j] & 0xc0) == 0x80)
                    hash = (hash ^ (uint32_t)(int8_t)word[j++]) * 16777619u;
                if (letters >= minn && !(letters == 1 && (i == 0 || j == end)))
                    out[at++] = (int32_t)(hash % (uint32_t)buckets);
            }
        }
        begins[first + 1] = at;
    }
    return n;
}
