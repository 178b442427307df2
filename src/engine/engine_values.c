/* Life and death of the values that engines hand out. */
#include "engine/engine.h"

void engine_labels_clear(EngineLabels *labels)
{
    g_clear_pointer(&labels->installation, g_free);
    g_clear_pointer(&labels->workspace, g_free);
    g_clear_pointer(&labels->kind, g_free);
    labels->generation = 0;
}

void engine_labels_copy(EngineLabels *to, const EngineLabels *from)
{
    *to = (EngineLabels){
        .installation = g_strdup(from->installation),
        .workspace = g_strdup(from->workspace),
        .kind = g_strdup(from->kind),
        .generation = from->generation,
    };
}

gboolean engine_labels_belong(const EngineLabels *labels, const char *installation)
{
    return !installation || g_strcmp0(labels->installation, installation) == 0;
}

void engine_info_free(EngineInfo *info)
{
    if (!info)
        return;
    g_free(info->id);
    g_free(info->name);
    g_free(info->version);
    g_free(info->host_name);
    g_free(info);
}

void container_info_free(ContainerInfo *info)
{
    if (!info)
        return;
    g_free(info->id);
    g_free(info->name);
    g_free(info->image);
    g_free(info->image_digest);
    g_free(info->user);
    g_free(info->failure);
    g_free(info->address);
    engine_labels_clear(&info->labels);
    g_free(info);
}

void volume_info_free(VolumeInfo *info)
{
    if (!info)
        return;
    g_free(info->name);
    engine_labels_clear(&info->labels);
    g_free(info);
}

void exec_result_free(ExecResult *result)
{
    if (!result)
        return;
    if (result->output)
        g_string_free(result->output, TRUE);
    if (result->errors)
        g_string_free(result->errors, TRUE);
    g_free(result);
}
