/* What a screen kept for some queries: finished and settled, see settle.h. The twin is reference_screens.settle. */
#include "settle.h"

void ts_settle(int32_t measure, int32_t type, const unsigned char *rows, int64_t stride, int64_t d, const double *lengths, double most,
               const double *queries, const double *query_lengths, double slope, const double *shift, const double *doubt,
               const double *scale, double *keys, int64_t *ids, int64_t *finished, double *unseen, float *rounded, const int64_t *which,
               int64_t m, int64_t zero, int64_t k, int64_t room, float *lower, float *upper, int32_t *row, int32_t *count)
{
    const struct table t = {measure, type, rows, stride, d, lengths, most};
    const struct settling s = {queries, query_lengths, slope, shift, doubt, scale, keys, ids, finished, unseen, rounded};
    const struct candidates kept = {k, room, lower, upper, row, count};
    for (int64_t i = 0; i < m; i++)
        settle(&t, &s, &kept, which[i], zero);
}
