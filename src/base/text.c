#include "base/text.h"

#include <string.h>

/* U+FFFD, what stands for bytes that are no text. */
#define REPLACEMENT "\xEF\xBF\xBD"

static gboolean is_continuation(char byte)
{
    return ((guchar)byte & 0xC0) == 0x80;
}

gsize text_prefix_length(const char *text, gsize length, gsize max_bytes)
{
    if (length <= max_bytes)
        return length;
    while (max_bytes > 0 && is_continuation(text[max_bytes]))
        max_bytes--;
    return max_bytes;
}

const char *text_suffix(const char *text, gsize length, gsize max_bytes)
{
    const char *start = length > max_bytes ? text + (length - max_bytes) : text;

    while (start < text + length && is_continuation(*start))
        start++;
    return start;
}

char *text_repair_dup(const char *bytes, gsize length)
{
    GString *out = g_string_sized_new(length + 1);
    const char *end = bytes + length;

    while (bytes < end) {
        const char *valid_end = NULL;
        /* A NUL ends the valid part, too; it is replaced like an invalid byte. */
        g_utf8_validate_len(bytes, (gsize)(end - bytes), &valid_end);
        g_string_append_len(out, bytes, valid_end - bytes);
        if (valid_end == end)
            break;
        g_string_append(out, REPLACEMENT);
        bytes = valid_end + 1;
    }
    return g_string_free(out, FALSE);
}

gboolean text_has_any(const char *text, const char *set)
{
    return text[strcspn(text, set)] != '\0';
}

char *text_slug_dup(const char *name)
{
    GString *slug = g_string_new(NULL);
    gboolean gap = FALSE;

    for (; *name; name++) {
        if (!g_ascii_isalnum(*name)) {
            gap = TRUE;
            continue;
        }
        if (gap && slug->len > 0)
            g_string_append_c(slug, '-');
        gap = FALSE;
        g_string_append_c(slug, g_ascii_tolower(*name));
    }
    return g_string_free(slug, FALSE);
}

gboolean text_parse_bool(const char *text, gboolean *value)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True", NULL};
    static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False", NULL};

    if (g_strv_contains(yes, text))
        return (*value = TRUE), TRUE;
    if (g_strv_contains(no, text))
        return (*value = FALSE), TRUE;
    return FALSE;
}

gboolean text_parse_int(const char *text, gint64 min, gint64 max, gint64 *value)
{
    /* GLib's reader takes a minus but no plus; ours takes both. */
    const char *digits = *text == '+' ? text + 1 : text;

    if (*text == '+' && !g_ascii_isdigit(*digits))
        return FALSE;
    return g_ascii_string_to_signed(digits, 10, min, max, value, NULL);
}
