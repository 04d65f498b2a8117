/* Words asked about, given the mean of a bag of input rows: CBOW's neighbours (Mikolov et al. 2013), and words made of the pieces they are
 * spelt with (Bojanowski et al. 2017), for either model.
 *
 * Each row of a bag moves by the whole gradient of the mean, as in word2vec.c and fastText. Threads may run it at once, without locks.
 * The twin is reference_training.bags. */
#include "train_text.h"

/* Rows of a word: itself, or its pieces', where words are made of pieces. */
INLINE int64_t add_rows(const int64_t *begins, const int32_t *pieces, int32_t word, int32_t *rows, int64_t count)
{
    if (!begins) {
        rows[count] = word;
        return count + 1;
    }
    for (int64_t at = begins[word]; at < begins[word + 1]; at++)
        rows[count++] = pieces[at];
    return count;
}

static void mean_of(const float *inputs, int64_t d, const int32_t *rows, int64_t count, float *mean)
{
    narrow share = each(1.0f / (float)count);
    for (int64_t at = 0; at < d; at += LANES) {
        narrow sum = load(inputs + rows[0] * d + at);
        for (int64_t i = 1; i < count; i++)
            sum += load(inputs + rows[i] * d + at);
        store(mean + at, sum * share);
    }
}

static void move_all(const matrices *w, const int32_t *rows, int64_t count, const float *change)
{
    for (int64_t i = 0; i < count; i++) {
        float *row = moving(w, w->inputs, rows[i], w->free_inputs);
        for (int64_t at = 0; at < w->d; at += LANES)
            store(row + at, load(row + at) + load(change + at));
    }
}

/* As ts_skipgram, and: around: the bag is the word's neighbours and the word is asked about, else the bag is the word and each neighbour is
 * asked about. begins, pieces: the rows of each word's pieces, or NULL. rows: room for the largest bag. space: 3 d floats. */
void ts_bags(const int32_t *ids, int64_t begin, int64_t end, const float *keep, uint64_t *random, int64_t window, float rate,
             int32_t learn, float *inputs, float *outputs, int64_t d, const int64_t *free, int64_t negative, int64_t n, const float *share,
             const int32_t *other, const int64_t *ways, const int32_t *node, const float *turn, float *space, double *tally,
             int32_t around, const int64_t *begins, const int32_t *pieces, int32_t *rows)
{
    matrices w = {inputs, outputs, space, d, free[0], free[1]};
    targets t = {negative, n, share, other, ways, node, turn};
    float *mean = space + d, *change = space + 2 * d;
    step s = {.d = d, .m = 1, .x = {mean}, .moved_x = {change}, .all.mantissa = 1};
    int32_t next[MOST_OUTPUTS];
    reader r;
    for (int64_t i = 0; i < negative; i++)
        next[i] = drawn(&t, random);
    start_reading(&r, ids, begin, end, keep, random);
    while (next_sentence(&r)) {
        const int32_t *text = r.text;
        int64_t length = r.length;
        for (int64_t c = 0; c < length; c++) {
            int64_t reach = window - (int64_t)((chance_of(random) >> 33) % (uint64_t)window), count = 0;
            int new = text[c] >= free[around != 0];
            int64_t first = c < reach ? 0 : c - reach, last = c + reach < length ? c + reach : length - 1;
            if (!begins)
                fetch_word(&r, c + window + 1, inputs, d);
            if (negative)
                fetch_word(&r, c + 1, outputs, d);
            for (int64_t j = first; j <= last; j++)
                if (j != c) {
                    new |= text[j] >= free[!around];
                    if (around)
                        count = add_rows(begins, pieces, text[j], rows, count);
                }
            if (first == last || !new)
                continue;
            if (!around)
                count = add_rows(begins, pieces, text[c], rows, 0);
            mean_of(inputs, d, rows, count, mean);
            memset(change, 0, (size_t)d * sizeof *change);
            for (int64_t j = around ? c : first; j <= (around ? c : last); j++) {
                if (!around && j == c)
                    continue;
                s.k = 0;
                ask(&s, &w, &t, text[j], next, rate, random);
                take_step(&s, learn);
                tally[0] += 1;
            }
            if (learn)
                move_all(&w, rows, count, change);
        }
    }
    tally[1] = s.all.broken ? NAN : s.all.mantissa;
    tally[2] = s.all.exponent;
}
