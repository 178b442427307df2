/* What a back end of this room offers to db.c. Private to src/db.
 *
 * A session is one connection that a transaction of one thread holds. Without a session a statement
 * runs on any connection and stands for itself. Rows are collected whole before a call returns:
 * nobody holds a connection while looking at rows, so a thread that asks twice cannot wait for
 * itself. */
#pragma once

#include "base/errors.h"
#include "db/db.h"
#include "db/rows.h"

/* Longest wait for a free connection or for the writer's turn. */
#define DB_TURN_US (30 * G_GINT64_CONSTANT(1000000))
/* A connection keeps this many prepared statements, those used last. */
#define DB_STATEMENTS_KEPT 64

typedef struct _DbSession DbSession;

typedef struct {
    const char *sql;
    const DbValue *values;
    gsize count;
    gboolean is_read; /* writes nothing: may run on a reader, may be repeated */
} DbStatement;

/* All functions are required. */
typedef struct {
    DbKind kind;
    void (*close)(Db *self);
    gboolean (*ping)(Db *self, GError **error);
    /* `session`, `rows` and `changed` may be NULL. */
    gboolean (*run)(Db *self, DbSession *session, const DbStatement *statement, DbRows *rows,
                    gint64 *changed, GError **error);
    /* Several statements without parameters; only inside a session. */
    gboolean (*script)(Db *self, DbSession *session, const char *sql, GError **error);
    DbSession *(*begin)(Db *self, GError **error);
    /* Both give the connection back in any case; the session is gone afterwards. */
    gboolean (*commit)(Db *self, DbSession *session, GError **error);
    void (*rollback)(Db *self, DbSession *session);
    gboolean (*lock)(Db *self, DbSession *session, const char *name, GError **error);
} DbOps;

struct _Db {
    const DbOps *ops;
    char *name; /* for logs, without credentials */
};

Db *sqlite_open(const char *path, GError **error);
Db *postgres_open(const char *url, guint patience_ms, GError **error);

/* Runs the statements of a migration in the thread's transaction. Errors: those of db.h. */
gboolean db_script(Db *db, const char *sql, GError **error);
