/* Table `workspaces`: who is below and above whom. A cycle (another program's doing) never loops:
 * the recursive queries drop rows seen before, the walks here visit each row once. */
#include "store/columns.h"
#include "store/joined.h"
#include "store/workspaces.h"

void store_member_free(StoreMember *member)
{
    if (!member)
        return;
    g_free(member->name);
    g_free(member);
}

/* Columns: id, parent_id, name, status. */
static StoreMember *read_member(DbRows *rows)
{
    StoreMember *member = g_new0(StoreMember, 1);

    column_id(rows, 0, member->id);
    column_id(rows, 1, member->parent_id);
    member->name = column_text_dup(rows, 2);
    member->status = workspace_status_parse(db_rows_text(rows, 3));
    return member;
}

/* ---- Below ---- */

/* Parent id -> GPtrArray of its members, in the order of the rows. Owns the lists, not the members;
 * keys are borrowed from them. */
static GHashTable *group_by_parent(DbRows *rows)
{
    GHashTable *children =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref);

    while (db_rows_next(rows)) {
        StoreMember *member = read_member(rows);
        GPtrArray *siblings = g_hash_table_lookup(children, member->parent_id);
        if (!siblings) {
            siblings = g_ptr_array_new();
            g_hash_table_insert(children, member->parent_id, siblings);
        }
        g_ptr_array_add(siblings, member);
    }
    return children;
}

static void append_children(GPtrArray *members, GHashTable *children, const char *id)
{
    GPtrArray *siblings = g_hash_table_lookup(children, id);

    for (guint i = 0; siblings && i < siblings->len; i++)
        g_ptr_array_add(members, siblings->pdata[i]);
}

GPtrArray *store_workspace_list_descendants(Db *db, const char *id, GError **error)
{
    static const char sql[] =
        "WITH RECURSIVE below(id) AS (SELECT id FROM workspaces WHERE parent_id = $1"
        " UNION SELECT w.id FROM workspaces w JOIN below ON w.parent_id = below.id)"
        " SELECT w.id, w.parent_id, w.name, w.status FROM workspaces w"
        " JOIN below ON below.id = w.id WHERE w.id <> $1"
        " ORDER BY w.created_at IS NULL, w.created_at, w.id";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_TEXT(id));
    g_autoptr(GHashTable) children = NULL;
    GPtrArray *members;

    if (!rows) {
        error_prefix(error, "list what is below workspace %s", id);
        return NULL;
    }
    /* Every row found has a parent that was found too, or is `id`: walking down reaches them all,
     * each once. */
    children = group_by_parent(rows);
    members = g_ptr_array_new_with_free_func((GDestroyNotify)store_member_free);
    append_children(members, children, id);
    for (guint i = 0; i < members->len; i++)
        append_children(members, children, ((const StoreMember *)members->pdata[i])->id);
    return members;
}

gboolean store_workspace_lock(Db *db, const char *id, GError **error)
{
    return joined_lock_workspace(db, id, error) || error_prefix(error, "lock workspace %s", id);
}

gboolean store_workspace_lock_tree(Db *db, const char *id, GError **error)
{
    static const char sql[] =
        "WITH RECURSIVE tree(id) AS (SELECT CAST($1 AS TEXT)"
        " UNION SELECT w.id FROM workspaces w JOIN tree ON w.parent_id = tree.id)"
        " SELECT id FROM workspaces WHERE id IN (SELECT id FROM tree)"
        " ORDER BY id FOR NO KEY UPDATE";

    if (!joined_lock_hierarchy(db, error))
        return FALSE;
    /* A transaction of SQLite has the only writer. */
    return db_kind(db) == DB_SQLITE || db_exec(db, sql, NULL, error, DB_TEXT(id)) ||
           error_prefix(error, "lock the tree of workspace %s", id);
}

/* ---- Above ---- */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(StoreMember, store_member_free)

/* Takes a member out of `chain`, so that a cycle ends. NULL when it is not there. */
static StoreMember *take(GHashTable *chain, const char *id)
{
    /* Not steal_extended: a member begins with its key, and GLib 2.74 then hands out NULL. */
    StoreMember *member = g_hash_table_lookup(chain, id);

    if (member)
        g_hash_table_steal(chain, id);
    return member;
}

static StoreMember *take_paused_above(GHashTable *chain, const char *id)
{
    g_autoptr(StoreMember) below = take(chain, id);

    while (below) {
        StoreMember *member = take(chain, below->parent_id);
        if (member && member->status == WORKSPACE_PAUSED)
            return member;
        store_member_free(below);
        below = member;
    }
    return NULL;
}

gboolean store_workspace_find_paused_ancestor(Db *db, const char *id, StoreMember **ancestor,
                                              GError **error)
{
    static const char sql[] =
        "WITH RECURSIVE above(id) AS (SELECT CAST($1 AS TEXT)"
        " UNION SELECT w.parent_id FROM workspaces w JOIN above ON w.id = above.id)"
        " SELECT w.id, w.parent_id, w.name, w.status FROM workspaces w"
        " JOIN above ON above.id = w.id";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_TEXT(id));
    g_autoptr(GHashTable) chain = NULL;

    if (!rows)
        return error_prefix(error, "look above workspace %s", id);
    chain = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)store_member_free);
    while (db_rows_next(rows)) {
        StoreMember *member = read_member(rows);
        g_hash_table_insert(chain, member->id, member);
    }
    *ancestor = take_paused_above(chain, id);
    return TRUE;
}
