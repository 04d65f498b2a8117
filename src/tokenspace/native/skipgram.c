/* Skip-gram (Mikolov et al. 2013): each word is asked about, given each of its neighbours, and all neighbours share the words drawn
 * against it, so that a window is one matrix product (Ji et al. 2016, whose negative words are shared as here).
 *
 * Threads may run it at once over one pair of matrices without locks (Recht et al. 2011). The twin is reference_training.skipgram. */
#include "train_text.h"

/* Train on ids[begin, end). keep: chance of each word to stay. random: the state. d: numbers a row, a multiple of 16. free: the first
 * input row and the first output row that move; pairs of two rows that stay are passed by. space: d floats. tally: pairs, and the product of their chances as mantissa and
 * exponent of two, NaN where a number was not finite. */
void ts_skipgram(const int32_t *ids, int64_t begin, int64_t end, const float *keep, uint64_t *random, int64_t window, float rate,
                 int32_t learn, float *inputs, float *outputs, int64_t d, const int64_t *free, int64_t negative, int64_t n, const float *share,
                 const int32_t *other, const int64_t *ways, const int32_t *node, const float *turn, float *space, double *tally)
{
    matrices w = {inputs, outputs, space, d, free[0], free[1]};
    targets t = {negative, n, share, other, ways, node, turn};
    step s = {.d = d, .all.mantissa = 1};
    int32_t next[MOST_OUTPUTS];
    reader r;
    for (int64_t i = 0; i < negative; i++)
        next[i] = drawn(&t, random);
    start_reading(&r, ids, begin, end, keep, random);
    while (next_sentence(&r)) {
        const int32_t *text = r.text;
        int64_t length = r.length;
        for (int64_t c = 0; c < length; c++) {
            int64_t reach = window - (int64_t)((chance_of(random) >> 33) % (uint64_t)window);
            fetch_word(&r, c + window + 1, inputs, d);
            if (negative)
                fetch_word(&r, c + 1, outputs, d);
            s.m = s.k = 0;
            for (int64_t j = c < reach ? 0 : c - reach; j < length && j <= c + reach; j++)
                if (j != c && (text[c] >= free[1] || text[j] >= free[0])) {
                    s.x[s.m] = inputs + text[j] * d;
                    s.moved_x[s.m++] = moving(&w, inputs, text[j], free[0]);
                }
            if (!s.m)
                continue;
            ask(&s, &w, &t, text[c], next, rate, random);
            take_step(&s, learn);
            tally[0] += (double)s.m;
        }
    }
    tally[1] = s.all.broken ? NAN : s.all.mantissa;
    tally[2] = s.all.exponent;
}
