/* One query as codes, for the search that has no other, and its products with the lower plane of a row's; search/screen.py says what
 * the numbers mean. For a file that includes coded.h and settle.h. */

/* The query as codes, and what its keys are to the screens. */
struct frame {
    double slope, shift, doubt, scale; /* see struct settling */
    float terms[5];                    /* see struct asked */
    int32_t offset;                    /* 4 · the sum of its codes: c is 8 (u - 8) and v - 4 */
    const int8_t *own, *even, *odd;    /* its codes; those of every other group of four, as the lower plane has them */
};

/* Codes the query, whole numbers in -127..127 of scale s', and says what turns products of codes into keys: see search/screen.py. */
static void prepare(const struct table *t, const double *query, double length, const double *middle, double farthest,
                    double *moved, int8_t *codes, int64_t groups, struct frame *f)
{
    double most = 0, constant = 0, kept = 0, lost = 0, square = 0, whole = 0;
    for (int64_t k = 0; k < t->d; k++) {
        double x = t->measure == DIFFERENCE ? query[k] - middle[k] : t->measure == COSINE && length > 0 ? query[k] / length : query[k];
        moved[k] = x;
        most = fabs(x) > most ? fabs(x) : most;
        constant += x * middle[k];
        square += x * x;
    }
    f->scale = most / 127;
    if (t->measure == DIFFERENCE && f->scale < 1e-15 * farthest)
        f->scale = 1e-15 * farthest;
    if (f->scale == 0)
        f->scale = 1;
    int8_t *even = codes + (groups + 1) / 2 * 8, *odd = even + groups / 2 * 4 + 4 * ROWS;
    memset(codes, 0, (size_t)(odd - codes + groups / 2 * 4 + 4 * ROWS));
    for (int64_t k = 0; k < t->d; k++) {
        double x = moved[k] / f->scale, c = nearbyint(x);
        codes[k] = (int8_t)c;
        if (k / 8 < groups / 2)
            (k % 8 < 4 ? even : odd)[k / 8 * 4 + k % 4] = (int8_t)c;
        whole += c;
        kept += c * c;
        lost += (x - c) * (x - c);
    }
    kept = sqrt(kept);
    lost = sqrt(lost);
    f->offset = 4 * (int32_t)whole;
    f->own = codes;
    f->even = even;
    f->odd = odd;
    f->slope = t->measure == DIFFERENCE ? 0.5 : 1;
    f->shift = t->measure == DIFFERENCE ? square / 2 : t->measure == PRODUCT ? -constant : 0;
    f->doubt = 1e-30 + (t->measure == PRODUCT ? 1e-10 * length * farthest : 0);
    const double up = 1 + 1e-6; /* float32 may round down by less */
    const double terms[5] = {kept * up, lost * up, t->measure == COSINE ? constant / f->scale : 0, 1 / f->scale, (kept + lost) * up};
    for (int i = 0; i < 5; i++)
        f->terms[i] = (float)terms[i];
}

/* The sum of the products of the lower plane's codes v of a row with those of the query. */
static inline int32_t lower_sum(const struct coded *x, const struct frame *f, int64_t row)
{
    const int64_t size = x->groups / 2 * 4;
    const uint8_t *low = x->low + row * size;
    ints sum = {0};
    int32_t result = 0;
    for (int64_t i = 0; i < size; i += 4 * ROWS) { /* the query's codes go on with zeros */
        const fours v = first_bytes(low + i, size - i);
        bytes4 even, odd;
        memcpy(&even, f->even + i, sizeof even);
        memcpy(&odd, f->odd + i, sizeof odd);
        sum = add_each(sum, (bytes4)(v & 0x0f0f0f0f), even);
        sum = add_each(sum, (bytes4)(v >> 4 & 0x0f0f0f0f), odd);
    }
    int32_t each[ROWS];
    memcpy(each, &sum, sizeof each);
    for (int r = 0; r < ROWS; r++)
        result += each[r];
    if (x->groups % 2) { /* a last group has its v in the upper plane */
        const uint8_t *high = x->high + ((row / BLOCK * (x->groups / 2 + 1) + x->groups / 2) * BLOCK + row % BLOCK) * 4;
        for (int i = 0; i < 4; i++)
            result += (high[i] >> 4) * f->own[4 * (x->groups - 1) + i];
    }
    return result;
}
