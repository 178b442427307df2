/* One interface to SQLite (embedded default) and PostgreSQL.
 *
 * A Db is the pool. Calls take a connection, use it and give it back; between db_begin and
 * db_commit the calling thread keeps one connection, and every db_* call of that thread on that Db
 * runs on it. So store functions work inside and outside a transaction without knowing.
 *
 * One SQL text for both where possible: parameters are $1, $2, ...; times are BIGINT microseconds,
 * booleans INTEGER 0/1, JSON is TEXT. Where they must differ, ask db_kind() and let both texts
 * stand together.
 *
 * SQLite: WAL, synchronous=FULL, one writer at a time with group commit, readers never wait for the
 * writer. PostgreSQL: a pool of libpq connections, statements prepared once each, reconnects by
 * itself.
 *
 * Errors of all calls: ERROR_UNAVAILABLE (cannot be reached, disk full, locked too long; nothing
 * was written, or the commit's outcome is unknown: ERROR_OUTCOME_UNKNOWN), ERROR_CONFLICT (unique
 * or foreign key; also a serialization failure), ERROR_INTERNAL (anything else). Thread: workers,
 * reconciler, timers; never an I/O thread. Source: ARCHITECTURE section 5. */
#pragma once

#include <glib.h>

typedef struct _Db Db;

typedef enum { DB_SQLITE, DB_POSTGRES } DbKind;

/* ---- Parameters ---- */

typedef struct {
    enum { DB_VALUE_NULL, DB_VALUE_INT, DB_VALUE_DOUBLE, DB_VALUE_TEXT, DB_VALUE_BLOB } kind;
    gint64 number;
    double real;
    const void *bytes; /* borrowed for the call */
    gsize size;
} DbValue;

DbValue db_value_text(const char *text);              /* NULL becomes SQL NULL */
DbValue db_value_blob(const void *bytes, gsize size); /* NULL bytes become SQL NULL */
#define DB_NULL          ((DbValue){.kind = DB_VALUE_NULL})
#define DB_INT(number_)  ((DbValue){.kind = DB_VALUE_INT, .number = (number_)})
#define DB_BOOL(flag_)   DB_INT((flag_) ? 1 : 0)
#define DB_DOUBLE(real_) ((DbValue){.kind = DB_VALUE_DOUBLE, .real = (real_)})
#define DB_TEXT(text_)   db_value_text(text_)
#define DB_BLOB(b_, n_)  db_value_blob((b_), (n_))
/* 0 means "no time" and becomes NULL. */
#define DB_TIME(us_) ((us_) ? DB_INT(us_) : DB_NULL)

/* ---- The pool ---- */

/* Opens `url`: "sqlite:PATH" (the file is made, 0600) or "postgres://..." / "postgresql://...". For
 * PostgreSQL it retries until `patience_ms` have passed. The caller closes it. */
Db *db_open(const char *url, guint patience_ms, GError **error);
void db_close(Db *db); /* NULL is fine; no call may be under way */
DbKind db_kind(const Db *db);
/* "sqlite:/path" or "postgres://host/name" without credentials, for logs. Borrowed. */
const char *db_name(const Db *db);
/* One round trip. For /ready. */
gboolean db_ping(Db *db, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Db, db_close)

/* ---- Statements ---- */

/* Runs one statement. `changed` (may be NULL) gets the number of rows written.
 *     if (!db_exec(db, sql, &rows, error, DB_TEXT(id), DB_INT(now))) ... */
#define db_exec(db_, sql_, changed_, error_, ...)                                                  \
    db_exec_values((db_), (sql_), (const DbValue[]){__VA_ARGS__ __VA_OPT__(, ) DB_NULL},           \
                   DB_COUNT(__VA_ARGS__), (changed_), (error_))
#define DB_COUNT(...)                                                                              \
    (sizeof((const DbValue[]){__VA_ARGS__ __VA_OPT__(, ) DB_NULL}) / sizeof(DbValue) - 1)
G_GNUC_WARN_UNUSED_RESULT gboolean db_exec_values(Db *db, const char *sql, const DbValue *values,
                                                  gsize count, gint64 *changed, GError **error);

/* ---- Rows ---- */

typedef struct _DbRows DbRows;

/* Runs one query (also INSERT/UPDATE ... RETURNING). The answer is read whole, and no connection is
 * held while the caller looks at it: bound what a query may return by LIMIT. A query that writes
 * and does not begin with INSERT, UPDATE or DELETE must carry its verb in capitals. */
#define db_query(db_, sql_, error_, ...)                                                           \
    db_query_values((db_), (sql_), (const DbValue[]){__VA_ARGS__ __VA_OPT__(, ) DB_NULL},          \
                    DB_COUNT(__VA_ARGS__), (error_))
G_GNUC_WARN_UNUSED_RESULT DbRows *db_query_values(Db *db, const char *sql, const DbValue *values,
                                                  gsize count, GError **error);
void db_rows_free(DbRows *rows); /* NULL is fine */
/* Steps to the next row. FALSE at the end and on an error; tell them apart with db_rows_done. */
gboolean db_rows_next(DbRows *rows);
/* After the last db_rows_next: FALSE sets the error that ended the walk. */
gboolean db_rows_done(DbRows *rows, GError **error);
/* Columns count from 0. NULL reads as 0, 0.0, NULL. Texts and blobs are borrowed until the next
 * step. */
gboolean db_rows_is_null(DbRows *rows, int column);
gint64 db_rows_int(DbRows *rows, int column);
double db_rows_double(DbRows *rows, int column);
const char *db_rows_text(DbRows *rows, int column);
const void *db_rows_blob(DbRows *rows, int column, gsize *size);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DbRows, db_rows_free)

/* ---- Transactions ---- */

typedef struct _DbTransaction DbTransaction;

/* Begins a writing transaction for this thread (nested: ERROR_INTERNAL). After a statement failed
 * in it, every further one and the commit fail with ERROR_INTERNAL: roll back. Dropping the handle
 * without a commit rolls back: g_autoptr(DbTransaction) transaction = db_begin(db, error); if
 * (!transaction || !store_...(db, ...)) return FALSE; return db_commit(&transaction, error); */
G_GNUC_WARN_UNUSED_RESULT DbTransaction *db_begin(Db *db, GError **error);
/* Commits and clears the handle in any case. ERROR_OUTCOME_UNKNOWN: the connection died during the
 * commit. */
G_GNUC_WARN_UNUSED_RESULT gboolean db_commit(DbTransaction **transaction, GError **error);
void db_rollback(DbTransaction *transaction); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DbTransaction, db_rollback)

/* Whether the calling thread is inside a transaction on `db`. */
gboolean db_in_transaction(const Db *db);

/* Takes a named lock for the length of the current transaction (PostgreSQL: advisory; SQLite: the
 * writer lock that the transaction holds anyway). */
G_GNUC_WARN_UNUSED_RESULT gboolean db_lock(Db *db, const char *name, GError **error);
