/* The known rows around each word of a text, summed in float64: what a la carte embedding takes a new word's row from. */
#include <stdint.h>

/* For each word c of ids[begin, end): sums[c] += the rows of its known neighbours (ids below n, at most `window` away, within the sentence,
 * -1 being its end), times[c] += how many. A known word that has `enough` gets no more. The twin is in reference_training.py. */
void ts_context_sums(const int32_t *ids, int64_t begin, int64_t end, int64_t window, const float *rows, int64_t n, int64_t d,
                     int64_t enough, double *sums, int64_t *times)
{
    for (int64_t start = begin, stop; start < end; start = stop + 1) {
        for (stop = start; stop < end && ids[stop] >= 0;)
            stop++;
        for (int64_t c = start; c < stop; c++) {
            if (ids[c] < n && times[ids[c]] >= enough)
                continue;
            double *sum = sums + ids[c] * d;
            for (int64_t j = c - window < start ? start : c - window; j < stop && j <= c + window; j++) {
                if (j == c || ids[j] >= n)
                    continue;
                const float *row = rows + ids[j] * d;
                for (int64_t k = 0; k < d; k++)
                    sum[k] += row[k];
                times[ids[c]]++;
            }
        }
    }
}
