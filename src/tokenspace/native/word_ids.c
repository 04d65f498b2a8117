/* Text to ids: each word of a text becomes the number of the word's first appearance, and words are counted on the way.
 *
 * A word is a longest run of bytes of kind WORD; a byte of kind BREAK ends a sentence, for which -1 is written, once.
 * The index is open addressing with linear probing from FNV-1a, at most half full: a slot holds the hash's upper half and the word's
 * number + 1, so that a foreign word is told without a look at its bytes. All memory is the caller's: where it ends, the kernel stops
 * in front of the word that found no room. The twin is in reference_words.py. */
#include <stdint.h>
#include <string.h>

enum { WORD, BLANK, BREAK }; /* kinds of bytes */
enum { KNOWN, WRITTEN, DROPPED };

typedef struct {
    uint64_t *slots, mask; /* mask + 1 slots */
    uint8_t *data;         /* the words' bytes, end to end; `bytes` of room */
    int64_t *offsets;      /* where each begins, and the end of the last */
    int64_t bytes, words;  /* room for so many */
    int64_t known;
} word_index;

#define START UINT64_C(0xcbf29ce484222325)
#define PRIME UINT64_C(0x100000001b3)

/* The number of a word; a new one is taken in. -1 where there is no room. */
static inline int64_t number_of(word_index *index, const uint8_t *word, int64_t length, uint64_t hash)
{
    uint64_t tag = hash & ~UINT64_C(0xffffffff), at = (hash ^ hash >> 32) & index->mask;
    for (uint64_t slot; (slot = index->slots[at]); at = (at + 1) & index->mask)
        if (((slot ^ tag) >> 32) == 0) {
            int64_t known = (int64_t)(slot & 0xffffffff) - 1, start = index->offsets[known];
            if (index->offsets[known + 1] - start == length && !memcmp(index->data + start, word, (size_t)length))
                return known;
        }
    int64_t next = index->known, start = index->offsets[next];
    if (next >= index->words || start + length > index->bytes)
        return -1;
    memcpy(index->data + start, word, (size_t)length);
    index->offsets[next + 1] = start + length;
    index->slots[at] = tag | (uint64_t)(next + 1);
    return index->known++;
}

/* Read text[begin, end), whose last word ends with it, into ids (room for end - begin + 1). kinds: of the 256 bytes. every: -1 for every
 * break, so that lines without a word stay. Longer words than `longest` bytes are dropped. state: words known; ids written; words dropped.
 * Returns where it stopped: `end`, or the beginning of a word without room. */
int64_t ts_word_ids(const uint8_t *text, int64_t begin, int64_t end, const uint8_t *kinds, int32_t every, int64_t longest, uint64_t *slots,
                    uint64_t mask, uint8_t *data, int64_t bytes, int64_t *offsets, int64_t words, int64_t *counts, int32_t *ids,
                    int64_t *state)
{
    word_index index = {slots, mask, data, offsets, bytes, words, state[KNOWN]};
    int32_t *out = ids + state[WRITTEN];
    int64_t at = begin;
    while (at < end) {
        if (kinds[text[at]] != WORD) {
            if (kinds[text[at++]] == BREAK && (every || out == ids || out[-1] >= 0))
                *out++ = -1;
            continue;
        }
        int64_t first = at;
        uint64_t hash = START;
        for (; at < end && kinds[text[at]] == WORD; at++)
            hash = (hash ^ text[at]) * PRIME;
        if (at - first > longest) {
            state[DROPPED]++;
            continue;
        }
        int64_t number = number_of(&index, text + first, at - first, hash);
        if (number < 0) {
            at = first;
            break;
        }
        counts[number]++;
        *out++ = (int32_t)number;
    }
    state[KNOWN] = index.known;
    state[WRITTEN] = out - ids;
    return at;
}

/* Take in words first..m-1 of another index, with how often each was counted; numbers[i] becomes the number of word i here. Returns m, or
 * the first word without room. state: words known. */
int64_t ts_word_join(const uint8_t *other, const int64_t *other_offsets, const int64_t *other_counts, int64_t first, int64_t m,
                     uint64_t *slots, uint64_t mask, uint8_t *data, int64_t bytes, int64_t *offsets, int64_t words, int64_t *counts,
                     int32_t *numbers, int64_t *state)
{
    word_index index = {slots, mask, data, offsets, bytes, words, state[KNOWN]};
    for (; first < m; first++) {
        const uint8_t *word = other + other_offsets[first];
        int64_t length = other_offsets[first + 1] - other_offsets[first];
        uint64_t hash = START;
        for (int64_t i = 0; i < length; i++)
            hash = (hash ^ word[i]) * PRIME;
        int64_t number = number_of(&index, word, length, hash);
        if (number < 0)
            break;
        counts[number] += other_counts[first];
        numbers[first] = (int32_t)number;
    }
    state[KNOWN] = index.known;
    return first;
}

/* Fill zeroed slots anew with the n words of an index that has outgrown its own. */
void ts_word_slots(const uint8_t *data, const int64_t *offsets, int64_t n, uint64_t *slots, uint64_t mask)
{
    for (int64_t i = 0; i < n; i++) {
        uint64_t hash = START, at;
        for (int64_t k = offsets[i]; k < offsets[i + 1]; k++)
            hash = (hash ^ data[k]) * PRIME;
        for (at = (hash ^ hash >> 32) & mask; slots[at];)
            at = (at + 1) & mask;
        slots[at] = (hash & ~UINT64_C(0xffffffff)) | (uint64_t)(i + 1);
    }
}

/* Give n ids their final numbers, in place: number[id], and nothing where that is negative; a sentence that is left empty loses its
 * break. *inside: whether the last id written was a word's. Returns how many are left. */
int64_t ts_word_renumber(int32_t *ids, int64_t n, const int32_t *numbers, int64_t *inside)
{
    int64_t left = 0, open = *inside;
    for (int64_t i = 0; i < n; i++) {
        int32_t number = ids[i] < 0 ? -1 : numbers[ids[i]];
        int keep = ids[i] < 0 ? open != 0 : number >= 0;
        ids[left] = number;
        left += keep;
        open = keep ? number >= 0 : open;
    }
    *inside = open;
    return left;
}
