#include "provision/names.h"

#define SHORT_ID_BYTES 12

static const struct {
    const char *key, *label, *target, *suffix;
} kinds[VOLUME_KINDS] = {
    [VOLUME_CONFIGS] = {"configs", "volume-configs", "/configs", "configs"},
    [VOLUME_SESSIONS] = {"sessions", "volume-sessions", "/root/.claude/sessions",
                         "claude-sessions"},
    [VOLUME_WORKSPACE] = {"workspace", "volume-workspace", "/workspace", "workspace"},
};

const char *volume_kind_key(VolumeKind kind)
{
    return kinds[kind].key;
}

const char *volume_kind_label(VolumeKind kind)
{
    return kinds[kind].label;
}

const char *volume_kind_target(VolumeKind kind)
{
    return kinds[kind].target;
}

gboolean volume_kind_parse(const char *key, VolumeKind *kind)
{
    for (guint i = 0; i < VOLUME_KINDS; i++)
        if (g_strcmp0(key, kinds[i].key) == 0) {
            *kind = (VolumeKind)i;
            return TRUE;
        }
    return FALSE;
}

char *container_name_dup(const char *id, gboolean full)
{
    return full ? g_strdup_printf("ws-%s", id) : g_strdup_printf("ws-%.*s", SHORT_ID_BYTES, id);
}

char *volume_name_dup(const char *id, VolumeKind kind, gboolean full)
{
    /* The workspace volume has always had the full id; its way out needs another form. */
    if (kind == VOLUME_WORKSPACE)
        return g_strdup_printf(full ? "ws-%s-workspace-own" : "ws-%s-workspace", id);
    if (full)
        return g_strdup_printf("ws-%s-%s", id, kinds[kind].suffix);
    return g_strdup_printf("ws-%.*s-%s", SHORT_ID_BYTES, id, kinds[kind].suffix);
}
