#include "auth/origins.h"

#include "base/log.h"

#include <string.h>

#define ORIGINS_DEFAULT "http://localhost:3000,http://localhost:3001"

struct _Origins {
    char **entries;
    gboolean any;
};

static gboolean has_scheme(const char *entry)
{
    return g_str_has_prefix(entry, "http://") || g_str_has_prefix(entry, "https://");
}

Origins *origins_new(const char *cors_origins)
{
    const char *text = cors_origins && *cors_origins ? cors_origins : ORIGINS_DEFAULT;
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    g_autoptr(GPtrArray) entries = g_ptr_array_new();
    Origins *origins = g_new0(Origins, 1);

    for (char **part = parts; *part; part++) {
        g_autofree char *entry = g_ascii_strdown(g_strstrip(*part), -1);
        if (strcmp(entry, "*") == 0)
            origins->any = TRUE;
        else if (has_scheme(entry))
            g_ptr_array_add(entries, g_steal_pointer(&entry));
        else if (*entry)
            log_warning("an entry of CORS_ORIGINS is no origin and is skipped",
                        LOG_TEXT("entry", entry));
    }
    g_ptr_array_add(entries, NULL);
    origins->entries = (char **)g_ptr_array_free(g_steal_pointer(&entries), FALSE);
    return origins;
}

void origins_free(Origins *origins)
{
    if (!origins)
        return;
    g_strfreev(origins->entries);
    g_free(origins);
}

static gboolean is_same(const char *origin, const char *host)
{
    const char *authority = NULL;

    if (!host)
        return FALSE;
    if (g_str_has_prefix(origin, "http://"))
        authority = origin + strlen("http://");
    else if (g_str_has_prefix(origin, "https://"))
        authority = origin + strlen("https://");
    return authority && strcmp(authority, host) == 0;
}

OriginVerdict origins_judge(const Origins *origins, const char *origin, const char *host)
{
    if (!origin || !*origin)
        return ORIGIN_NONE;
    if (is_same(origin, host))
        return ORIGIN_SAME;
    if (origins->any || g_strv_contains((const char *const *)origins->entries, origin))
        return ORIGIN_ALLOWED;
    return ORIGIN_REFUSED;
}
