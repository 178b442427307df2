#include "base/json_view.h"

#include "base/errors.h"
#include "base/text.h"

#include <math.h>
#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD"

/* ---- Checking ---- */

/* Where the checker stands in the text. */
typedef enum { EXPECT_VALUE, EXPECT_VALUE_OR_END, EXPECT_KEY, EXPECT_KEY_OR_END, AFTER_VALUE } Step;

typedef struct {
    const char *text, *place, *end;
    const char *fault; /* what is wrong at `place`; NULL while all is well */
    guint depth;
    guint8 is_object[JSON_DEPTH_MAX / 8 + 1]; /* one bit a level */
} Checker;

static gboolean fail(Checker *checker, const char *fault)
{
    checker->fault = fault;
    return FALSE;
}

static const char *skip_blanks(const char *place, const char *end)
{
    while (place < end && (*place == ' ' || *place == '\t' || *place == '\n' || *place == '\r'))
        place++;
    return place;
}

static gboolean check_escape(Checker *checker)
{
    const char *place = checker->place; /* behind the backslash */

    if (place >= checker->end)
        return fail(checker, "unterminated string");
    if (*place == 'u') {
        if (checker->end - place < 5)
            return fail(checker, "bad escape in a string");
        for (int i = 1; i <= 4; i++)
            if (!g_ascii_isxdigit(place[i]))
                return fail(checker, "bad escape in a string");
        checker->place = place + 5;
        return TRUE;
    }
    if (!memchr("\"\\/bfnrt", *place, 8))
        return fail(checker, "bad escape in a string");
    checker->place = place + 1;
    return TRUE;
}

/* Eight bytes at a time: which of them are zero. A borrow may mark one too many behind
 * the first, never one too few. */
#define EACH(byte_) (0x0101010101010101u * (byte_))
static inline guint64 zero_bytes(guint64 word)
{
    return (word - EACH(0x01u)) & ~word & EACH(0x80u);
}

/* To the first byte that must be looked at: a quote, a backslash, a control character. */
static const char *skip_plain(const char *place, const char *end)
{
    for (; end - place >= 8; place += 8) {
        guint64 word, marks;

        memcpy(&word, place, sizeof word);
        word = GUINT64_FROM_LE(word); /* the first byte is the lowest */
        marks = zero_bytes(word ^ EACH((guint64)'"')) | zero_bytes(word ^ EACH((guint64)'\\')) |
                ((word - EACH(0x20u)) & ~word & EACH(0x80u));
        if (marks)
            return place + __builtin_ctzll(marks) / 8;
    }
    return place;
}

static gboolean check_string(Checker *checker)
{
    checker->place = skip_plain(checker->place + 1, checker->end); /* behind the opening quote */
    while (checker->place < checker->end) {
        guchar byte = (guchar)*checker->place;
        if (byte < 0x20)
            return fail(checker, "control character in a string");
        checker->place++;
        if (byte == '"')
            return TRUE;
        if (byte == '\\' && !check_escape(checker))
            return FALSE;
    }
    return fail(checker, "unterminated string");
}

static gboolean skip_digits(Checker *checker)
{
    const char *start = checker->place;

    while (checker->place < checker->end && g_ascii_isdigit(*checker->place))
        checker->place++;
    return checker->place > start;
}

static gboolean check_number(Checker *checker)
{
    if (*checker->place == '-')
        checker->place++;
    if (checker->place < checker->end && *checker->place == '0')
        checker->place++;
    else if (!skip_digits(checker))
        return fail(checker, "bad number");
    if (checker->place < checker->end && *checker->place == '.') {
        checker->place++;
        if (!skip_digits(checker))
            return fail(checker, "bad number");
    }
    if (checker->place < checker->end && (*checker->place == 'e' || *checker->place == 'E')) {
        checker->place++;
        if (checker->place < checker->end && (*checker->place == '+' || *checker->place == '-'))
            checker->place++;
        if (!skip_digits(checker))
            return fail(checker, "bad number");
    }
    return TRUE;
}

static gboolean check_word(Checker *checker, const char *word)
{
    gsize length = strlen(word);

    if ((gsize)(checker->end - checker->place) < length ||
        memcmp(checker->place, word, length) != 0)
        return fail(checker, "unexpected character");
    checker->place += length;
    return TRUE;
}

static gboolean check_scalar(Checker *checker)
{
    switch (*checker->place) {
    case '"':
        return check_string(checker);
    case 't':
        return check_word(checker, "true");
    case 'f':
        return check_word(checker, "false");
    case 'n':
        return check_word(checker, "null");
    default:
        if (*checker->place == '-' || g_ascii_isdigit(*checker->place))
            return check_number(checker);
        return fail(checker, "unexpected character");
    }
}

static gboolean in_object(const Checker *checker)
{
    guint level = checker->depth - 1;
    return (checker->is_object[level / 8] >> (level % 8)) & 1;
}

static gboolean open_level(Checker *checker, gboolean is_object)
{
    guint level = checker->depth;

    if (level >= JSON_DEPTH_MAX)
        return fail(checker, "nested too deeply");
    if (is_object)
        checker->is_object[level / 8] |= (guint8)(1u << (level % 8));
    else
        checker->is_object[level / 8] &= (guint8) ~(1u << (level % 8));
    checker->depth++;
    checker->place++;
    return TRUE;
}

static gboolean check_key(Checker *checker)
{
    if (*checker->place != '"')
        return fail(checker, "an object's key must be a string");
    if (!check_string(checker))
        return FALSE;
    checker->place = skip_blanks(checker->place, checker->end);
    if (checker->place >= checker->end || *checker->place != ':')
        return fail(checker, "a colon is missing behind a key");
    checker->place++;
    return TRUE;
}

/* One step of the walk; the next one is written to `step`. */
static gboolean check_step(Checker *checker, Step *step)
{
    char c = *checker->place;
    gboolean may_end =
        *step == EXPECT_VALUE_OR_END || *step == EXPECT_KEY_OR_END || *step == AFTER_VALUE;

    if (may_end && checker->depth > 0 && c == (in_object(checker) ? '}' : ']')) {
        checker->depth--;
        checker->place++;
        *step = AFTER_VALUE;
        return TRUE;
    }
    if (*step == AFTER_VALUE) {
        if (c != ',')
            return fail(checker, "a comma or closing bracket is missing");
        checker->place++;
        *step = in_object(checker) ? EXPECT_KEY : EXPECT_VALUE;
        return TRUE;
    }
    if (*step == EXPECT_KEY || *step == EXPECT_KEY_OR_END) {
        *step = EXPECT_VALUE;
        return check_key(checker);
    }
    if (c == '{' || c == '[') {
        *step = c == '{' ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
        return open_level(checker, c == '{');
    }
    *step = AFTER_VALUE;
    return check_scalar(checker);
}

static gboolean check_value(Checker *checker)
{
    Step step = EXPECT_VALUE;

    do {
        checker->place = skip_blanks(checker->place, checker->end);
        if (checker->place >= checker->end)
            return fail(checker, "unexpected end");
        if (!check_step(checker, &step))
            return FALSE;
    } while (step != AFTER_VALUE || checker->depth > 0);
    return TRUE;
}

gboolean json_view_parse(const char *text, gsize length, JsonExtent extent, JsonView *view,
                         GError **error)
{
    Checker checker = {.text = text, .place = text, .end = text + length};
    const char *start = skip_blanks(text, text + length);

    if (start == checker.end)
        return error_set(error, ERROR_INVALID, "invalid JSON: the body is empty");
    if (check_value(&checker)) {
        *view = (JsonView){.start = start, .end = checker.place};
        checker.place = skip_blanks(checker.place, checker.end);
        if (extent == JSON_FIRST_VALUE || checker.place == checker.end)
            return TRUE;
        checker.fault = "bytes after the value";
    }
    return error_set(error, ERROR_INVALID, "invalid JSON: %s at byte %" G_GSIZE_FORMAT,
                     checker.fault, (gsize)(checker.place - text));
}

/* ---- Walking: the text is known to be well-formed ---- */

/* A quote ends the string unless an odd number of backslashes stands before it. A list of thousands
 * of objects is mostly strings nobody reads, so they are crossed at the pace of memchr. */
static const char *after_string(const char *place)
{
    const char *start = place + 1;

    for (const char *quote = start;; quote++) {
        const char *escape = NULL;

        quote = rawmemchr(quote, '"');
        for (escape = quote; escape > start && escape[-1] == '\\';)
            escape--;
        if ((quote - escape) % 2 == 0)
            return quote + 1;
    }
}

/* What changes the depth, or begins a string. */
static const char *to_mark(const char *place)
{
    static const guint8 is_mark[256] = {
        ['{'] = 1, ['}'] = 1, ['['] = 1, [']'] = 1, ['"'] = 1,
    };

    while (!is_mark[(guchar)*place])
        place++;
    return place;
}

static const char *after_value(const char *place, const char *end)
{
    guint depth = 0;

    if (*place != '{' && *place != '[') {
        if (*place == '"')
            return after_string(place);
        while (place < end && !memchr(",]} \t\r\n", *place, 7))
            place++;
        return place;
    }
    for (;; place = to_mark(place)) {
        if (*place == '"') {
            place = after_string(place);
            continue;
        }
        depth += *place == '{' || *place == '[' ? 1 : -1u;
        place++;
        if (depth == 0)
            return place;
    }
}

JsonKind json_view_kind(JsonView view)
{
    switch (*view.start) {
    case '{':
        return JSON_KIND_OBJECT;
    case '[':
        return JSON_KIND_ARRAY;
    case '"':
        return JSON_KIND_TEXT;
    case 't':
    case 'f':
        return JSON_KIND_BOOL;
    case 'n':
        return JSON_KIND_NULL;
    default:
        return JSON_KIND_NUMBER;
    }
}

gboolean json_view_is_null(JsonView view)
{
    return json_view_kind(view) == JSON_KIND_NULL;
}

JsonWalk json_view_walk(JsonView container)
{
    JsonKind kind = json_view_kind(container);
    JsonWalk walk = {.end = container.end, .is_object = kind == JSON_KIND_OBJECT};

    walk.next =
        kind == JSON_KIND_OBJECT || kind == JSON_KIND_ARRAY ? container.start + 1 : container.end;
    return walk;
}

gboolean json_walk_next(JsonWalk *walk)
{
    const char *place = skip_blanks(walk->next, walk->end);

    if (place < walk->end && *place == ',')
        place = skip_blanks(place + 1, walk->end);
    if (place >= walk->end || *place == '}' || *place == ']')
        return FALSE;
    walk->key = (JsonView){place, place};
    if (walk->is_object) {
        walk->key.end = after_string(place);
        place = skip_blanks(walk->key.end, walk->end);
        place = skip_blanks(place + 1, walk->end); /* the colon */
    }
    walk->value = (JsonView){place, after_value(place, walk->end)};
    walk->next = walk->value.end;
    return TRUE;
}

gboolean json_view_member(JsonView object, const char *key, JsonKeys keys, JsonView *value)
{
    gboolean found = FALSE;
    JsonWalk walk;

    if (json_view_kind(object) != JSON_KIND_OBJECT)
        return FALSE;
    walk = json_view_walk(object);
    while (json_walk_next(&walk)) {
        if (!json_view_text_is(walk.key, key, keys))
            continue;
        *value = walk.value;
        found = TRUE;
    }
    return found;
}

/* ---- Strings ---- */

static guint read_hex(const char *place)
{
    guint value = 0;

    for (int i = 0; i < 4; i++)
        value = value * 16 + (guint)g_ascii_xdigit_value(place[i]);
    return value;
}

static gboolean is_high_surrogate(guint unit)
{
    return unit >= 0xD800 && unit <= 0xDBFF;
}

static gboolean is_low_surrogate(guint unit)
{
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* Reads the escape at `place` (a backslash) and moves behind it. A lone surrogate is U+FFFD. */
static gunichar read_escape(const char **place, const char *end)
{
    const char *at = *place;
    guint unit;

    *place = at + 2;
    switch (at[1]) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'u':
        break;
    default:
        return (guchar)at[1];
    }
    unit = read_hex(at + 2);
    *place = at + 6;
    if (is_high_surrogate(unit) && end - *place >= 6 && (*place)[0] == '\\' && (*place)[1] == 'u' &&
        is_low_surrogate(read_hex(*place + 2))) {
        guint low = read_hex(*place + 2);
        *place += 6;
        return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    }
    return is_high_surrogate(unit) || is_low_surrogate(unit) ? 0xFFFD : unit;
}

char *json_view_text_dup(JsonView view, gboolean *has_nul)
{
    const char *place = view.start + 1;
    const char *end = view.end - 1; /* the closing quote */
    GString *text;
    char *result;

    if (has_nul)
        *has_nul = FALSE;
    if (json_view_kind(view) != JSON_KIND_TEXT)
        return NULL;
    if (!memchr(place, '\\', (gsize)(end - place)) &&
        g_utf8_validate_len(place, (gsize)(end - place), NULL))
        return g_strndup(place, (gsize)(end - place)); /* nearly all are so */
    text = g_string_sized_new((gsize)(end - place) + 1);
    while (place < end) {
        const char *escape = memchr(place, '\\', (gsize)(end - place));
        gunichar character;
        g_string_append_len(text, place, (escape ? escape : end) - place);
        if (!escape)
            break;
        place = escape;
        character = read_escape(&place, end);
        if (character == 0 && has_nul)
            *has_nul = TRUE;
        g_string_append_unichar(text, character ? character : 0xFFFD);
    }
    if (g_utf8_validate_len(text->str, text->len, NULL))
        return g_string_free(text, FALSE);
    result = text_repair_dup(text->str, text->len);
    g_string_free(text, TRUE);
    return result;
}

gboolean json_view_text_is(JsonView token, const char *text, JsonKeys keys)
{
    gsize length = (gsize)(token.end - token.start);
    g_autofree char *decoded = NULL;

    if (length < 2)
        return FALSE;
    if (!memchr(token.start, '\\', length)) {
        if (length - 2 != strlen(text))
            return FALSE;
        return keys == JSON_KEYS_EXACT
                   ? memcmp(token.start + 1, text, length - 2) == 0
                   : g_ascii_strncasecmp(token.start + 1, text, length - 2) == 0;
    }
    decoded = json_view_text_dup(token, NULL);
    if (!decoded)
        return FALSE;
    return keys == JSON_KEYS_EXACT ? strcmp(decoded, text) == 0
                                   : g_ascii_strcasecmp(decoded, text) == 0;
}

/* ---- Numbers and words ---- */

gboolean json_view_int(JsonView view, gint64 *value)
{
    const char *place = view.start;
    gboolean negative = *place == '-';
    guint64 magnitude = 0;
    guint64 limit = negative ? (guint64)G_MAXINT64 + 1 : (guint64)G_MAXINT64;

    if (json_view_kind(view) != JSON_KIND_NUMBER)
        return FALSE;
    for (place += negative; place < view.end; place++) {
        guint digit = (guint)(*place - '0');
        if (!g_ascii_isdigit(*place) || magnitude > (limit - digit) / 10)
            return FALSE;
        magnitude = magnitude * 10 + digit;
    }
    *value = negative ? (gint64)(0 - magnitude) : (gint64)magnitude;
    return TRUE;
}

gboolean json_view_double(JsonView view, double *value)
{
    char short_text[64];
    gsize length = (gsize)(view.end - view.start);
    g_autofree char *long_text = NULL;
    double number;

    if (json_view_kind(view) != JSON_KIND_NUMBER)
        return FALSE;
    if (length < sizeof short_text) {
        memcpy(short_text, view.start, length);
        short_text[length] = '\0';
        number = g_ascii_strtod(short_text, NULL);
    } else {
        long_text = g_strndup(view.start, length);
        number = g_ascii_strtod(long_text, NULL);
    }
    if (!isfinite(number))
        return FALSE;
    *value = number;
    return TRUE;
}

gboolean json_view_bool(JsonView view, gboolean *value)
{
    if (json_view_kind(view) != JSON_KIND_BOOL)
        return FALSE;
    *value = *view.start == 't';
    return TRUE;
}

/* ---- Compacting ---- */

/* A string token with valid UTF-8 only; escapes that no database keeps become \ufffd, all others
 * stay as they are. */
static const char *append_string_token(const char *place, GString *out)
{
    const char *end = after_string(place);
    gsize start = out->len;

    while (place < end) {
        const char *escape = memchr(place, '\\', (gsize)(end - place));
        gunichar character;
        g_string_append_len(out, place, (escape ? escape : end) - place);
        if (!escape)
            break;
        place = escape;
        character = read_escape(&place, end);
        if (escape[1] == 'u' && (character == 0 || character == 0xFFFD))
            g_string_append(out, "\\ufffd");
        else
            g_string_append_len(out, escape, place - escape);
    }
    if (!g_utf8_validate_len(out->str + start, out->len - start, NULL)) {
        g_autofree char *repaired = text_repair_dup(out->str + start, out->len - start);
        g_string_truncate(out, start);
        g_string_append(out, repaired);
    }
    return end;
}

void json_view_append_compact(JsonView view, GString *out)
{
    const char *place = view.start;

    while (place < view.end) {
        const char *run = place;
        if (*place == '"') {
            place = append_string_token(place, out);
            continue;
        }
        while (place < view.end && *place != '"' && *place != ' ' && *place != '\n' &&
               *place != '\t' && *place != '\r')
            place++;
        g_string_append_len(out, run, place - run);
        place = skip_blanks(place, view.end);
    }
}

char *json_view_compact_dup(JsonView view)
{
    GString *out = g_string_sized_new((gsize)(view.end - view.start) + 1);

    json_view_append_compact(view, out);
    return g_string_free(out, FALSE);
}
