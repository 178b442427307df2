/* Who is below whom: create, remove, collapse, and new parents, several at once.
 *
 * While a parent changes nobody but the database knows what a removal above will take. Such
 * workspaces are unsure until the removal has been answered; then the database is asked, once, and
 * it must keep to its word from then on. All others are known before the call. */
#include "lifecycle/team.h"
#include "random.h"

#define SESSIONS_KIND "claude-code"

static guint bit(guint slot)
{
    return 1u << slot;
}

/* ---- Who a removal takes ---- */

/* What a removal under way takes. Sets of slots. */
typedef struct {
    char root[ID_SIZE];
    guint surely;
    guint perhaps; /* its parent changes, or that of one above; or it is being created */
    guint incarnations[RANDOM_SLOTS];
} Taking;

static gboolean is_in(guint set, int slot)
{
    return slot >= 0 && set & bit((guint)slot);
}

/* Widens both sets by one step; FALSE: there was none. */
static gboolean widen_locked(const RandomRun *run, guint root, guint *surely, guint *perhaps)
{
    guint before = *surely | *perhaps, sure_before = *surely;

    for (guint i = 0; i < RANDOM_SLOTS; i++) {
        const ModelSlot *slot = &run->slots[i];
        int other = slot->moving_to == RANDOM_NOT_MOVING ? slot->parent : slot->moving_to;

        if (i == root || slot->state == SLOT_EMPTY)
            continue;
        if (is_in(*surely, slot->parent) && is_in(*surely, other))
            *surely |= bit(i);
        if (is_in(*surely | *perhaps, slot->parent) || is_in(*surely | *perhaps, other))
            *perhaps |= bit(i);
    }
    return *surely != sure_before || (*surely | *perhaps) != before;
}

/* `may_follow`: what is being created may come when all is over, and stay. */
static void take_locked(RandomRun *run, guint number, gboolean is_sure, gboolean may_follow,
                        Taking *taking)
{
    ModelSlot *slot = &run->slots[number];

    taking->incarnations[number] = slot->incarnation;
    if (slot->state == SLOT_CREATING) {
        slot->must_look = TRUE;
        slot->is_doomed |= is_sure && !may_follow;
        is_sure = FALSE;
    } else if (slot->state != SLOT_LIVE && slot->state != SLOT_UNSURE) {
        return;
    } else {
        slot->state = is_sure ? SLOT_REMOVING : SLOT_UNSURE;
    }
    if (is_sure) {
        taking->surely |= bit(number);
    } else {
        taking->perhaps |= bit(number);
        slot->takers++;
    }
}

/* Marks the tree, so that nobody expects it to live from now on. FALSE: its root does not live. */
static gboolean doom(RandomRun *run, guint root, gboolean root_too, Taking *taking)
{
    guint surely = bit(root), perhaps = 0;
    gboolean lives = FALSE;

    *taking = (Taking){0};
    mutex_lock(&run->lock);
    lives = run->slots[root].state == SLOT_LIVE;
    g_strlcpy(taking->root, run->slots[root].id, ID_SIZE);
    taking->incarnations[root] = run->slots[root].incarnation;
    run->slots[root].collapses += lives && !root_too;
    while (lives && widen_locked(run, root, &surely, &perhaps))
        continue;
    for (guint i = 0; i < RANDOM_SLOTS && lives; i++)
        if ((i != root || root_too) && (surely | perhaps) & bit(i))
            take_locked(run, i, (surely & bit(i)) != 0,
                        !root_too && run->slots[i].parent == (int)root, taking);
    mutex_unlock(&run->lock);
    return lives;
}

/* ---- After the answer ---- */

static gboolean is_gone(RandomRun *run, const char *id)
{
    g_autoptr(WorkspaceRow) row = NULL;
    g_autoptr(GError) error = NULL;

    if (!store_workspace_find(run->house.db, id, &row, &error))
        random_fail(run, "look for %s: %s", id, error->message);
    return !row || row->status == WORKSPACE_REMOVED;
}

static void bury_locked(RandomRun *run, ModelSlot *slot)
{
    g_hash_table_add(run->removed, g_strdup(slot->id));
    slot->state = SLOT_EMPTY;
}

/* Nobody else changes what is being removed. */
static void check_gone(RandomRun *run, const ModelSlot *slot, const char *root)
{
    g_autoptr(WorkspaceRow) row = NULL;

    if (is_gone(run, slot->id))
        return;
    g_assert_true(store_workspace_load(run->house.db, slot->id, &row, NULL));
    random_fail(run, "%s was removed with %s and is %s, below \"%s\"; its slot's parent: %d",
                slot->id, root, workspace_status_name(row->status), row->parent_id, slot->parent);
}

static void bury(RandomRun *run, guint number, const char *root)
{
    ModelSlot *slot = &run->slots[number];

    check_gone(run, slot, root);
    mutex_lock(&run->lock);
    bury_locked(run, slot);
    mutex_unlock(&run->lock);
}

/* One removal that might have taken it has ended. */
static void find_out(RandomRun *run, guint number, guint incarnation)
{
    ModelSlot *slot = &run->slots[number];
    char id[ID_SIZE] = "";
    gboolean gone = FALSE, must_go = FALSE;

    mutex_lock(&run->lock);
    if (slot->incarnation == incarnation) {
        slot->takers--;
        if (slot->state == SLOT_UNSURE)
            g_strlcpy(id, slot->id, ID_SIZE);
    }
    mutex_unlock(&run->lock);
    if (!*id)
        return;
    gone = is_gone(run, id);
    mutex_lock(&run->lock);
    if (slot->incarnation == incarnation && slot->state == SLOT_UNSURE) {
        must_go = slot->is_doomed && slot->takers == 0;
        if (gone)
            bury_locked(run, slot);
        else if (slot->takers == 0)
            slot->state = SLOT_LIVE;
    }
    mutex_unlock(&run->lock);
    if (!gone && must_go)
        random_fail(run, "the workspace %s was created below a removed one", id);
}

static void settle_taking(RandomRun *run, const Taking *taking)
{
    for (guint i = 0; i < RANDOM_SLOTS; i++) {
        if (taking->surely & bit(i))
            bury(run, i, taking->root);
        if (taking->perhaps & bit(i))
            find_out(run, i, taking->incarnations[i]);
    }
}

void random_remove(RandomRun *run, guint number, guint64 chance)
{
    g_auto(WorkspaceRemoved) removed = {0};
    g_autoptr(GError) error = NULL;
    Taking taking;

    if (!doom(run, number, TRUE, &taking))
        return;
    if (!lifecycle_remove(&run->lifecycle, taking.root, TRUE, chance & 1, &removed, &error) &&
        !error_is(error, ERROR_NOT_FOUND)) /* purged with its parent */
        random_fail(run, "remove: %s", error->message);
    settle_taking(run, &taking);
}

void random_collapse(RandomRun *run, guint number)
{
    g_autoptr(GPtrArray) names = NULL;
    g_autoptr(GError) error = NULL;
    Taking taking;

    if (!doom(run, number, FALSE, &taking))
        return;
    names = lifecycle_collapse(&run->lifecycle, taking.root, &error);
    if (!names && !error_is(error, ERROR_NOT_FOUND)) /* removed with its parent */
        random_fail(run, "collapse: %s", error->message);
    mutex_lock(&run->lock);
    if (run->slots[number].incarnation == taking.incarnations[number])
        run->slots[number].collapses--;
    mutex_unlock(&run->lock);
    settle_taking(run, &taking);
}

/* ---- Create ---- */

/* Whether it may become somebody's parent. */
static gboolean may_have_children_locked(const ModelSlot *slot)
{
    return slot->state == SLOT_LIVE && !slot->collapses;
}

static int choose_parent_locked(RandomRun *run, guint slot, guint64 chance)
{
    guint candidate = (guint)(chance % RANDOM_SLOTS);

    return candidate != slot && may_have_children_locked(&run->slots[candidate]) && chance >> 20 & 1
               ? (int)candidate
               : -1;
}

/* FALSE: the slot is taken. */
static gboolean begin_create(RandomRun *run, guint number, guint64 chance, WorkspaceOrder *order)
{
    ModelSlot *slot = &run->slots[number];
    gboolean is_free = FALSE, has_sessions = (chance >> 24 & 3) == 0;

    mutex_lock(&run->lock);
    is_free = slot->state == SLOT_EMPTY;
    if (is_free) {
        slot->state = SLOT_CREATING;
        slot->incarnation++;
        slot->moving_to = RANDOM_NOT_MOVING;
        slot->takers = slot->collapses = slot->resets = slot->resets_under_way = 0;
        slot->is_doomed = slot->must_look = FALSE;
        slot->has_sessions = has_sessions;
        slot->sessions_from = 0;
        *slot->sessions = '\0';
        g_hash_table_remove_all(slot->marks);
        slot->parent = choose_parent_locked(run, number, chance);
        if (slot->parent >= 0)
            g_strlcpy(order->parent_id, run->slots[slot->parent].id, ID_SIZE);
    }
    mutex_unlock(&run->lock);
    order->runtime = g_strdup(has_sessions ? SESSIONS_KIND : "builtin");
    order->image = g_strdup(has_sessions ? "base:1" : NULL);
    order->executor = g_strdup(has_sessions ? "echo" : NULL);
    return is_free;
}

static void after_create(RandomRun *run, guint number, const WorkspaceCreated *created)
{
    ModelSlot *slot = &run->slots[number];
    guint incarnation = 0;
    gboolean must_look = FALSE;

    mutex_lock(&run->lock);
    incarnation = slot->incarnation;
    must_look = created && slot->must_look;
    slot->state = !created ? SLOT_EMPTY : must_look ? SLOT_UNSURE : SLOT_LIVE;
    if (created)
        g_strlcpy(slot->id, created->id, ID_SIZE);
    slot->takers += must_look; /* this look */
    mutex_unlock(&run->lock);
    if (must_look)
        find_out(run, number, incarnation);
}

void random_create(RandomRun *run, guint number, guint64 chance)
{
    g_auto(WorkspaceOrder) order = {.budget_limit = -1, .tier = 2};
    g_auto(WorkspaceCreated) created = {0};
    g_autoptr(GError) error = NULL;

    if (!begin_create(run, number, chance, &order))
        return;
    order.name = g_strdup_printf("Worker %u", number);
    if (lifecycle_create(&run->lifecycle, &order, &created, &error)) {
        after_create(run, number, &created);
        return;
    }
    if (!*order.parent_id || !random_is_refusal(error))
        random_fail(run, "create: %s", error->message);
    after_create(run, number, NULL);
}

/* ---- A new parent ---- */

typedef struct {
    guint number, incarnation, target_incarnation, ticket;
    int target;                           /* slot; -1: none, or one that was removed */
    char id[ID_SIZE], parent_id[ID_SIZE]; /* "": it becomes a root */
    gboolean is_alone;                    /* no other parent changes */
    gboolean is_own_token;                /* who may not do this */
    gboolean must_fail, must_fail_alone;
} Move;

static gboolean is_below_locked(const RandomRun *run, int slot, guint root)
{
    for (guint depth = 0; slot >= 0 && depth <= RANDOM_SLOTS; depth++) {
        if (slot == (int)root)
            return TRUE;
        slot = run->slots[slot].state == SLOT_EMPTY ? -1 : run->slots[slot].parent;
    }
    return FALSE;
}

static void choose_removed_locked(const RandomRun *run, guint64 chance, Move *move)
{
    GHashTableIter iter;
    gpointer id = NULL;
    guint skip = (guint)(chance % 20);

    g_hash_table_iter_init(&iter, run->removed);
    while (g_hash_table_iter_next(&iter, &id, NULL) && skip > 0)
        skip--;
    if (id)
        g_strlcpy(move->parent_id, id, ID_SIZE);
    move->must_fail = id != NULL;
}

/* One try in eight names no parent, one a removed one; the others any that lives, whether or not it
 * is below. */
static gboolean choose_target_locked(RandomRun *run, guint64 chance, Move *move)
{
    const guint number = (guint)(chance >> 8) % RANDOM_SLOTS;
    const ModelSlot *target = &run->slots[number];

    move->target = -1;
    move->is_own_token = (chance >> 3 & 15) == 0;
    if ((chance & 7) == 0)
        return TRUE;
    if ((chance & 7) == 1) {
        choose_removed_locked(run, chance >> 20, move);
        return move->must_fail;
    }
    if (!may_have_children_locked(target))
        return FALSE;
    move->target = (int)number;
    move->target_incarnation = target->incarnation;
    g_strlcpy(move->parent_id, target->id, ID_SIZE);
    return TRUE;
}

static gboolean begin_move(RandomRun *run, guint number, guint64 chance, Move *move)
{
    ModelSlot *slot = &run->slots[number];
    gboolean may = FALSE;

    mutex_lock(&run->lock);
    *move = (Move){.number = number, .incarnation = slot->incarnation};
    may = slot->state == SLOT_LIVE && slot->moving_to == RANDOM_NOT_MOVING &&
          choose_target_locked(run, chance, move);
    if (may) {
        g_strlcpy(move->id, slot->id, ID_SIZE);
        move->is_alone = run->moves_under_way++ == 0;
        move->ticket = ++run->moves_begun;
        move->must_fail |= move->is_own_token;
        move->must_fail_alone = move->is_alone && is_below_locked(run, move->target, number);
        slot->moving_to = move->must_fail ? slot->parent : move->target;
    }
    mutex_unlock(&run->lock);
    return may;
}

static gboolean still_lives_locked(const RandomRun *run, guint number, guint incarnation)
{
    return run->slots[number].incarnation == incarnation && run->slots[number].state == SLOT_LIVE;
}

/* Whether nothing stood in its way. */
static gboolean was_harmless_locked(const RandomRun *run, const Move *move)
{
    return !move->must_fail && !move->must_fail_alone && move->is_alone &&
           run->moves_begun == move->ticket &&
           still_lives_locked(run, move->number, move->incarnation) &&
           (move->target < 0 ||
            still_lives_locked(run, (guint)move->target, move->target_incarnation)) &&
           !is_below_locked(run, move->target, move->number);
}

static void end_move(RandomRun *run, const Move *move, const GError *error)
{
    ModelSlot *slot = &run->slots[move->number];
    gboolean was_harmless = FALSE, is_wrong = FALSE;

    mutex_lock(&run->lock);
    was_harmless = was_harmless_locked(run, move);
    is_wrong = error
                   ? was_harmless
                   : move->must_fail || (move->must_fail_alone && run->moves_begun == move->ticket);
    run->moves_under_way--;
    if (slot->incarnation == move->incarnation) {
        slot->moving_to = RANDOM_NOT_MOVING;
        if (!error)
            slot->parent = move->target;
    }
    mutex_unlock(&run->lock);
    atomic_fetch_add(error ? &run->moves_refused : &run->moves_done, 1);
    if (is_wrong)
        random_fail(run, "a parent for %s (%s): %s", move->id,
                    *move->parent_id ? move->parent_id : "none",
                    error ? error->message : "was not refused");
}

void random_move(RandomRun *run, guint number, guint64 chance)
{
    g_autofree char *body = NULL;
    g_autoptr(GError) error = NULL;
    WorkspacePatched patched = {0};
    JsonView view;
    Move move;

    if (!begin_move(run, number, chance, &move))
        return;
    body = *move.parent_id ? g_strdup_printf("{\"parent_id\":\"%s\"}", move.parent_id)
                           : g_strdup("{\"parent_id\":null}");
    g_assert_true(json_view_parse(body, strlen(body), JSON_ONE_VALUE, &view, NULL));
    if (!lifecycle_patch(&run->lifecycle, move.id, view, move.is_own_token, &patched, &error) &&
        !random_is_refusal(error) && !error_is(error, ERROR_FORBIDDEN))
        random_fail(run, "move: %s", error->message);
    end_move(run, &move, error);
}
