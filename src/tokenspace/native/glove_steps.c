/* Steps of GloVe: J = sum over i, j of f(x) (<w_i, c_j> + b_i + b_j' - log x)^2 / 2, by AdaGrad; Pennington, Socher and Manning,
 * EMNLP 2014, equation (8). As Stanford's program, the vectors' steps are scaled by eta and the biases' are not.
 *
 * A word's numbers stand together, a head of 16 and four rows of s, a multiple of 16: bias, its squared gradients, context bias, its squared
 * gradients; word vector, its squared gradients, context vector, its squared gradients. Sums go by 16 chains in one order. The twin is
 * reference_glove.glove_steps. */
#include <math.h>
#include "fused.h"

enum { HEAD = 16, PARTS = 16 / LANES, BIAS = 0, CONTEXT_BIAS = 2, WORD = 0, CONTEXT = 2 };

INLINE float dot(const float *u, const float *v, int64_t s)
{
    narrow sum[PARTS];
    float part[16];
    memset(sum, 0, sizeof sum);
    for (int64_t k = 0; k < s; k += 16)
        for (int p = 0; p < PARTS; p++) {
            narrow x, y;
            memcpy(&x, u + k + p * LANES, sizeof x);
            memcpy(&y, v + k + p * LANES, sizeof y);
            sum[p] += x * y;
        }
    memcpy(part, sum, sizeof part);
    for (int half = 8; half; half /= 2)
        for (int k = 0; k < half; k++)
            part[k] += part[k + half];
    return part[0];
}

INLINE float within(float x, float limit)
{
    x = x > limit ? limit : x;
    return x < -limit ? -limit : x;
}

/* Move one vector by the gradient `pull` times another. */
INLINE void move(float *restrict vector, float *restrict squares, const float *restrict other, int64_t s, float pull, float eta, float clip)
{
    for (int64_t k = 0; k < s; k++) {
        float step = within(pull * other[k], clip) * eta;
        vector[k] -= step / sqrtf(squares[k]);
        squares[k] += step * step;
    }
}

/* Move two vectors, each by the other as it was. */
INLINE void move_both(float *restrict u, float *restrict uu, float *restrict v, float *restrict vv, int64_t s, float pull, float eta,
                      float clip)
{
    for (int64_t k = 0; k < s; k++) {
        float left = within(pull * v[k], clip) * eta, right = within(pull * u[k], clip) * eta;
        u[k] -= left / sqrtf(uu[k]);
        v[k] -= right / sqrtf(vv[k]);
        uu[k] += left * left;
        vv[k] += right * right;
    }
}

INLINE void move_bias(float *bias, float pull)
{
    bias[0] -= pull / sqrtf(bias[1]);
    bias[1] += pull * pull;
}

/* Word i and context j; returns the cost before the step. */
INLINE double step(float *i, float *j, int64_t s, const float *term, float eta, float clip, int i_moves, int j_moves)
{
    float *w = i + HEAD + WORD * s, *c = j + HEAD + CONTEXT * s;
    float difference = dot(w, c, s) + i[BIAS] + j[CONTEXT_BIAS] - term[0], pull = term[1] * difference;
    if (i_moves && j_moves)
        move_both(w, w + s, c, c + s, s, pull, eta, clip);
    else if (i_moves)
        move(w, w + s, c, s, pull, eta, clip);
    else if (j_moves)
        move(c, c + s, w, s, pull, eta, clip);
    if (i_moves)
        move_bias(i + BIAS, pull);
    if (j_moves)
        move_bias(j + CONTEXT_BIAS, pull);
    return 0.5 * (double)pull * (double)difference;
}

/* The records of the tasks first..last-1, in order; both ways if `symmetric`, where words differ. Words below `fixed` do not move.
 * costs[t] is the sum of each task's costs. */
void ts_glove_steps(const int32_t *pairs, const float *terms, const int64_t *bounds, int64_t first, int64_t last, float *blocks, int64_t s,
                    int32_t symmetric, int64_t fixed, float eta, float clip, double *costs)
{
    int64_t size = HEAD + 4 * s, end = bounds[last];
    for (int64_t t = first; t < last; t++) {
        double cost = 0;
        for (int64_t at = bounds[t]; at < bounds[t + 1]; at++) {
            int64_t next = at + 1 < end ? at + 1 : at;
            for (int side = 0; side < 2; side++)
                for (int64_t k = 0; k < size; k += 16)
                    __builtin_prefetch(blocks + pairs[2 * next + side] * size + k, 1);
            int64_t i = pairs[2 * at], j = pairs[2 * at + 1];
            float *a = blocks + i * size, *b = blocks + j * size;
            cost += step(a, b, s, terms + 2 * at, eta, clip, i >= fixed, j >= fixed);
            if (symmetric && i != j)
                cost += step(b, a, s, terms + 2 * at, eta, clip, j >= fixed, i >= fixed);
        }
        costs[t] = cost;
    }
}

/* The cost of records, with no step taken. */
double ts_glove_cost(const int32_t *pairs, const float *terms, int64_t count, const float *blocks, int64_t s, int32_t symmetric)
{
    int64_t size = HEAD + 4 * s;
    double cost = 0;
    for (int64_t at = 0; at < count; at++) {
        const float *a = blocks + pairs[2 * at] * size, *b = blocks + pairs[2 * at + 1] * size;
        for (int way = 0; way < 1 + (symmetric && a != b); way++) {
            const float *i = way ? b : a, *j = way ? a : b;
            float difference = dot(i + HEAD + WORD * s, j + HEAD + CONTEXT * s, s) + i[BIAS] + j[CONTEXT_BIAS] - terms[2 * at];
            cost += 0.5 * (double)(terms[2 * at + 1] * difference) * (double)difference;
        }
    }
    return cost;
}
