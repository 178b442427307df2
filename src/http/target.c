#include "http/target.h"

#include <string.h>

static gboolean has_forbidden_bytes(const char *text)
{
    for (; *text; text++)
        if ((guchar)*text <= 0x20 || *text == 0x7f || *text == '#')
            return TRUE;
    return FALSE;
}

/* Takes "http://host" off the front; a missing path becomes "/". */
static const char *strip_authority(const char *text, HttpTarget *target)
{
    gsize scheme = 0;

    if (g_ascii_strncasecmp(text, "http://", 7) == 0)
        scheme = 7;
    else if (g_ascii_strncasecmp(text, "https://", 8) == 0)
        scheme = 8;
    else
        return NULL;
    target->host = text + scheme;
    target->host_length = strcspn(target->host, "/?");
    if (target->host_length == 0 || memchr(target->host, '@', target->host_length))
        return NULL;
    return target->host + target->host_length;
}

gboolean http_target_parse(const char *text, HttpTarget *target)
{
    const char *rest = text;

    *target = (HttpTarget){0};
    if (has_forbidden_bytes(text))
        return FALSE;
    if (strcmp(text, "*") == 0) {
        target->is_asterisk = TRUE;
        return TRUE;
    }
    if (*text != '/' && !(rest = strip_authority(text, target)))
        return FALSE;
    target->path = *rest == '/' ? rest : "/";
    target->path_length = *rest == '/' ? strcspn(rest, "?") : 1;
    rest += *rest == '/' ? target->path_length : 0;
    target->query = *rest == '?' ? rest + 1 : NULL;
    return TRUE;
}

/* The byte of "%41", or -1. A NUL is malformed: no text of ours can hold it. */
static int decode_escape(const char *at, gsize left)
{
    int high, low;

    if (left < 3)
        return -1;
    high = g_ascii_xdigit_value(at[1]);
    low = g_ascii_xdigit_value(at[2]);
    if (high < 0 || low < 0 || high + low == 0)
        return -1;
    return high * 16 + low;
}

gboolean http_path_decode(const char *raw, gsize length, char *out)
{
    for (gsize i = 0; i < length; i++) {
        int byte = (guchar)raw[i];
        if (byte == '%') {
            byte = decode_escape(raw + i, length - i);
            if (byte < 0)
                return FALSE;
            i += 2;
        }
        *out++ = (char)byte;
    }
    *out = '\0';
    return TRUE;
}

guint http_query_count(const char *query)
{
    guint count = 1;

    for (; *query; query++)
        count += *query == '&';
    return count;
}

/* A decoded text is never longer than its escaped form, so it is written over it. */
static gboolean decode_component(char *text)
{
    gsize length;

    for (char *at = text; *at; at++)
        if (*at == '+')
            *at = ' ';
    length = strlen(text);
    return http_path_decode(text, length, text);
}

guint http_query_parse(char *query, HttpQueryPair *pairs, guint max)
{
    guint count = 0;
    char *rest = query;

    while (rest && count < max) {
        char *pair = rest, *equals;
        rest = strchr(pair, '&');
        if (rest)
            *rest++ = '\0';
        if (!*pair || strchr(pair, ';'))
            continue;
        equals = strchr(pair, '=');
        if (equals)
            *equals++ = '\0';
        if (!decode_component(pair) || (equals && !decode_component(equals)))
            continue;
        pairs[count++] = (HttpQueryPair){pair, equals ? equals : ""};
    }
    return count;
}
