/* The fronts: which transaction a thread is in, and which back end does the work.
 *
 * After an error inside a transaction PostgreSQL refuses everything but its end, SQLite goes on.
 * Here both refuse, so that a mistake shows on either. */
#include "db/backend.h"

#include <string.h>

struct _DbTransaction {
    Db *db;
    DbSession *session;
    gboolean has_failed;  /* a statement failed: only the end may follow */
    DbTransaction *outer; /* of the same thread on another Db */
};

/* Open transactions of this thread, at most one a Db. */
static __thread DbTransaction *open_transactions;

static DbTransaction *transaction_of(const Db *db)
{
    for (DbTransaction *each = open_transactions; each; each = each->outer)
        if (each->db == db)
            return each;
    return NULL;
}

/* ---- Values ---- */

DbValue db_value_text(const char *text)
{
    if (!text)
        return DB_NULL;
    return (DbValue){.kind = DB_VALUE_TEXT, .bytes = text, .size = strlen(text)};
}

DbValue db_value_blob(const void *bytes, gsize size)
{
    if (!bytes)
        return DB_NULL;
    return (DbValue){.kind = DB_VALUE_BLOB, .bytes = bytes, .size = size};
}

/* ---- The pool ---- */

Db *db_open(const char *url, guint patience_ms, GError **error)
{
    g_return_val_if_fail(url, NULL);
    if (g_str_has_prefix(url, "sqlite:"))
        return sqlite_open(url + strlen("sqlite:"), error);
    if (g_str_has_prefix(url, "postgres://") || g_str_has_prefix(url, "postgresql://"))
        return postgres_open(url, patience_ms, error);
    error_set(error, ERROR_INVALID,
              "the database URL must begin with sqlite:, postgres:// or postgresql://");
    return NULL;
}

void db_close(Db *db)
{
    char *name;

    if (!db)
        return;
    g_assert(!transaction_of(db));
    name = db->name;
    db->ops->close(db);
    g_free(name);
}

DbKind db_kind(const Db *db)
{
    return db->ops->kind;
}

const char *db_name(const Db *db)
{
    return db->name;
}

gboolean db_ping(Db *db, GError **error)
{
    return db->ops->ping(db, error);
}

gboolean db_in_transaction(const Db *db)
{
    return transaction_of(db) != NULL;
}

/* ---- Statements ---- */

/* A WITH is a read unless a writing verb stands in it; our SQL writes verbs in capitals. */
static gboolean is_read(const char *sql)
{
    if (g_str_has_prefix(sql, "SELECT "))
        return TRUE;
    return g_str_has_prefix(sql, "WITH ") && !strstr(sql, "INSERT ") && !strstr(sql, "UPDATE ") &&
           !strstr(sql, "DELETE ");
}

static gboolean refuse_failed(const DbTransaction *transaction, GError **error)
{
    if (transaction && transaction->has_failed)
        return error_set(error, ERROR_INTERNAL, "an earlier statement of this transaction failed");
    return TRUE;
}

static gboolean run(Db *db, const DbStatement *statement, DbRows *rows, gint64 *changed,
                    GError **error)
{
    DbTransaction *transaction = transaction_of(db);

    if (!refuse_failed(transaction, error))
        return FALSE;
    if (db->ops->run(db, transaction ? transaction->session : NULL, statement, rows, changed,
                     error))
        return TRUE;
    if (transaction)
        transaction->has_failed = TRUE;
    return FALSE;
}

gboolean db_exec_values(Db *db, const char *sql, const DbValue *values, gsize count,
                        gint64 *changed, GError **error)
{
    const DbStatement statement = {sql, values, count, FALSE};

    return run(db, &statement, NULL, changed, error);
}

DbRows *db_query_values(Db *db, const char *sql, const DbValue *values, gsize count, GError **error)
{
    const DbStatement statement = {sql, values, count, is_read(sql)};
    g_autoptr(DbRows) rows = db_rows_new();

    if (!run(db, &statement, rows, NULL, error))
        return NULL;
    return g_steal_pointer(&rows);
}

gboolean db_script(Db *db, const char *sql, GError **error)
{
    DbTransaction *transaction = transaction_of(db);

    g_return_val_if_fail(transaction, FALSE);
    if (!refuse_failed(transaction, error))
        return FALSE;
    transaction->has_failed = !db->ops->script(db, transaction->session, sql, error);
    return !transaction->has_failed;
}

/* ---- Transactions ---- */

DbTransaction *db_begin(Db *db, GError **error)
{
    DbSession *session;
    DbTransaction *transaction;

    if (transaction_of(db)) {
        error_set(error, ERROR_INTERNAL, "a transaction inside a transaction");
        return NULL;
    }
    session = db->ops->begin(db, error);
    if (!session)
        return NULL;
    transaction = g_new0(DbTransaction, 1);
    transaction->db = db;
    transaction->session = session;
    transaction->outer = open_transactions;
    open_transactions = transaction;
    return transaction;
}

/* Takes it off the thread's list; it must be there: transactions do not change threads. */
static void detach(DbTransaction *transaction)
{
    DbTransaction **each = &open_transactions;

    while (*each != transaction) {
        g_assert(*each);
        each = &(*each)->outer;
    }
    *each = transaction->outer;
}

gboolean db_commit(DbTransaction **transaction, GError **error)
{
    g_autofree DbTransaction *ending = g_steal_pointer(transaction);
    Db *db = ending->db;

    detach(ending);
    if (ending->has_failed) {
        db->ops->rollback(db, ending->session);
        return refuse_failed(ending, error);
    }
    return db->ops->commit(db, ending->session, error);
}

void db_rollback(DbTransaction *transaction)
{
    if (!transaction)
        return;
    detach(transaction);
    transaction->db->ops->rollback(transaction->db, transaction->session);
    g_free(transaction);
}

gboolean db_lock(Db *db, const char *name, GError **error)
{
    DbTransaction *transaction = transaction_of(db);

    if (!transaction)
        return error_set(error, ERROR_INTERNAL, "lock %s outside of a transaction", name);
    if (!refuse_failed(transaction, error))
        return FALSE;
    transaction->has_failed = !db->ops->lock(db, transaction->session, name, error);
    return !transaction->has_failed;
}
