#include "engine/hosted_id.h"

#include <string.h>

#define TEXT_MAX 255 /* as engine.c takes ids */
#define ESCAPE   '_'

void hosted_id_clear(HostedId *id)
{
    g_clear_pointer(&id->instance, g_free);
}

char *hosted_id_dup(const char *workspace, gint64 generation, const char *instance)
{
    g_autoptr(GString) text = g_string_new(workspace);

    g_string_append_printf(text, ".%" G_GINT64_FORMAT ".", generation);
    for (const guchar *at = (const guchar *)instance; *at && text->len <= TEXT_MAX; at++) {
        if (g_ascii_isalnum(*at) || *at == '-')
            g_string_append_c(text, (char)*at);
        else
            g_string_append_printf(text, "%c%02x", ESCAPE, *at);
    }
    return text->len <= TEXT_MAX ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

/* NULL: a broken escape. */
static char *unescape_dup(const char *text)
{
    g_autoptr(GString) plain = g_string_new(NULL);

    for (; *text; text++) {
        if (*text != ESCAPE) {
            g_string_append_c(plain, *text);
            continue;
        }
        if (!g_ascii_isxdigit(text[1]) || !g_ascii_isxdigit(text[2]))
            return NULL;
        g_string_append_c(
            plain, (char)(g_ascii_xdigit_value(text[1]) * 16 + g_ascii_xdigit_value(text[2])));
        text += 2;
    }
    return g_string_free(g_steal_pointer(&plain), FALSE);
}

gboolean hosted_id_parse(const char *text, HostedId *id)
{
    HostedId read = {.instance = NULL};
    g_autofree char *workspace = g_strndup(text, ID_SIZE - 1);
    const char *at = NULL;
    char *end = NULL;

    if (!id_fold(workspace, read.workspace) || strcmp(workspace, read.workspace) != 0)
        return FALSE;
    at = text + ID_SIZE - 1;
    if (at[0] != '.' || !g_ascii_isdigit(at[1]))
        return FALSE;
    read.generation = g_ascii_strtoll(at + 1, &end, 10);
    if (*end != '.')
        return FALSE;
    read.instance = unescape_dup(end + 1);
    if (!read.instance)
        return FALSE;
    *id = read;
    return TRUE;
}
