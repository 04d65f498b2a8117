/* Rows of a text table: "token 0.1 -2e3 ...", fields split at 0x20 and rows at 0x0A only; the last d fields are the vector. Bare rows are
 * d numbers split at 0x09 and no token.
 *
 * A row that breaks a rule is not described here: the kernel stops in front of it, and the caller looks at that one line again. Every
 * step reads at most a few times the bytes of its line, whatever they are. The twin is in reference_text.py. */
#include "decimal.h"

enum { MAX_TOKEN = 65536 };

/* Whether a field of the token [p, end) other than its first is a number: then the row has one number too many. */
static int numbers_inside(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *stop;
    double value;
    while ((p = memchr(p, ' ', (size_t)(end - p)))) {
        p++;
        const uint8_t *next = memchr(p, ' ', (size_t)(end - p)), *word_end = next ? next : end;
        if ((number(p, end, &stop, &value) != MALFORMED && stop == word_end) || nonfinite(p, word_end))
            return 1;
    }
    return 0;
}

typedef struct {
    const uint8_t *bytes, *safe; /* before `safe`, QUICK_REACH more bytes may be read */
    int64_t d, *hard, room, noted;
    int32_t wide, bare;
    void *out;
} job;

/* Read the d numbers that fill [space p, end), bare ones [p, end), into row `row` of out: 1, or 0 where they are not there. */
static int vector(job *j, const uint8_t *p, const uint8_t *end, int64_t row)
{
    const int64_t d = j->d, before = j->noted;
    const uint8_t delimiter = j->bare ? '\t' : ' ', *const safe = j->safe;
    double *const wide = j->wide ? (double *)j->out + row * d : 0;
    float *const narrow = j->wide ? 0 : (float *)j->out + row * d;
    for (int64_t k = 0; k < d; k++) {
        int inner = k > 0 || !j->bare, status = MALFORMED;
        const uint8_t *field = p + inner;
        double value = 0;
        if (!inner || (p < end && *p == delimiter)) {
            status = field < safe ? quick(field, end, &p, &value) : MALFORMED;
            if (status == MALFORMED) {
                status = number(field, end, &p, &value);
                if (!(wide ? isfinite(value) : isfinite((float)value)))
                    status = MALFORMED;
            }
        }
        if (status == MALFORMED) {
            j->noted = before;
            return 0;
        }
        if (status == HARD) {
            int64_t *note = j->hard + 3 * j->noted++;
            note[0] = row * d + k;
            note[1] = field - j->bytes;
            note[2] = p - j->bytes;
        }
        if (wide)
            wide[k] = value;
        else
            narrow[k] = (float)value;
    }
    if (p != end)
        j->noted = before;
    return p == end;
}

/* Read rows `row`.. of `rows` from the lines in [begin, end) into out (rows x d, float64 where `wide`, else float32), starts and lengths
 * (the tokens' bytes). Returns the row it stopped in front of: `rows`, or one that breaks a rule, or the first for which fewer than d of
 * the `room` notes (entry of out, first byte, last byte + 1) are free. state: where that row begins, and how many notes were made. */
int64_t ts_text_rows(const uint8_t *bytes, int64_t begin, int64_t end, int64_t d, int64_t row, int64_t rows, int32_t wide, int32_t bare,
                     void *out, int64_t *starts, int64_t *lengths, int64_t *hard, int64_t room, int64_t *state)
{
    job j = {bytes, end > begin + QUICK_REACH ? bytes + end - QUICK_REACH : bytes, d, hard, room, 0, wide, bare, out};
    const uint8_t *p = bytes + begin, *last = bytes + end;
    for (; row < rows && p < last && j.noted + d <= room; row++) {
        const uint8_t *newline = memchr(p, '\n', (size_t)(last - p)), *line_end = newline ? newline : last, *token_end;
        const uint8_t *stop = line_end - (line_end > p && line_end[-1] == '\r');
        while (stop > p && stop[-1] == ' ')
            stop--;
        token_end = bare ? p : memchr(p, ' ', (size_t)(stop - p));
        if (!token_end)
            break;
        if (!vector(&j, token_end, stop, row)) { /* not d numbers after the first space: a token with spaces, or a bad row */
            int64_t fields = 0;
            if (bare)
                break;
            for (token_end = stop; token_end > p && fields < d; fields += *token_end == ' ')
                token_end--;
            if (fields < d || numbers_inside(p, token_end) || !vector(&j, token_end, stop, row))
                break;
        }
        if (token_end - p > MAX_TOKEN)
            break;
        starts[row] = p - bytes;
        lengths[row] = token_end - p;
        p = newline ? newline + 1 : last;
    }
    state[0] = p - bytes;
    state[1] = j.noted;
    return row;
}
