#include "db/migrations.h"

#include "base/clock.h"
#include "base/log.h"
#include "db/backend.h"
#include "db/migrations_table.h"

#define LOCK_NAME "workspaced-migrations"

static const Migration *find_migration(const Migration *all, const char *filename)
{
    for (; all->filename; all++)
        if (g_str_equal(all->filename, filename))
            return all;
    return NULL;
}

static gboolean is_for(const Migration *migration, DbKind kind)
{
    return kind == DB_SQLITE ? migration->for_sqlite : migration->for_postgres;
}

/* ---- The record ---- */

static gboolean make_record(Db *db, GError **error)
{
    static const char sql[] = "CREATE TABLE IF NOT EXISTS schema_migrations ("
                              "filename TEXT NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL)";
    g_autoptr(DbTransaction) transaction = db_begin(db, error);

    return transaction && db_lock(db, LOCK_NAME, error) && db_script(db, sql, error) &&
           db_commit(&transaction, error);
}

/* Names of the files the database has; NULL on an error. */
static GHashTable *read_record(Db *db, GError **error)
{
    static const char sql[] = "SELECT filename FROM schema_migrations ORDER BY filename";
    g_autoptr(DbRows) rows = db_query(db, sql, error);
    g_autoptr(GHashTable) names = NULL;

    if (!rows)
        return NULL;
    names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    while (db_rows_next(rows))
        g_hash_table_add(names, g_strdup(db_rows_text(rows, 0)));
    return g_steal_pointer(&names);
}

/* Later changes may have given columns another meaning, so nothing may touch such a database. */
static gboolean refuse_newer(GHashTable *recorded, const Migration *all, GError **error)
{
    GHashTableIter each;
    gpointer name;

    g_hash_table_iter_init(&each, recorded);
    while (g_hash_table_iter_next(&each, &name, NULL))
        if (!find_migration(all, name))
            return error_set(error, ERROR_CONFLICT,
                             "the database is newer than this program: it has the change %s, which"
                             " workspaced %s does not know; start the version that made it",
                             (const char *)name, WORKSPACED_VERSION);
    return TRUE;
}

/* ---- One file ---- */

static gboolean run_file(Db *db, const Migration *migration, GError **error)
{
    static const char record[] =
        "INSERT INTO schema_migrations (filename, applied_at) VALUES ($1, $2)";

    return db_script(db, migration->sql, error) &&
           db_exec(db, record, NULL, error, DB_TEXT(migration->filename), DB_INT(clock_now_us()));
}

/* Looks again under the lock: another server may have started at the same moment. */
static gboolean apply(Db *db, const Migration *all, const Migration *migration, gboolean *done,
                      GError **error)
{
    g_autoptr(DbTransaction) transaction = db_begin(db, error);
    g_autoptr(GHashTable) recorded = NULL;

    if (!transaction || !db_lock(db, LOCK_NAME, error))
        return FALSE;
    recorded = read_record(db, error);
    if (!recorded || !refuse_newer(recorded, all, error))
        return FALSE;
    *done = !g_hash_table_contains(recorded, migration->filename);
    if (*done && !run_file(db, migration, error))
        return error_prefix(error, "migration %s", migration->filename);
    return db_commit(&transaction, error);
}

gboolean migrations_apply(Db *db, const Migration *all, guint *applied, GError **error)
{
    g_autoptr(GHashTable) recorded = NULL;
    guint count = 0;

    if (!make_record(db, error) || !(recorded = read_record(db, error)) ||
        !refuse_newer(recorded, all, error))
        return FALSE;
    for (const Migration *each = all; each->filename; each++) {
        gboolean is_done = FALSE;
        if (!is_for(each, db_kind(db)) || g_hash_table_contains(recorded, each->filename))
            continue;
        if (!apply(db, all, each, &is_done, error))
            return FALSE;
        count += is_done;
        if (is_done)
            log_info("database schema changed", LOG_TEXT("migration", each->filename));
    }
    if (applied)
        *applied = count;
    return TRUE;
}

gboolean db_migrate(Db *db, guint *applied, GError **error)
{
    return migrations_apply(db, migrations, applied, error);
}
