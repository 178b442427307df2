#include "store/usage.h"

#include "base/clock.h"
#include "base/ids.h"

gint64 usage_cost_micro_usd(gint64 input_tokens, gint64 output_tokens)
{
    return input_tokens * USAGE_INPUT_MICRO_USD + output_tokens * USAGE_OUTPUT_MICRO_USD;
}

gboolean store_usage_add(Db *db, const char *workspace_id, gint64 day_us, gint64 input_tokens,
                         gint64 output_tokens, GError **error)
{
    static const char sql[] =
        "INSERT INTO workspace_token_usage (id, workspace_id, period_start, input_tokens,"
        " output_tokens, call_count, estimated_cost_micro_usd, updated_at)"
        " VALUES ($1, $2, $3, $4, $5, 1, $6, $7)"
        " ON CONFLICT (workspace_id, period_start) DO UPDATE SET"
        " input_tokens = workspace_token_usage.input_tokens + excluded.input_tokens,"
        " output_tokens = workspace_token_usage.output_tokens + excluded.output_tokens,"
        " call_count = workspace_token_usage.call_count + 1,"
        " estimated_cost_micro_usd = workspace_token_usage.estimated_cost_micro_usd"
        " + excluded.estimated_cost_micro_usd, updated_at = excluded.updated_at";
    gint64 cost = usage_cost_micro_usd(input_tokens, output_tokens);
    char id[ID_SIZE];

    id_make(id);
    return db_exec(db, sql, NULL, error, DB_TEXT(id), DB_TEXT(workspace_id), DB_INT(day_us),
                   DB_INT(input_tokens), DB_INT(output_tokens), DB_INT(cost),
                   DB_INT(clock_now_us())) ||
           error_prefix(error, "add usage of workspace %s", workspace_id);
}

GHashTable *store_usage_cost_each(Db *db, gint64 from_us, gint64 to_us, GError **error)
{
    static const char sql[] =
        "SELECT workspace_id, CAST(SUM(estimated_cost_micro_usd) AS BIGINT)"
        " FROM workspace_token_usage WHERE period_start >= $1 AND period_start < $2"
        " GROUP BY workspace_id";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_INT(from_us), DB_INT(to_us));
    g_autoptr(GHashTable) costs = NULL;

    if (!rows)
        return NULL;
    costs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    while (db_rows_next(rows)) {
        gint64 cost = db_rows_int(rows, 1);
        g_hash_table_insert(costs, g_strdup(db_rows_text(rows, 0)), g_memdup2(&cost, sizeof cost));
    }
    return db_rows_done(rows, error) ? g_steal_pointer(&costs) : NULL;
}

gboolean store_usage_sum(Db *db, const char *workspace_id, gint64 from_us, gint64 to_us,
                         UsageTotal *total, GError **error)
{
    static const char sql[] =
        "SELECT COALESCE(SUM(input_tokens), 0), COALESCE(SUM(output_tokens), 0),"
        " COALESCE(SUM(call_count), 0), COALESCE(SUM(estimated_cost_micro_usd), 0)"
        " FROM workspace_token_usage WHERE workspace_id = $1 AND period_start >= $2"
        " AND period_start < $3";
    g_autoptr(DbRows) rows =
        db_query(db, sql, error, DB_TEXT(workspace_id), DB_INT(from_us), DB_INT(to_us));

    if (!rows)
        return error_prefix(error, "sum up usage of workspace %s", workspace_id);
    db_rows_next(rows);
    total->input_tokens = db_rows_int(rows, 0);
    total->output_tokens = db_rows_int(rows, 1);
    total->call_count = db_rows_int(rows, 2);
    total->cost_micro_usd = db_rows_int(rows, 3);
    return TRUE;
}
