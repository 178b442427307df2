/* Giving to workspaces of ours what an engine's labels give to nobody, or to another installation:
 * after a move from the server before this one, or of a database without its installation.
 *
 * Only on an administrator's order, because a server that still runs would fight for them; only by
 * the exact names that the former server gave, or the labels that a former installation did; and
 * only to a workspace that has nothing of its own. Source: spec 02, section 17.3 A, J. */
#include "base/log.h"
#include "provision/wish_spec.h"
#include "reconcile/internal.h"
#include "store/workspaces.h"

#include <string.h>

#define SHORT_FORM "^ws-[0-9a-f]{8}-[0-9a-f]{3}"
#define SHORT_ID   12 /* characters of an id in a short name, after "ws-" */
#define FULL_ID    36

#define WHY_NOBODY   "no workspace here has this id"
#define WHY_SEVERAL  "several workspaces have ids that begin like this"
#define WHY_HAS_OWN  "its workspace has a container or volumes of its own"
#define WHY_EXTERNAL "its workspace runs elsewhere"
#define WHY_CHANGED  "its workspace changed just now; try again"

typedef struct {
    ReconcilerAdopted shown; /* first: freed as one */
    AdoptedKind kind;
    const char *label; /* static: what workspaced.kind should say */
    gboolean is_live;  /* a container that should go on */
} Candidate;

typedef struct {
    Reconciler *reconciler;
    const ReconcilerAdoption *ask;
    GHashTable *settled;   /* ids of workspaces that have an object of ours */
    GPtrArray *candidates; /* Candidate */
} Search;

void reconciler_adopted_free(ReconcilerAdopted *adopted)
{
    if (!adopted)
        return;
    g_free(adopted->ref);
    g_free(adopted->name);
    g_free(adopted->workspace_id);
    g_free(adopted);
}

static void candidate_free(Candidate *candidate)
{
    reconciler_adopted_free(&candidate->shown);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Candidate, candidate_free)

/* ---- Whose it is ---- */

static const char *known_label(AdoptedKind kind, const char *label)
{
    if (kind == ADOPTED_CONTAINER)
        return g_strcmp0(label, ENGINE_KIND_WORKSPACE) == 0 ? ENGINE_KIND_WORKSPACE : NULL;
    for (guint i = 0; i < VOLUME_KINDS; i++)
        if (g_strcmp0(label, volume_kind_label((VolumeKind)i)) == 0)
            return volume_kind_label((VolumeKind)i);
    return NULL;
}

/* By the labels of the former installation. FALSE: a helper, or nothing that a workspace has. */
static gboolean meant_by_labels(Candidate *candidate, const EngineLabels *labels)
{
    char id[ID_SIZE];

    candidate->label = known_label(candidate->kind, labels->kind);
    if (!candidate->label || !id_fold(labels->workspace, id))
        return FALSE;
    candidate->shown.workspace_id = g_strdup(id);
    return TRUE;
}

/* The label of what has exactly this name when it belongs to workspace `id`; NULL: it does not. */
static const char *label_by_name(AdoptedKind kind, const char *name, const char *id)
{
    g_autofree char *container = container_name_dup(id, FALSE);

    if (kind == ADOPTED_CONTAINER)
        return strcmp(name, container) == 0 ? ENGINE_KIND_WORKSPACE : NULL;
    for (guint i = 0; i < VOLUME_KINDS; i++) {
        g_autofree char *volume = volume_name_dup(id, (VolumeKind)i, FALSE);

        if (strcmp(name, volume) == 0)
            return volume_kind_label((VolumeKind)i);
    }
    return NULL;
}

static gboolean has_name_of_ours(AdoptedKind kind, const char *name)
{
    char id[ID_SIZE] = "00000000-0000-4000-8000-000000000000";

    if (!g_regex_match_simple(SHORT_FORM, name, 0, 0))
        return FALSE;
    if (strlen(name) > strlen("ws-") + FULL_ID && name[strlen("ws-") + FULL_ID] == '-')
        memcpy(id, name + strlen("ws-"), FULL_ID);
    else
        memcpy(id, name + strlen("ws-"), SHORT_ID);
    return label_by_name(kind, name, id) != NULL;
}

/* A name with the whole id names one workspace, a short one only when no other begins so. */
static gboolean find_named(Search *search, Candidate *candidate, GError **error)
{
    Db *db = search->reconciler->options.db;
    const char *name = candidate->shown.name;
    g_autofree char *start = g_strndup(name + strlen("ws-"), FULL_ID);
    char whole[ID_SIZE], id[ID_SIZE] = "";
    guint count = 0;

    if (!id_fold(start, whole))
        start[SHORT_ID] = '\0';
    if (!store_workspace_find_start(db, start, id, &count, error))
        return FALSE;
    candidate->label = count == 1 ? label_by_name(candidate->kind, name, id) : NULL;
    if (candidate->label)
        candidate->shown.workspace_id = g_strdup(id);
    else
        candidate->shown.why = count > 1 ? WHY_SEVERAL : WHY_NOBODY;
    return TRUE;
}

/* `is_meant` FALSE: it is nothing that can be adopted. */
static gboolean find_workspace(Search *search, Candidate *candidate, const EngineLabels *labels,
                               gboolean *is_meant, GError **error)
{
    const char *installation = search->ask->installation;

    *is_meant = FALSE;
    if (g_strcmp0(labels->installation, installation) != 0)
        return TRUE;
    *is_meant = installation ? meant_by_labels(candidate, labels)
                             : has_name_of_ours(candidate->kind, candidate->shown.name);
    return !*is_meant || installation || find_named(search, candidate, error);
}

/* ---- Looking ---- */

static gboolean is_wanted(const Search *search, const Candidate *candidate)
{
    return !search->ask->workspace_id ||
           g_strcmp0(search->ask->workspace_id, candidate->shown.workspace_id) == 0;
}

/* Takes the candidate. */
static gboolean consider(Search *search, Candidate *candidate, const EngineLabels *labels,
                         GError **error)
{
    g_autoptr(Candidate) own = candidate;
    gboolean is_meant = FALSE;

    if (g_strcmp0(labels->installation, search->reconciler->options.installation) == 0) {
        if (labels->workspace)
            g_hash_table_add(search->settled, g_strdup(labels->workspace));
        return TRUE;
    }
    if (!find_workspace(search, own, labels, &is_meant, error))
        return FALSE;
    if (is_meant && is_wanted(search, own))
        g_ptr_array_add(search->candidates, g_steal_pointer(&own));
    return TRUE;
}

static gboolean is_live(const ContainerInfo *info)
{
    return info->state == CONTAINER_RUNNING || info->state == CONTAINER_PAUSED ||
           info->state == CONTAINER_RESTARTING;
}

static gboolean look_at_containers(Search *search, GError **error)
{
    g_autoptr(GPtrArray) containers = NULL;

    if (!owned_all_containers(search->reconciler, &containers, error))
        return FALSE;
    for (guint i = 0; i < containers->len; i++) {
        const ContainerInfo *info = containers->pdata[i];
        Candidate *candidate = g_new0(Candidate, 1);

        candidate->kind = ADOPTED_CONTAINER;
        candidate->shown.ref = g_strdup(info->id);
        candidate->shown.name = g_strdup(info->name);
        candidate->is_live = is_live(info);
        if (!consider(search, candidate, &info->labels, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean look_at_volumes(Search *search, GError **error)
{
    g_autoptr(GPtrArray) volumes = NULL;

    if (!owned_all_volumes(search->reconciler, &volumes, error))
        return FALSE;
    for (guint i = 0; i < volumes->len; i++) {
        const VolumeInfo *info = volumes->pdata[i];
        Candidate *candidate = g_new0(Candidate, 1);

        candidate->kind = ADOPTED_VOLUME;
        candidate->shown.ref = g_strdup(info->name);
        candidate->shown.name = g_strdup(info->name);
        if (!consider(search, candidate, &info->labels, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- Giving ---- */

/* What a workspace that no wish was recorded for should be, by its row alone. */
static RuntimeDesired desired_by_status(WorkspaceStatus status)
{
    switch (status) {
    case WORKSPACE_REMOVED:
        return RUNTIME_ABSENT;
    case WORKSPACE_PAUSED:
    case WORKSPACE_HIBERNATING:
    case WORKSPACE_HIBERNATED:
        return RUNTIME_STOPPED;
    default:
        return RUNTIME_RUNNING;
    }
}

/* NULL: it may have them. */
static const char *refusal(const WorkspaceRow *workspace, const RuntimeRow *runtime)
{
    if (!workspace)
        return WHY_NOBODY;
    if (g_strcmp0(workspace->runtime, RUNTIME_EXTERNAL) == 0)
        return WHY_EXTERNAL;
    if (runtime && ((runtime->container_id && *runtime->container_id) ||
                    (runtime->volumes && *runtime->volumes)))
        return WHY_HAS_OWN;
    return NULL;
}

/* The one that goes on, of those of one workspace. */
static const Candidate *find_keeper(const GPtrArray *own)
{
    for (guint i = 0; i < own->len; i++) {
        const Candidate *candidate = own->pdata[i];

        if (candidate->is_live)
            return candidate;
    }
    return NULL;
}

static char *volumes_text(const GPtrArray *own)
{
    char **names = g_new0(char *, VOLUME_KINDS + 1);
    char *text = NULL;

    for (guint i = 0; i < own->len; i++) {
        const Candidate *candidate = own->pdata[i];

        for (guint kind = 0; kind < VOLUME_KINDS; kind++)
            if (candidate->label == volume_kind_label((VolumeKind)kind) && !names[kind])
                names[kind] = g_strdup(candidate->shown.name);
    }
    text = volume_names_text(names);
    volume_names_free(names);
    return text;
}

/* What does not go on is of an older generation: the look replaces it. */
static gboolean record_objects(Db *db, const GPtrArray *own, const char *id, gint64 generation,
                               GError **error)
{
    const Candidate *keeper = find_keeper(own);

    for (guint i = 0; i < own->len; i++) {
        const Candidate *candidate = own->pdata[i];
        AdoptedRow row = {.kind = candidate->kind,
                          .ref = candidate->shown.ref,
                          .label = (char *)candidate->label};

        g_strlcpy(row.workspace_id, id, sizeof row.workspace_id);
        if (candidate->kind == ADOPTED_CONTAINER)
            row.generation = candidate == keeper ? generation : generation - 1;
        if (!store_adopted_add(db, &row, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean record(Db *db, const GPtrArray *own, const char *id, RuntimeDesired desired,
                       gboolean is_first, GError **error)
{
    const Candidate *keeper = find_keeper(own);
    g_autofree char *volumes = volumes_text(own);
    RuntimeWish wish = {.desired = desired, .spec = is_first ? WISH_SPEC_NOTHING : NULL};
    RuntimeProgress progress = {.phase = RUNTIME_PENDING,
                                .container_id = keeper ? keeper->shown.ref : NULL,
                                .volumes = volumes};
    gint64 generation = 0;
    gboolean current = FALSE;

    return store_runtime_wish(db, id, &wish, &generation, error) &&
           record_objects(db, own, id, generation, error) &&
           store_runtime_progress(db, id, generation, &progress, &current, error) &&
           (current || error_set(error, ERROR_CONFLICT, "a newer wish won"));
}

/* All or nothing. `why` gets what speaks against it. */
static gboolean give_to(Search *search, const char *id, const GPtrArray *own, const char **why,
                        GError **error)
{
    Db *db = search->reconciler->options.db;
    g_autoptr(DbTransaction) transaction = db_begin(db, error);
    g_autoptr(WorkspaceRow) workspace = NULL;
    g_autoptr(RuntimeRow) runtime = NULL;

    if (!transaction || !store_workspace_find(db, id, &workspace, error) ||
        !store_runtime_find(db, id, &runtime, error))
        return FALSE;
    *why = refusal(workspace, runtime);
    if (*why || search->ask->dry_run)
        return TRUE;
    if (!record(db, own, id, runtime ? runtime->desired : desired_by_status(workspace->status),
                !runtime, error) ||
        !db_commit(&transaction, error))
        return FALSE;
    executor_poke(search->reconciler->executor, id);
    log_info("containers and volumes were adopted", LOG_TEXT("workspace", id),
             LOG_INT("count", own->len));
    return TRUE;
}

static void conclude(const GPtrArray *own, const char *why)
{
    for (guint i = 0; i < own->len; i++) {
        Candidate *candidate = own->pdata[i];

        candidate->shown.is_ours = !why;
        candidate->shown.why = why;
    }
}

/* What another order changed in the meantime spoils no other workspace's adoption. */
static gboolean treat(Search *search, const char *id, const GPtrArray *own, GError **error)
{
    g_autoptr(GError) cause = NULL;
    const char *why = NULL;

    if (g_hash_table_contains(search->settled, id)) {
        why = WHY_HAS_OWN;
    } else if (!give_to(search, id, own, &why, &cause)) {
        if (!error_is(cause, ERROR_CONFLICT) && !error_is(cause, ERROR_NOT_FOUND)) {
            g_propagate_error(error, g_steal_pointer(&cause));
            return FALSE;
        }
        why = WHY_CHANGED;
    }
    conclude(own, why);
    return TRUE;
}

static gboolean treat_all(Search *search, GError **error)
{
    g_autoptr(GHashTable) by_id =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
    GHashTableIter iterator;
    gpointer id = NULL, own = NULL;

    for (guint i = 0; i < search->candidates->len; i++) {
        Candidate *candidate = search->candidates->pdata[i];
        GPtrArray *list = NULL;

        candidate->shown.kind = adopted_kind_name(candidate->kind);
        if (!candidate->shown.workspace_id)
            continue;
        list = g_hash_table_lookup(by_id, candidate->shown.workspace_id);
        if (!list) {
            list = g_ptr_array_new();
            g_hash_table_insert(by_id, candidate->shown.workspace_id, list);
        }
        g_ptr_array_add(list, candidate);
    }
    g_hash_table_iter_init(&iterator, by_id);
    while (g_hash_table_iter_next(&iterator, &id, &own))
        if (!treat(search, id, own, error))
            return FALSE;
    return TRUE;
}

static gboolean check(Reconciler *reconciler, const ReconcilerAdoption *adoption, GError **error)
{
    if (g_strcmp0(adoption->installation, reconciler->options.installation) == 0)
        return error_set(error, ERROR_INVALID, "this is the server's own installation");
    if (!reconciler_check_open(reconciler, "adopted", error))
        return FALSE;
    return !engine_is_hosted(reconciler->options.engine) ||
           error_set(error, ERROR_CONFLICT, "machines of this engine cannot be adopted");
}

gboolean reconciler_adopt(Reconciler *reconciler, const ReconcilerAdoption *adoption,
                          GPtrArray **found, GError **error)
{
    g_autoptr(GHashTable) settled = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) candidates =
        g_ptr_array_new_with_free_func((GDestroyNotify)candidate_free);
    Search search = {
        .reconciler = reconciler, .ask = adoption, .settled = settled, .candidates = candidates};

    if (!check(reconciler, adoption, error) || !look_at_containers(&search, error) ||
        !look_at_volumes(&search, error) || !treat_all(&search, error))
        return FALSE;
    *found = g_steal_pointer(&candidates);
    return TRUE;
}
