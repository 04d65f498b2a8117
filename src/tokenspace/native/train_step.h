/* One step of training: m input rows, each against the same k output rows, all of whose answers are known: yes (1) or no (-1).
 *
 * With f = <x, o> and answer y the loss is -log s(y f), s(z) = 1/(1 + exp(-z)) without a table; its gradient moves x by g o and o by g x,
 * g = rate y s(-y f) (Mikolov et al. 2013, equation 4). All products are taken first (an m x k matrix product), then all moves (two
 * more), in groups of six output rows, which registers hold. Sums over d run in 16 lanes, which are then added in pairs: the same bits
 * for every build. The twin is reference_training.step. */
#ifndef TOKENSPACE_TRAIN_STEP_H
#define TOKENSPACE_TRAIN_STEP_H
#include "fused.h"
#include "logistic.h"

enum {
    CHUNK = 16, /* rows are a multiple of it long */
    VECTORS = CHUNK / LANES,
    GROUP = 6,
    PAIRED = LANES == 16 ? 2 : 1, /* input rows that pass together: their sums, too, have to find room in registers */
    MOST_INPUTS = 100,
    MOST_OUTPUTS = 64,
};

typedef struct {
    int64_t d, m, k;
    const float *x[MOST_INPUTS];
    float *moved_x[MOST_INPUTS]; /* what their moves are added to: they themselves, or another place */
    const float *o[MOST_OUTPUTS];
    float *moved_o[MOST_OUTPUTS];
    float answer[MOST_OUTPUTS], rate[MOST_OUTPUTS]; /* rate 0: that output does not count */
    chances all;
} step;

INLINE narrow load(const float *from)
{
    narrow x;
    memcpy(&x, from, sizeof x);
    return x;
}

INLINE void store(float *to, narrow x) { memcpy(to, &x, sizeof x); }

/* folded[r][c] = the 16 lanes of <x_r, o_c>, added down to four. */
INLINE void products(int rows, int count, const float *const *x, const float *const *o, int64_t d, float (*folded)[GROUP][4])
{
    typedef float four __attribute__((vector_size(16)));
    narrow sum[PAIRED][GROUP][VECTORS];
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < count; c++)
            for (int v = 0; v < VECTORS; v++)
                sum[r][c][v] = each(0);
    for (int64_t at = 0; at < d; at += CHUNK)
        for (int v = 0; v < VECTORS; v++) {
            narrow in[PAIRED];
            for (int r = 0; r < rows; r++)
                in[r] = load(x[r] + at + v * LANES);
            for (int c = 0; c < count; c++) {
                narrow out = load(o[c] + at + v * LANES);
                for (int r = 0; r < rows; r++)
                    sum[r][c][v] = fused(in[r], out, sum[r][c][v]);
            }
        }
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < count; c++) {
            four part[4];
            memcpy(part, sum[r][c], sizeof part);
            part[0] = (part[0] + part[2]) + (part[1] + part[3]);
            memcpy(folded[r][c], part, sizeof *part);
        }
}

/* Move m input rows and `count` output rows by g[i][c]. */
INLINE void moves(int count, step *s, int64_t first, const float *g)
{
    for (int64_t at = 0; at < s->d; at += LANES) {
        narrow out[GROUP], change[GROUP];
        for (int c = 0; c < count; c++) {
            out[c] = load(s->o[first + c] + at);
            change[c] = each(0); /* memset, here and above, becomes `rep stos`: 7 % of the time */
        }
        for (int64_t i = 0; i < s->m; i++) {
            narrow in = load(s->x[i] + at), moved = load(s->moved_x[i] + at);
            for (int c = 0; c < count; c++) {
                narrow by = each(g[i * s->k + first + c]);
                moved = fused(by, out[c], moved);
                change[c] = fused(by, in, change[c]);
            }
            store(s->moved_x[i] + at, moved);
        }
        for (int c = 0; c < count; c++)
            store(s->moved_o[first + c] + at, load(s->moved_o[first + c] + at) + change[c]);
    }
}

#define EACH_COUNT(call) \
    switch (count) { \
    case 1: call(1); break; \
    case 2: call(2); break; \
    case 3: call(3); break; \
    case 4: call(4); break; \
    case 5: call(5); break; \
    default: call(6); \
    }

/* The whole step; where `learn` is 0 nothing moves, and the loss alone is taken. */
static void take_step(step *s, int learn)
{
    float z[MOST_INPUTS * MOST_OUTPUTS], chance[MOST_INPUTS * MOST_OUTPUTS], g[MOST_INPUTS * MOST_OUTPUTS];
    int64_t m = s->m, k = s->k;
    for (int64_t i = 0; i < m; i += PAIRED)
        for (int64_t first = 0; first < k; first += GROUP) {
            int64_t count = k - first;
            float folded[PAIRED][GROUP][4];
#define PRODUCTS(n) products(PAIRED, n, s->x + i, s->o + first, s->d, folded)
#define LAST_PRODUCTS(n) products(1, n, s->x + i, s->o + first, s->d, folded)
            if (i + PAIRED <= m)
                EACH_COUNT(PRODUCTS)
            else
                EACH_COUNT(LAST_PRODUCTS)
            for (int64_t r = 0; r < PAIRED && i + r < m; r++)
                for (int64_t c = 0; c < count && c < GROUP; c++) {
                    const float *f = folded[r][c];
                    z[(i + r) * k + first + c] = -s->answer[first + c] * ((f[0] + f[2]) + (f[1] + f[3]));
                }
        }
    sigmoids(m * k, z, chance, g);
    for (int64_t i = 0; i < m; i++) {
        for (int64_t c = 0; c < k; c++) {
            chance[i * k + c] = s->rate[c] != 0 ? chance[i * k + c] : 1.0f;
            g[i * k + c] *= s->rate[c];
        }
        multiply(&s->all, chance + i * k, k);
    }
    if (learn)
        for (int64_t first = 0; first < k; first += GROUP) {
            int64_t count = k - first;
#define MOVES(n) moves(n, s, first, g)
            EACH_COUNT(MOVES)
        }
}
#endif
