#include "reconcile/owned.h"

#include "base/log.h"
#include "reconcile/internal.h"

static gboolean is_ours(const Reconciler *reconciler, const EngineLabels *labels)
{
    return g_strcmp0(labels->installation, reconciler->options.installation) == 0;
}

static void label(const Reconciler *reconciler, const AdoptedRow *row, EngineLabels *labels)
{
    EngineLabels given = {
        .installation = (char *)reconciler->options.installation,
        .workspace = (char *)row->workspace_id,
        .kind = row->label,
        .generation = row->generation,
    };

    engine_labels_clear(labels);
    engine_labels_copy(labels, &given);
}

/* ---- One object ---- */

gboolean owned_inspect(Reconciler *reconciler, const char *ref, ContainerInfo **info,
                       GError **error)
{
    g_autoptr(ContainerInfo) found = NULL;
    g_autoptr(AdoptedRow) row = NULL;

    if (!engine_inspect(reconciler->options.engine, ref, &found, error))
        return FALSE;
    if (!is_ours(reconciler, &found->labels) &&
        !store_adopted_find(reconciler->options.db, ADOPTED_CONTAINER, found->id, &row, error))
        return FALSE;
    if (row)
        label(reconciler, row, &found->labels);
    *info = g_steal_pointer(&found);
    return TRUE;
}

gboolean owned_volume_create(Reconciler *reconciler, const char *name, const EngineLabels *labels,
                             EngineLabels *existing, GError **error)
{
    g_autoptr(AdoptedRow) row = NULL;

    if (!engine_volume_create(reconciler->options.engine, name, labels, existing, error))
        return FALSE;
    if (is_ours(reconciler, existing))
        return TRUE;
    if (!store_adopted_find(reconciler->options.db, ADOPTED_VOLUME, name, &row, error)) {
        engine_labels_clear(existing);
        return FALSE;
    }
    if (row)
        label(reconciler, row, existing);
    return TRUE;
}

/* ---- Lists ---- */

/* Borrowed by ref. */
static GHashTable *index_rows(const GPtrArray *rows)
{
    GHashTable *by_ref = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < rows->len; i++) {
        AdoptedRow *row = rows->pdata[i];

        g_hash_table_insert(by_ref, row->ref, row);
    }
    return by_ref;
}

/* The list is complete, and younger than the adoptions: what is not in it is gone. */
static void forget_vanished(Reconciler *reconciler, GHashTable *by_ref)
{
    GHashTableIter iterator;
    gpointer value = NULL;

    g_hash_table_iter_init(&iterator, by_ref);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        const AdoptedRow *row = value;
        g_autoptr(GError) cause = NULL;

        if (!store_adopted_forget(reconciler->options.db, row->kind, row->ref, &cause))
            log_debug("an adoption is forgotten later", LOG_TEXT("object", row->ref),
                      LOG_CAUSE(cause));
    }
}

static void label_containers(Reconciler *reconciler, GHashTable *by_ref, GPtrArray *containers)
{
    for (guint i = 0; i < containers->len; i++) {
        ContainerInfo *info = containers->pdata[i];
        const AdoptedRow *row = g_hash_table_lookup(by_ref, info->id);

        if (row && !is_ours(reconciler, &info->labels)) {
            containers->pdata[i] = info = container_info_own(info);
            label(reconciler, row, &info->labels);
        }
        g_hash_table_remove(by_ref, info->id);
    }
}

static void label_volumes(Reconciler *reconciler, GHashTable *by_ref, GPtrArray *volumes)
{
    for (guint i = 0; i < volumes->len; i++) {
        VolumeInfo *info = volumes->pdata[i];
        const AdoptedRow *row = g_hash_table_lookup(by_ref, info->name);

        if (row && !is_ours(reconciler, &info->labels)) {
            volumes->pdata[i] = info = volume_info_own(info);
            label(reconciler, row, &info->labels);
        }
        g_hash_table_remove(by_ref, info->name);
    }
}

static gboolean list_all_containers(Reconciler *reconciler, const GPtrArray *rows,
                                    GPtrArray **containers, GError **error)
{
    g_autoptr(GHashTable) by_ref = index_rows(rows);

    if (!engine_list(reconciler->options.engine, NULL, containers, error))
        return FALSE;
    label_containers(reconciler, by_ref, *containers);
    forget_vanished(reconciler, by_ref);
    return TRUE;
}

static gboolean list_all_volumes(Reconciler *reconciler, const GPtrArray *rows, GPtrArray **volumes,
                                 GError **error)
{
    g_autoptr(GHashTable) by_ref = index_rows(rows);

    if (!engine_volume_list(reconciler->options.engine, NULL, volumes, error))
        return FALSE;
    label_volumes(reconciler, by_ref, *volumes);
    forget_vanished(reconciler, by_ref);
    return TRUE;
}

gboolean owned_all_containers(Reconciler *reconciler, GPtrArray **containers, GError **error)
{
    g_autoptr(GPtrArray) rows =
        store_adopted_list(reconciler->options.db, ADOPTED_CONTAINER, error);

    return rows && list_all_containers(reconciler, rows, containers, error);
}

gboolean owned_all_volumes(Reconciler *reconciler, GPtrArray **volumes, GError **error)
{
    g_autoptr(GPtrArray) rows = store_adopted_list(reconciler->options.db, ADOPTED_VOLUME, error);

    return rows && list_all_volumes(reconciler, rows, volumes, error);
}

/* Without adoptions the engine lists what is ours and nothing else. */
gboolean owned_containers(Reconciler *reconciler, GPtrArray **containers, GError **error)
{
    const ReconcilerOptions *options = &reconciler->options;
    g_autoptr(GPtrArray) rows = store_adopted_list(options->db, ADOPTED_CONTAINER, error);

    if (!rows)
        return FALSE;
    if (rows->len == 0)
        return engine_list(options->engine, options->installation, containers, error);
    if (!list_all_containers(reconciler, rows, containers, error))
        return FALSE;
    for (guint i = (*containers)->len; i > 0; i--)
        if (!is_ours(reconciler, &((ContainerInfo *)(*containers)->pdata[i - 1])->labels))
            g_ptr_array_remove_index_fast(*containers, i - 1);
    return TRUE;
}

gboolean owned_volumes(Reconciler *reconciler, GPtrArray **volumes, GError **error)
{
    const ReconcilerOptions *options = &reconciler->options;
    g_autoptr(GPtrArray) rows = store_adopted_list(options->db, ADOPTED_VOLUME, error);

    if (!rows)
        return FALSE;
    if (rows->len == 0)
        return engine_volume_list(options->engine, options->installation, volumes, error);
    if (!list_all_volumes(reconciler, rows, volumes, error))
        return FALSE;
    for (guint i = (*volumes)->len; i > 0; i--)
        if (!is_ours(reconciler, &((VolumeInfo *)(*volumes)->pdata[i - 1])->labels))
            g_ptr_array_remove_index_fast(*volumes, i - 1);
    return TRUE;
}
