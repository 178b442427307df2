/* Brings workspaces over to the image that is wished, a few at a time. */
#include "base/json_out.h"
#include "base/log.h"
#include "events/payloads.h"
#include "provision/container_spec.h"
#include "refresh/internal.h"
#include "store/workspaces.h"

#include <string.h>

#define ROLL_SLOTS       2 /* spec 02, section 15 */
#define TURN_US          (CLOCK_SECOND_US / 2)
#define AGAIN_US         (5 * CLOCK_SECOND_US)  /* database or engine were away */
#define BUSY_PATIENCE_US (10 * CLOCK_MINUTE_US) /* then one with tasks is not waited for */
#define BACK_PATIENCE_US (15 * CLOCK_MINUTE_US) /* beyond what a start may take */

typedef struct {
    char *digest;       /* of the wish */
    gint64 generation;  /* of ours */
    gint64 deadline_us; /* monotonic */
} Rolled;

static void rolled_free(gpointer data)
{
    Rolled *rolled = data;

    g_free(rolled->digest);
    g_free(rolled);
}

/* What one turn knows. */
typedef struct {
    Refresh *refresh;
    GPtrArray *nodes;
    GHashTable *runtimes;
    guint in_flight;
} Turn;

/* ---- One workspace ---- */

/* Only what still is as it was seen. `generation` 0: it is not. */
static gboolean write_wish(Db *db, const RollCandidate *candidate, const char *payload,
                           gint64 now_us, gint64 *generation, GError **error)
{
    const char *id = candidate->row->id;
    guint from = STORE_STATUS_BIT(WORKSPACE_ONLINE) | STORE_STATUS_BIT(WORKSPACE_DEGRADED) |
                 STORE_STATUS_BIT(WORKSPACE_OFFLINE);
    RuntimeWish wish = {.desired = RUNTIME_RUNNING};
    RuntimeDesired desired = RUNTIME_ABSENT;
    gint64 seen = 0, made = 0;
    gboolean found = FALSE, changed = FALSE;
    g_autoptr(DbTransaction) transaction = db_begin(db, error);

    *generation = 0;
    if (!transaction || !store_runtime_peek(db, id, &desired, &seen, &found, error) ||
        !store_workspace_mark_provisioning(db, id, from, &changed, error))
        return FALSE;
    if (!found || !changed || desired != RUNTIME_RUNNING || seen != candidate->generation)
        return TRUE; /* rolled back */
    if (!store_runtime_wish(db, id, &wish, &made, error) ||
        !event_store(db, "WORKSPACE_PROVISIONING", id, payload, now_us, error) ||
        !db_commit(&transaction, error))
        return FALSE;
    *generation = made;
    return TRUE;
}

static gboolean bring_over(Refresh *refresh, const RollCandidate *candidate,
                           const ImageWishRow *wish, GError **error)
{
    const char *id = candidate->row->id;
    g_autofree char *payload =
        event_provisioning_payload_dup(candidate->row, "source", "image_refresh");
    gint64 now_us = clock_now_us();
    gint64 generation = 0;
    Rolled *rolled = NULL;

    if (!write_wish(refresh->options.db, candidate, payload, now_us, &generation, error))
        return FALSE;
    if (!generation)
        return TRUE;
    rolled = g_new0(Rolled, 1);
    rolled->digest = g_strdup(wish->digest);
    rolled->generation = generation;
    rolled->deadline_us = clock_monotonic_us() + BACK_PATIENCE_US;
    g_hash_table_replace(refresh->rolled, g_strdup(id), rolled);
    if (!org_tree_refresh(refresh->options.tree, id, NULL))
        log_warning("a new image shows up in memory a little later", LOG_TEXT("workspace", id));
    events_announce(refresh->options.events, "WORKSPACE_PROVISIONING", id, payload, now_us);
    reconciler_poke(refresh->options.reconciler, id);
    log_info("workspace gets a new image", LOG_TEXT("workspace", id),
             LOG_TEXT("image", wish->image), LOG_INT("generation", generation));
    return TRUE;
}

/* ---- One wish ---- */

typedef struct {
    GArray *candidates; /* RollCandidate */
    guint waiting, later;
    const char *failed; /* id; NULL: none */
} Survey;

static RollState judge(Refresh *refresh, const WorkspaceRow *row, const RuntimeRow *runtime,
                       const ImageWishRow *wish)
{
    const Rolled *rolled = g_hash_table_lookup(refresh->rolled, row->id);
    gboolean is_ours = rolled && strcmp(rolled->digest, wish->digest) == 0;

    return roll_judge(runtime, row->status, wish->digest, is_ours ? rolled->generation : 0,
                      is_ours && clock_monotonic_us() > rolled->deadline_us);
}

static void survey(Turn *turn, const ImageWishRow *wish, Survey *into)
{
    for (guint i = 0; i < turn->nodes->len; i++) {
        const WorkspaceRow *row = org_node_row(turn->nodes->pdata[i]);
        const RuntimeRow *runtime = g_hash_table_lookup(turn->runtimes, row->id);
        RollCandidate candidate = {.row = row, .generation = runtime ? runtime->generation : 0};

        if (!runtime || !refresh_uses(turn->refresh, row, wish->image))
            continue;
        switch (judge(turn->refresh, row, runtime, wish)) {
        case ROLL_CANDIDATE:
            g_array_append_val(into->candidates, candidate);
            break;
        case ROLL_LATER:
            into->later++;
            break;
        case ROLL_WAITING:
            into->waiting++;
            break;
        case ROLL_FAILED:
            into->failed = row->id;
            break;
        case ROLL_NOTHING:
            break;
        }
    }
}

static gboolean end(Refresh *refresh, const ImageWishRow *wish, const char *why, GError **error)
{
    log_info("image refresh ended", LOG_TEXT("image", wish->image), LOG_TEXT("why", why));
    refresh_prune(refresh, wish->image);
    return store_image_wish_end(refresh->options.db, wish->image, wish->digest, error);
}

/* Whether a container made now would get what is wished. */
static gboolean is_still_here(Refresh *refresh, const ImageWishRow *wish, gboolean *is_here,
                              GError **error)
{
    g_autofree char *digest = NULL;
    g_autoptr(GError) cause = NULL;

    if (!reconciler_image_find(refresh->options.reconciler, wish->image, &digest, &cause) &&
        !error_is(cause, ERROR_NOT_FOUND)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    *is_here = g_strcmp0(digest, wish->digest) == 0;
    return TRUE;
}

static gboolean go_on(Turn *turn, const ImageWishRow *wish, Survey *found, GError **error)
{
    RollCandidate *candidates = (RollCandidate *)(void *)found->candidates->data;
    gboolean may_disturb = clock_now_us() - wish->updated_at_us > BUSY_PATIENCE_US;
    guint slots = ROLL_SLOTS - MIN(turn->in_flight, ROLL_SLOTS);
    guint count = roll_choose(candidates, found->candidates->len, slots, may_disturb);
    gboolean is_here = FALSE;

    if (count == 0)
        return TRUE;
    if (!is_still_here(turn->refresh, wish, &is_here, error))
        return FALSE;
    if (!is_here)
        return end(turn->refresh, wish, "the local image is another one now", error);
    for (guint i = 0; i < count; i++)
        if (!bring_over(turn->refresh, &candidates[i], wish, error))
            return FALSE;
    turn->in_flight += count;
    return TRUE;
}

static gboolean roll_wish(Turn *turn, const ImageWishRow *wish, GError **error)
{
    g_autoptr(GArray) candidates = g_array_new(FALSE, FALSE, sizeof(RollCandidate));
    Survey found = {.candidates = candidates};

    survey(turn, wish, &found);
    turn->in_flight += found.waiting;
    if (found.failed) {
        log_warning("a workspace did not come back with its new image; the others keep the old one",
                    LOG_TEXT("workspace", found.failed), LOG_TEXT("image", wish->image));
        return end(turn->refresh, wish, "a workspace failed", error);
    }
    if (candidates->len + found.waiting + found.later == 0)
        return end(turn->refresh, wish, "done", error);
    return go_on(turn, wish, &found, error);
}

/* ---- A turn ---- */

static gboolean roll_all(Refresh *refresh, GPtrArray *wishes, GError **error)
{
    g_autoptr(GHashTable) runtimes = refresh_runtimes_load(refresh, error);
    g_autoptr(GPtrArray) nodes = runtimes ? org_tree_list(refresh->options.tree) : NULL;
    Turn turn = {.refresh = refresh, .nodes = nodes, .runtimes = runtimes};

    for (guint i = 0; runtimes && i < wishes->len; i++)
        if (!roll_wish(&turn, wishes->pdata[i], error))
            return FALSE;
    return runtimes != NULL;
}

gint64 refresh_roll(Refresh *refresh)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(GPtrArray) wishes = store_image_wish_list(refresh->options.db, &cause);

    if (!refresh->rolled)
        refresh->rolled = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, rolled_free);
    if (wishes && wishes->len == 0) {
        g_hash_table_remove_all(refresh->rolled);
        return G_MAXINT64;
    }
    if (wishes && roll_all(refresh, wishes, &cause))
        return clock_monotonic_us() + TURN_US;
    log_warning("an image refresh waits", LOG_CAUSE(cause));
    return clock_monotonic_us() + AGAIN_US;
}
