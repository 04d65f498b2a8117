/* JSON text of a known form, read without being parsed: where a value ends, and the items of a long list of tokens.
 *
 * An item is one of
 *   NUMBERED  "token": 12        a member of an object
 *   SCORED    ["token", -3.25]   a pair in a list
 *   MERGED    ["left", "right"]  or "left right", split at its first blank
 * with JSON's blanks between its parts, and a comma or the list's closing bracket behind it. What stands between the quotes is copied as
 * it stands; a string with a backslash in it is marked, and its meaning left to the caller. The twin is in reference_json.py. */
#include "decimal.h"

enum { NUMBERED, SCORED, MERGED, DIGITS = 12 };

static const uint8_t *blanks(const uint8_t *p, const uint8_t *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
        p++;
    return p;
}

/* Behind the string that begins at p, or NULL; *escaped becomes 1 where it has a backslash. */
static const uint8_t *string(const uint8_t *p, const uint8_t *end, uint8_t *escaped)
{
    if (p >= end || *p != '"')
        return NULL;
    *escaped = 0;
    for (p++; p < end && *p != '"'; p++)
        if (*p == '\\') {
            *escaped = 1;
            if (++p == end)
                return NULL;
        }
    return p < end ? p + 1 : NULL;
}

/* Go on with a value in which *depth brackets are open, from `at` until none is or until `stop` is passed outside a string. Returns where
 * that is, or -1 where a string does not end. */
int64_t ts_json_skip(const uint8_t *text, int64_t at, int64_t stop, int64_t size, int64_t *depth)
{
    const uint8_t *p = text + at, *last = text + stop, *end = text + size;
    uint8_t escaped;
    while (p < last) {
        uint8_t byte = *p;
        if (byte == '"') {
            if (!(p = string(p, end, &escaped)))
                return -1;
            continue;
        }
        p++;
        if (byte == '{' || byte == '[')
            ++*depth;
        else if ((byte == '}' || byte == ']') && --*depth == 0)
            break;
    }
    return p - text;
}

typedef struct {
    const uint8_t *first, *first_end, *second, *second_end; /* between the quotes; the second of MERGED */
    uint8_t escaped[2];
    double value; /* NaN where decimal.h finds it hard */
} item;

/* Behind the item that begins at p, its comma included, or NULL. */
static const uint8_t *read_item(const uint8_t *p, const uint8_t *end, int32_t form, item *found)
{
    p = blanks(p, end);
    int listed = form != NUMBERED && p < end && *p == '[';
    if (form == SCORED && !listed)
        return NULL;
    p = listed ? blanks(p + 1, end) : p;
    found->first = p + 1;
    if (!(p = string(p, end, found->escaped)))
        return NULL;
    found->first_end = p - 1;
    found->value = 0;
    p = blanks(p, end);
    if (form == MERGED && !listed) {
        const uint8_t *gap = memchr(found->first, ' ', (size_t)(found->first_end - found->first));
        if (!gap)
            return NULL;
        found->second = gap + 1;
        found->second_end = found->first_end;
        found->first_end = gap;
        found->escaped[1] = found->escaped[0];
    } else {
        if (p >= end || *p != (form == NUMBERED ? ':' : ','))
            return NULL;
        p = blanks(p + 1, end);
        if (form == MERGED) {
            found->second = p + 1;
            if (!(p = string(p, end, found->escaped + 1)))
                return NULL;
            found->second_end = p - 1;
        } else if (form == NUMBERED) {
            const uint8_t *from = p;
            for (; p < end && *p >= '0' && *p <= '9'; p++)
                found->value = found->value * 10 + (*p - '0');
            if (p == from || p - from > DIGITS)
                return NULL;
        } else {
            const uint8_t *stop = p;
            while (stop < end && ((*stop >= '0' && *stop <= '9') || *stop == '.' || *stop == '-' || *stop == '+' || (*stop | 32) == 'e'))
                stop++;
            int status = number(p, stop, &p, &found->value);
            if (status == MALFORMED || p != stop)
                return NULL;
            found->value = status == HARD ? NAN : found->value;
        }
        p = blanks(p, end);
        if (listed) {
            if (p >= end || *p != ']')
                return NULL;
            p = blanks(p + 1, end);
        }
    }
    if (p < end && *p == ',')
        return p + 1;
    return p < end && *p == (form == NUMBERED ? '}' : ']') ? p : NULL;
}

/* Read items from `at` until one is not of the form, or there is no room: for `room` items, and `space` bytes of their strings. Fills
 * data and offsets (one more than strings), escaped (one a string), values and ends (one an item: behind it). Returns how many; state[0] is
 * where the next begins, state[1] the bytes that the item in front of which it stopped wanted too many, 0 where that was not why. */
int64_t ts_json_items(const uint8_t *text, int64_t at, int64_t size, int32_t form, int64_t room, int64_t space, uint8_t *data,
                      int64_t *offsets, uint8_t *escaped, double *values, int64_t *ends, int64_t *state)
{
    const uint8_t *p = text + at, *end = text + size, *next;
    int64_t count = 0, strings = 0, used = 0;
    item found = {0};
    offsets[0] = state[1] = 0;
    for (; count < room && (next = read_item(p, end, form, &found)); count++, p = next) {
        int64_t first = found.first_end - found.first, second = form == MERGED ? found.second_end - found.second : 0;
        if (first + second > space - used) {
            state[1] = first + second;
            break;
        }
        memcpy(data + used, found.first, (size_t)first);
        escaped[strings] = found.escaped[0];
        offsets[++strings] = used += first;
        if (form == MERGED) {
            memcpy(data + used, found.second, (size_t)second);
            escaped[strings] = found.escaped[1];
            offsets[++strings] = used += second;
        }
        values[count] = found.value;
        ends[count] = next - text;
    }
    state[0] = p - text;
    return count;
}
