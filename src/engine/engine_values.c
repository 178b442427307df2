/* Life and death of the values that engines hand out. */
#include "engine/engine.h"

#include <string.h>

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

ContainerInfo *container_info_ref(ContainerInfo *info)
{
    atomic_fetch_add(&info->others, 1);
    return info;
}

ContainerInfo *container_info_own(ContainerInfo *info)
{
    ContainerInfo *own = NULL;

    if (atomic_load(&info->others) == 0)
        return info;
    own = g_new0(ContainerInfo, 1);
    memcpy(own, info, G_STRUCT_OFFSET(ContainerInfo, others)); /* all values; texts follow */
    own->id = g_strdup(info->id);
    own->name = g_strdup(info->name);
    own->image = g_strdup(info->image);
    own->image_digest = g_strdup(info->image_digest);
    own->user = g_strdup(info->user);
    own->failure = g_strdup(info->failure);
    own->address = g_strdup(info->address);
    own->probe_output = g_strdup(info->probe_output);
    engine_labels_copy(&own->labels, &info->labels);
    container_info_free(info);
    return own;
}

void container_info_free(ContainerInfo *info)
{
    if (!info || atomic_fetch_sub(&info->others, 1) > 0)
        return;
    g_free(info->id);
    g_free(info->name);
    g_free(info->image);
    g_free(info->image_digest);
    g_free(info->user);
    g_free(info->failure);
    g_free(info->address);
    g_free(info->probe_output);
    engine_labels_clear(&info->labels);
    g_free(info);
}

VolumeInfo *volume_info_ref(VolumeInfo *info)
{
    atomic_fetch_add(&info->others, 1);
    return info;
}

VolumeInfo *volume_info_own(VolumeInfo *info)
{
    VolumeInfo *own = NULL;

    if (atomic_load(&info->others) == 0)
        return info;
    own = g_new0(VolumeInfo, 1);
    memcpy(own, info, G_STRUCT_OFFSET(VolumeInfo, others));
    own->name = g_strdup(info->name);
    engine_labels_copy(&own->labels, &info->labels);
    volume_info_free(info);
    return own;
}

void volume_info_free(VolumeInfo *info)
{
    if (!info || atomic_fetch_sub(&info->others, 1) > 0)
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
