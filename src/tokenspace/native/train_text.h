/* What the trainings share: the way through the text, chance, and the output rows that a word is asked about. */
#ifndef TOKENSPACE_TRAIN_TEXT_H
#define TOKENSPACE_TRAIN_TEXT_H
#include "train_step.h"

enum { LONGEST = 1024 }; /* words of a sentence; a longer one goes on as another (word2vec.c: 1000) */

/* splitmix64 (Steele, Lea, Flood 2014). */
INLINE uint64_t chance_of(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

INLINE float fraction(uint64_t bits) { return (float)(bits & 0xffffff) * 0x1p-24f; }

/* The next sentence of ids[*at, end), without the words that chance leaves out; its length. */
static int64_t sentence(const int32_t *ids, int64_t *at, int64_t end, const float *keep, uint64_t *random, int32_t *out)
{
    int64_t n = 0;
    while (*at < end && n < LONGEST) {
        int32_t word = ids[(*at)++];
        if (word < 0)
            break;
        if (fraction(chance_of(random) >> 40) < keep[word])
            out[n++] = word;
    }
    return n;
}

/* A text's sentences, each read before its turn, so that the rows it begins with are fetched before they are needed: half the words of a
 * text stand within a window of a beginning. */
typedef struct {
    const int32_t *ids;
    int64_t begin, end;
    const float *keep;
    uint64_t *random;
    int64_t length, ahead; /* words of this sentence, and of the one after it */
    int32_t *text, *after, room[2][LONGEST];
} reader;

static void read_ahead(reader *r)
{
    r->ahead = 0;
    while (!r->ahead && r->begin < r->end)
        r->ahead = sentence(r->ids, &r->begin, r->end, r->keep, r->random, r->after);
}

static void start_reading(reader *r, const int32_t *ids, int64_t begin, int64_t end, const float *keep, uint64_t *random)
{
    r->ids = ids, r->begin = begin, r->end = end, r->keep = keep, r->random = random;
    r->text = r->room[0], r->after = r->room[1];
    read_ahead(r);
}

/* Go on to the next sentence; whether there is one. */
static int next_sentence(reader *r)
{
    int32_t *done = r->text;
    r->text = r->after, r->length = r->ahead, r->after = done;
    if (r->length)
        read_ahead(r);
    return r->length > 0;
}

/* What a word is asked about. Negative sampling: itself (yes) and `negative` words drawn by the alias method (no). Hierarchical
 * softmax, where negative is 0: the nodes on its way through the tree. */
typedef struct {
    int64_t negative, n;
    const float *share;   /* (n): Walker's and Vose's table */
    const int32_t *other; /* (n) */
    const int64_t *begin; /* (n + 1): where each word's way begins in node and turn */
    const int32_t *node;
    const float *turn; /* 1 or -1 */
} targets;

INLINE int32_t drawn(const targets *t, uint64_t *random)
{
    uint64_t bits = chance_of(random), column = ((bits >> 32) * (uint64_t)t->n) >> 32;
    int32_t itself = -(fraction(bits) < t->share[column]); /* a branch would be guessed wrong every other time */
    return ((int32_t)column & itself) | (t->other[column] & ~itself);
}

/* Where rows are and from which row on they may move. The others' moves go to a place nobody reads. */
typedef struct {
    float *inputs, *outputs, *waste;
    int64_t d, free_inputs, free_outputs;
} matrices;

INLINE float *moving(const matrices *w, float *rows, int64_t row, int64_t free) { return row >= free ? rows + row * w->d : w->waste; }

/* To write to: another thread may hold the row. (PREFETCHW, -mprfchw, which processors that do not know it pass by.) */
INLINE void fetch(const float *row, int64_t d)
{
    for (int64_t at = 0; at < d; at += 16)
        __builtin_prefetch(row + at, 1);
}

/* Fetch the row of the word at a place from this sentence's beginning on, which may be in the next. */
INLINE void fetch_word(const reader *r, int64_t place, const float *rows, int64_t d)
{
    if (place < r->length)
        fetch(rows + r->text[place] * d, d);
    else if (place - r->length < r->ahead)
        fetch(rows + r->after[place - r->length] * d, d);
}

INLINE void add_output(step *s, const matrices *w, int64_t row, float answer, float rate)
{
    s->o[s->k] = w->outputs + row * w->d;
    s->moved_o[s->k] = moving(w, w->outputs, row, w->free_outputs);
    s->answer[s->k] = answer;
    s->rate[s->k++] = answer * rate;
}

/* Ask about `word`; `next` holds the negative words that were drawn, and fetched, a word earlier. */
static void ask(step *s, const matrices *w, const targets *t, int32_t word, int32_t *next, float rate, uint64_t *random)
{
    if (!t->negative) {
        for (int64_t at = t->begin[word]; at < t->begin[word + 1]; at++)
            add_output(s, w, t->node[at], t->turn[at], rate);
        return;
    }
    add_output(s, w, word, 1, rate);
    for (int64_t i = 0; i < t->negative; i++) {
        add_output(s, w, next[i], -1, next[i] == word ? 0 : rate);
        next[i] = drawn(t, random);
        fetch(w->outputs + next[i] * w->d, w->d);
    }
}
#endif
