#include "org/tree.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sync.h"
#include "org/spend.h"
#include "store/usage.h"
#include "store/workspaces.h"

#include <string.h>

/* A step more than this between two levels of one line of ancestors is no relation any more; it
 * also ends a cycle that an old database may hold. Source: spec 04, section 4, rows 8 to 11. */
#define ANCESTOR_STEPS_MAX 32

struct _OrgNode {
    RefCount references;
    WorkspaceRow *row; /* never changed once the node is visible */
};

/* What the tree knows of one workspace. All fields belong to the tree's lock. */
typedef struct {
    OrgNode *node;
    guint64 ticket;         /* of the read that made the node */
    gboolean is_dirty;      /* vital signs wait to be written */
    gboolean spend_changed; /* monthly_spend is among them */
} Entry;

struct _OrgTree {
    Db *db;
    Mutex lock;
    GHashTable *entries; /* id (borrowed from the node's row) -> Entry */
    GPtrArray *order;    /* Entry, by creation time, then id; borrowed */
    GHashTable *dropped; /* ids that left while reads were under way -> ticket (guint64, owned) */
    GHashTable *stale;   /* ids whose last read failed */
    guint64 next_ticket;
    guint reads_under_way;
    guint64 version; /* moves with every visible change */
};

/* ---- Nodes ---- */

static OrgNode *node_new(WorkspaceRow *row)
{
    OrgNode *node = g_new0(OrgNode, 1);

    ref_init(&node->references);
    node->row = row;
    return node;
}

const WorkspaceRow *org_node_row(const OrgNode *node)
{
    return node->row;
}

OrgNode *org_node_ref(OrgNode *node)
{
    ref_take(&node->references);
    return node;
}

void org_node_unref(OrgNode *node)
{
    if (!node || !ref_drop(&node->references))
        return;
    workspace_row_free(node->row);
    g_free(node);
}

static void entry_free(void *data)
{
    Entry *entry = data;

    org_node_unref(entry->node);
    g_free(entry);
}

/* ---- Order ---- */

static int compare_rows(const WorkspaceRow *a, const WorkspaceRow *b)
{
    /* A row without a time (another program's) comes last. */
    gint64 a_time = a->created_at_us ? a->created_at_us : G_MAXINT64;
    gint64 b_time = b->created_at_us ? b->created_at_us : G_MAXINT64;

    if (a_time != b_time)
        return a_time < b_time ? -1 : 1;
    return strcmp(a->id, b->id);
}

/* The first place in `order` whose row is not before `row`. */
static guint order_place(const OrgTree *tree, const WorkspaceRow *row)
{
    guint low = 0, high = tree->order->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        const Entry *entry = tree->order->pdata[middle];
        if (compare_rows(entry->node->row, row) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void entry_insert_locked(OrgTree *tree, Entry *entry)
{
    g_ptr_array_insert(tree->order, (gint)order_place(tree, entry->node->row), entry);
    g_hash_table_insert(tree->entries, entry->node->row->id, entry);
}

static void entry_remove_locked(OrgTree *tree, Entry *entry)
{
    g_ptr_array_remove_index(tree->order, order_place(tree, entry->node->row));
    g_hash_table_remove(tree->entries, entry->node->row->id);
}

/* The id in the map is the node's own text, so the key changes with the node. */
static void entry_set_node_locked(OrgTree *tree, Entry *entry, OrgNode *node)
{
    OrgNode *before = entry->node;

    g_hash_table_steal(tree->entries, before->row->id);
    entry->node = node;
    g_hash_table_insert(tree->entries, node->row->id, entry);
    org_node_unref(before);
    tree->version++;
}

static void copy_vitals(WorkspaceRow *to, const WorkspaceRow *from, gboolean with_spend)
{
    to->last_error_rate = from->last_error_rate;
    g_free(to->last_sample_error);
    to->last_sample_error = g_strdup(from->last_sample_error);
    to->active_tasks = from->active_tasks;
    to->uptime_seconds = from->uptime_seconds;
    g_free(to->current_task);
    to->current_task = g_strdup(from->current_task);
    to->last_heartbeat_at_us = MAX(to->last_heartbeat_at_us, from->last_heartbeat_at_us);
    to->last_outbound_at_us = MAX(to->last_outbound_at_us, from->last_outbound_at_us);
    to->idle_since_us = MAX(to->idle_since_us, from->idle_since_us);
    if (with_spend) {
        to->monthly_spend = from->monthly_spend;
        to->spend_period = from->spend_period;
    }
}

/* ---- Life ---- */

/* What the month has cost so far; from here on org_tree_add_usage keeps count. */
static gboolean read_usage(Db *db, GPtrArray *rows, GError **error)
{
    gint64 now_us = clock_now_us(), from_us = 0, to_us = 0;
    g_autoptr(GHashTable) costs = NULL;

    spend_period_bounds(now_us, &from_us, &to_us);
    costs = store_usage_cost_each(db, from_us, to_us, error);
    for (guint i = 0; costs && i < rows->len; i++) {
        WorkspaceRow *row = rows->pdata[i];
        const gint64 *cost = g_hash_table_lookup(costs, row->id);
        row->metered_micro_usd = cost ? *cost : 0;
        row->metered_period = spend_period(now_us);
    }
    return costs != NULL;
}

OrgTree *org_tree_new(Db *db, GError **error)
{
    g_autoptr(GPtrArray) rows = store_workspace_list_live(db, error);
    OrgTree *tree = NULL;

    if (!rows || !read_usage(db, rows, error))
        return NULL;
    tree = g_new0(OrgTree, 1);
    tree->db = db;
    mutex_init(&tree->lock);
    tree->entries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, entry_free);
    tree->order = g_ptr_array_new();
    tree->dropped = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    tree->stale = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    tree->version = 1;
    mutex_lock(&tree->lock);
    for (guint i = 0; i < rows->len; i++) {
        Entry *entry = g_new0(Entry, 1);
        entry->node = node_new(workspace_row_copy(rows->pdata[i]));
        entry_insert_locked(tree, entry);
    }
    mutex_unlock(&tree->lock);
    return tree;
}

void org_tree_free(OrgTree *tree)
{
    if (!tree)
        return;
    g_ptr_array_unref(tree->order);
    g_hash_table_unref(tree->entries);
    g_hash_table_unref(tree->dropped);
    g_hash_table_unref(tree->stale);
    mutex_clear(&tree->lock);
    g_free(tree);
}

/* ---- Reading one workspace again ----
 *
 * Two reads of one workspace may overtake each other on their way here. Each takes a ticket before
 * it asks the database; an answer counts only when no later ticket's answer is in already. A later
 * ticket began its read later, so it has seen at least as much. */

static guint64 read_begin(OrgTree *tree)
{
    guint64 ticket = 0;

    mutex_lock(&tree->lock);
    ticket = ++tree->next_ticket;
    tree->reads_under_way++;
    mutex_unlock(&tree->lock);
    return ticket;
}

static gboolean overtaken_locked(OrgTree *tree, const char *id, const Entry *entry, guint64 ticket)
{
    const guint64 *dropped = g_hash_table_lookup(tree->dropped, id);

    return (entry && entry->ticket > ticket) || (dropped && *dropped > ticket);
}

static void take_row_locked(OrgTree *tree, Entry *entry, WorkspaceRow *row, guint64 ticket)
{
    if (!entry) {
        entry = g_new0(Entry, 1);
        entry->node = node_new(row);
        entry_insert_locked(tree, entry);
        tree->version++;
    } else {
        /* What a heartbeat brought and no flush has committed yet is newer than what was read. */
        if (entry->is_dirty || entry->node->row->last_heartbeat_at_us > row->last_heartbeat_at_us)
            copy_vitals(row, entry->node->row, entry->spend_changed);
        row->metered_micro_usd = entry->node->row->metered_micro_usd;
        row->metered_period = entry->node->row->metered_period;
        entry_set_node_locked(tree, entry, node_new(row));
    }
    entry->ticket = ticket;
}

static void drop_row_locked(OrgTree *tree, const char *id, Entry *entry, guint64 ticket)
{
    if (tree->reads_under_way > 1)
        g_hash_table_insert(tree->dropped, g_strdup(id), g_memdup2(&ticket, sizeof ticket));
    if (entry) {
        entry_remove_locked(tree, entry);
        tree->version++;
    }
}

static void read_end(OrgTree *tree, const char *id, guint64 ticket, gboolean was_read,
                     WorkspaceRow *row)
{
    Entry *entry = NULL;
    gboolean is_live = row && row->status != WORKSPACE_REMOVED;

    mutex_lock(&tree->lock);
    entry = g_hash_table_lookup(tree->entries, id);
    if (!was_read)
        g_hash_table_add(tree->stale, g_strdup(id));
    else if (!overtaken_locked(tree, id, entry, ticket)) {
        g_hash_table_remove(tree->stale, id);
        if (is_live)
            take_row_locked(tree, entry, g_steal_pointer(&row), ticket);
        else
            drop_row_locked(tree, id, entry, ticket);
    }
    if (--tree->reads_under_way == 0)
        g_hash_table_remove_all(tree->dropped);
    mutex_unlock(&tree->lock);
    workspace_row_free(row);
}

gboolean org_tree_refresh(OrgTree *tree, const char *id, GError **error)
{
    guint64 ticket = read_begin(tree);
    WorkspaceRow *row = NULL;
    gboolean was_read = store_workspace_find(tree->db, id, &row, error);

    read_end(tree, id, ticket, was_read, row);
    return was_read;
}

/* ---- Looking ---- */

OrgNode *org_tree_find(OrgTree *tree, const char *id)
{
    OrgNode *node = NULL;

    mutex_lock(&tree->lock);
    Entry *entry = g_hash_table_lookup(tree->entries, id);
    if (entry)
        node = org_node_ref(entry->node);
    mutex_unlock(&tree->lock);
    return node;
}

static GPtrArray *node_array(guint size)
{
    return g_ptr_array_new_full(size, (GDestroyNotify)org_node_unref);
}

GPtrArray *org_tree_list(OrgTree *tree)
{
    GPtrArray *nodes = NULL;

    mutex_lock(&tree->lock);
    nodes = node_array(tree->order->len);
    for (guint i = 0; i < tree->order->len; i++) {
        const Entry *entry = tree->order->pdata[i];
        g_ptr_array_add(nodes, org_node_ref(entry->node));
    }
    mutex_unlock(&tree->lock);
    return nodes;
}

guint org_tree_size(OrgTree *tree)
{
    guint size = 0;

    mutex_lock(&tree->lock);
    size = tree->order->len;
    mutex_unlock(&tree->lock);
    return size;
}

guint64 org_tree_version(OrgTree *tree)
{
    guint64 version = 0;

    mutex_lock(&tree->lock);
    version = tree->version;
    mutex_unlock(&tree->lock);
    return version;
}

static int compare_names(const void *a, const void *b)
{
    const WorkspaceRow *left = (*(OrgNode *const *)a)->row;
    const WorkspaceRow *right = (*(OrgNode *const *)b)->row;
    int order = g_strcmp0(left->name, right->name);

    return order ? order : strcmp(left->id, right->id);
}

static void append_sorted(GPtrArray *all, GPtrArray *group)
{
    g_ptr_array_sort(group, compare_names);
    for (guint i = 0; i < group->len; i++)
        g_ptr_array_add(all, org_node_ref(group->pdata[i]));
}

GPtrArray *org_tree_peers(OrgTree *tree, const char *id)
{
    g_autoptr(GPtrArray) all = org_tree_list(tree);
    g_autoptr(OrgNode) self = org_tree_find(tree, id);
    g_autoptr(GPtrArray) siblings = g_ptr_array_new();
    g_autoptr(GPtrArray) children = g_ptr_array_new();
    g_autoptr(GPtrArray) parent = g_ptr_array_new();
    GPtrArray *peers = NULL;

    if (!self)
        return NULL;
    for (guint i = 0; i < all->len; i++) {
        OrgNode *node = all->pdata[i];
        if (strcmp(node->row->id, id) == 0)
            continue;
        if (strcmp(node->row->parent_id, id) == 0)
            g_ptr_array_add(children, node);
        else if (strcmp(node->row->id, self->row->parent_id) == 0)
            g_ptr_array_add(parent, node);
        else if (strcmp(node->row->parent_id, self->row->parent_id) == 0)
            g_ptr_array_add(siblings, node);
    }
    peers = node_array(siblings->len + children->len + parent->len);
    append_sorted(peers, siblings);
    append_sorted(peers, children);
    append_sorted(peers, parent);
    return peers;
}

/* ---- Relations ---- */

static const WorkspaceRow *row_locked(OrgTree *tree, const char *id)
{
    const Entry *entry = *id ? g_hash_table_lookup(tree->entries, id) : NULL;

    return entry ? entry->node->row : NULL;
}

static gboolean is_ancestor_locked(OrgTree *tree, const char *ancestor, const WorkspaceRow *below)
{
    const WorkspaceRow *row = row_locked(tree, below->parent_id);

    for (guint step = 0; row && step <= ANCESTOR_STEPS_MAX; step++) {
        if (strcmp(row->id, ancestor) == 0)
            return TRUE;
        row = row_locked(tree, row->parent_id);
    }
    return FALSE;
}

gboolean org_tree_may_talk(OrgTree *tree, const char *caller, const char *target)
{
    const WorkspaceRow *from = NULL, *to = NULL;
    gboolean allowed = FALSE;

    if (strcmp(caller, target) == 0)
        return TRUE;
    mutex_lock(&tree->lock);
    from = row_locked(tree, caller);
    to = row_locked(tree, target);
    if (from && to)
        allowed = strcmp(from->parent_id, to->parent_id) == 0 ||
                  is_ancestor_locked(tree, caller, to) || is_ancestor_locked(tree, target, from);
    mutex_unlock(&tree->lock);
    return allowed;
}

gboolean org_tree_would_cycle(OrgTree *tree, const char *id, const char *parent)
{
    const WorkspaceRow *row = NULL;
    gboolean cycle = strcmp(id, parent) == 0;

    mutex_lock(&tree->lock);
    row = row_locked(tree, parent);
    for (guint step = 0; !cycle && row && step <= tree->order->len; step++) {
        cycle = strcmp(row->id, id) == 0;
        row = row_locked(tree, row->parent_id);
    }
    mutex_unlock(&tree->lock);
    return cycle;
}

/* ---- Vital signs ---- */

static void replace_text(char **field, const char *text)
{
    if (g_strcmp0(*field, text) == 0)
        return;
    g_free(*field);
    *field = g_strdup(text);
}

static void apply_vitals(WorkspaceRow *row, const OrgVitals *vitals)
{
    row->last_error_rate = vitals->error_rate;
    if (vitals->sample_error)
        replace_text(&row->last_sample_error, vitals->sample_error);
    row->active_tasks = vitals->active_tasks;
    if (vitals->uptime_seconds)
        row->uptime_seconds = vitals->uptime_seconds;
    replace_text(&row->current_task, vitals->current_task ? vitals->current_task : "");
    if (vitals->monthly_spend) {
        row->monthly_spend = vitals->monthly_spend;
        row->spend_period = spend_period(vitals->heartbeat_at_us);
    }
    row->last_heartbeat_at_us = MAX(row->last_heartbeat_at_us, vitals->heartbeat_at_us);
    if (vitals->active_tasks > 0)
        row->idle_since_us = vitals->heartbeat_at_us;
}

gboolean org_tree_beat(OrgTree *tree, const char *id, const OrgVitals *vitals, OrgNode **before)
{
    Entry *entry = NULL;

    mutex_lock(&tree->lock);
    entry = g_hash_table_lookup(tree->entries, id);
    if (entry) {
        WorkspaceRow *row = workspace_row_copy(entry->node->row);
        if (before)
            *before = org_node_ref(entry->node);
        apply_vitals(row, vitals);
        entry->is_dirty = TRUE;
        entry->spend_changed |= vitals->monthly_spend != 0;
        entry_set_node_locked(tree, entry, node_new(row));
    }
    mutex_unlock(&tree->lock);
    return entry != NULL;
}

void org_tree_touch_activity(OrgTree *tree, const char *id, gboolean outbound)
{
    gint64 now_us = clock_now_us();
    Entry *entry = NULL;

    mutex_lock(&tree->lock);
    entry = g_hash_table_lookup(tree->entries, id);
    if (entry) {
        WorkspaceRow *row = workspace_row_copy(entry->node->row);
        if (outbound)
            row->last_outbound_at_us = now_us;
        row->idle_since_us = now_us;
        entry->is_dirty = TRUE;
        entry_set_node_locked(tree, entry, node_new(row));
    }
    mutex_unlock(&tree->lock);
}

/* What is committed while the totals are read may be missed or counted twice here; the next reading
 * sets it right. */
static void set_usage_locked(OrgTree *tree, Entry *entry, gint64 period, gint64 cost_micro_usd)
{
    const WorkspaceRow *before = entry->node->row;
    WorkspaceRow *row = NULL;

    if (before->metered_period > period ||
        (before->metered_period == period && before->metered_micro_usd == cost_micro_usd))
        return;
    row = workspace_row_copy(before);
    row->metered_period = period;
    row->metered_micro_usd = cost_micro_usd;
    entry_set_node_locked(tree, entry, node_new(row));
}

gboolean org_tree_read_usage(OrgTree *tree, GError **error)
{
    gint64 now_us = clock_now_us(), from_us = 0, to_us = 0;
    g_autoptr(GHashTable) costs = NULL;
    GHashTableIter iter;
    void *id = NULL, *cost = NULL;

    spend_period_bounds(now_us, &from_us, &to_us);
    costs = store_usage_cost_each(tree->db, from_us, to_us, error);
    if (!costs)
        return FALSE;
    mutex_lock(&tree->lock);
    g_hash_table_iter_init(&iter, costs);
    while (g_hash_table_iter_next(&iter, &id, &cost)) {
        Entry *entry = g_hash_table_lookup(tree->entries, id);
        if (entry)
            set_usage_locked(tree, entry, spend_period(now_us), *(gint64 *)cost);
    }
    mutex_unlock(&tree->lock);
    return TRUE;
}

void org_tree_add_usage(OrgTree *tree, const char *id, gint64 cost_micro_usd, gint64 at_us)
{
    gint64 period = spend_period(at_us);
    Entry *entry = NULL;

    mutex_lock(&tree->lock);
    entry = g_hash_table_lookup(tree->entries, id);
    if (entry && entry->node->row->metered_period <= period) {
        WorkspaceRow *row = workspace_row_copy(entry->node->row);
        if (row->metered_period < period)
            row->metered_micro_usd = 0;
        row->metered_period = period;
        row->metered_micro_usd += cost_micro_usd;
        entry_set_node_locked(tree, entry, node_new(row));
    }
    mutex_unlock(&tree->lock);
}

/* ---- Writing vital signs ---- */

/* Takes the nodes whose signs wait, and counts them as written; put_back undoes that. `spend` says
 * which bring spending. */
static GPtrArray *take_dirty(OrgTree *tree, GByteArray *spend)
{
    GPtrArray *nodes = node_array(0);

    mutex_lock(&tree->lock);
    for (guint i = 0; i < tree->order->len; i++) {
        Entry *entry = tree->order->pdata[i];
        guint8 changed = entry->spend_changed;
        if (!entry->is_dirty)
            continue;
        g_ptr_array_add(nodes, org_node_ref(entry->node));
        g_byte_array_append(spend, &changed, 1);
        entry->is_dirty = entry->spend_changed = FALSE;
    }
    mutex_unlock(&tree->lock);
    return nodes;
}

static void put_back(OrgTree *tree, GPtrArray *nodes, const GByteArray *spend)
{
    mutex_lock(&tree->lock);
    for (guint i = 0; i < nodes->len; i++) {
        const OrgNode *node = nodes->pdata[i];
        Entry *entry = g_hash_table_lookup(tree->entries, node->row->id);
        if (!entry)
            continue;
        entry->is_dirty = TRUE;
        entry->spend_changed |= spend->data[i];
    }
    mutex_unlock(&tree->lock);
}

static void fill_vitals(StoreVitals *vitals, const WorkspaceRow *row, gboolean with_spend)
{
    memcpy(vitals->id, row->id, ID_SIZE);
    vitals->error_rate = row->last_error_rate;
    vitals->sample_error = row->last_sample_error;
    vitals->active_tasks = row->active_tasks;
    vitals->uptime_seconds = row->uptime_seconds;
    vitals->current_task = row->current_task;
    vitals->monthly_spend = with_spend ? row->monthly_spend : 0;
    vitals->spend_period = with_spend ? row->spend_period : 0;
    vitals->heartbeat_at_us = row->last_heartbeat_at_us;
    vitals->last_outbound_at_us = row->last_outbound_at_us;
    vitals->idle_since_us = row->idle_since_us;
}

static gboolean write_dirty(OrgTree *tree, GError **error)
{
    g_autoptr(GByteArray) spend = g_byte_array_new();
    g_autoptr(GPtrArray) nodes = take_dirty(tree, spend);
    g_autofree StoreVitals *vitals = g_new0(StoreVitals, nodes->len + 1);

    if (nodes->len == 0)
        return TRUE;
    for (guint i = 0; i < nodes->len; i++)
        fill_vitals(&vitals[i], org_node_row(nodes->pdata[i]), spend->data[i]);
    if (store_workspace_write_vitals(tree->db, vitals, nodes->len, error))
        return TRUE;
    put_back(tree, nodes, spend);
    return FALSE;
}

static gboolean read_stale(OrgTree *tree, GError **error)
{
    g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    void *id = NULL;

    mutex_lock(&tree->lock);
    g_hash_table_iter_init(&iter, tree->stale);
    while (g_hash_table_iter_next(&iter, &id, NULL))
        g_ptr_array_add(ids, g_strdup(id));
    mutex_unlock(&tree->lock);
    for (guint i = 0; i < ids->len; i++)
        if (!org_tree_refresh(tree, ids->pdata[i], error))
            return FALSE;
    return TRUE;
}

gboolean org_tree_flush(OrgTree *tree, GError **error)
{
    return read_stale(tree, error) && write_dirty(tree, error);
}
