#include "store/agents.h"

#include "base/clock.h"
#include "store/columns.h"

void store_agent_clear(StoreAgent *agent)
{
    g_free(agent->model);
    *agent = (StoreAgent){0};
}

/* Columns: id, model. */
static gboolean read_agent(DbRows *rows, StoreAgent *agent, const char *what,
                           const char *workspace_id, GError **error)
{
    store_agent_clear(agent);
    if (!rows)
        return error_prefix(error, "%s the agent of workspace %s", what, workspace_id);
    if (!db_rows_next(rows))
        return TRUE;
    column_id(rows, 0, agent->id);
    agent->model = column_text_dup(rows, 1);
    return TRUE;
}

gboolean store_agent_assign(Db *db, const char *workspace_id, const char *model, char id[ID_SIZE],
                            GError **error)
{
    static const char sql[] = "INSERT INTO agents (id, workspace_id, model, status, created_at)"
                              " VALUES ($1, $2, $3, 'active', $4)";

    id_make(id);
    return db_exec(db, sql, NULL, error, DB_TEXT(id), DB_TEXT(workspace_id), DB_TEXT(model),
                   DB_INT(clock_now_us())) ||
           error_prefix(error, "assign an agent to workspace %s", workspace_id);
}

gboolean store_agent_find(Db *db, const char *workspace_id, StoreAgent *agent, GError **error)
{
    static const char sql[] =
        "SELECT id, model FROM agents WHERE workspace_id = $1 AND status = 'active'";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_TEXT(workspace_id));

    return read_agent(rows, agent, "find", workspace_id, error);
}

gboolean store_agent_end(Db *db, const char *workspace_id, const char *status, const char *reason,
                         StoreAgent *agent, GError **error)
{
    static const char sql[] = "UPDATE agents SET status = $2, removal_reason = $3, removed_at = $4"
                              " WHERE workspace_id = $1 AND status = 'active' RETURNING id, model";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_TEXT(workspace_id), DB_TEXT(status),
                                      DB_TEXT(reason), DB_INT(clock_now_us()));

    return read_agent(rows, agent, "end", workspace_id, error);
}

gboolean store_agent_move(Db *db, const char *from_id, const char *to_id, StoreAgent *agent,
                          GError **error)
{
    static const char sql[] = "UPDATE agents SET workspace_id = $2"
                              " WHERE workspace_id = $1 AND status = 'active' RETURNING id, model";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_TEXT(from_id), DB_TEXT(to_id));

    return read_agent(rows, agent, "move", from_id, error);
}
