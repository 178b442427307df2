/* What tests of the store have in common: a migrated database and workspaces in it. */
#pragma once

#include "base/clock.h"
#include "store/workspaces.h"
#include "test-db-fixture.h"

static inline void store_add(const char *path, FixtureFunction function)
{
    fixture_add(path, function);
}

/* Inserts a workspace of that name and status; `parent` may be NULL. The id is written to `id`. */
static inline void store_make(Fixture *fixture, const char *name, WorkspaceStatus status,
                              const char *parent, char id[ID_SIZE])
{
    g_autoptr(WorkspaceRow) row = workspace_row_new();
    g_autoptr(GError) error = NULL;

    id_make(row->id);
    row->name = g_strdup(name);
    row->tier = 2;
    row->status = status;
    row->runtime = g_strdup("builtin");
    if (parent)
        g_strlcpy(row->parent_id, parent, ID_SIZE);
    assert_done(store_workspace_insert(fixture->db, row, &error));
    memcpy(id, row->id, ID_SIZE);
}

static inline WorkspaceRow *store_read(Fixture *fixture, const char *id)
{
    g_autoptr(GError) error = NULL;
    WorkspaceRow *row = NULL;

    assert_done(store_workspace_load(fixture->db, id, &row, &error));
    return row;
}

static inline WorkspaceStatus store_status(Fixture *fixture, const char *id)
{
    g_autoptr(WorkspaceRow) row = store_read(fixture, id);

    return row->status;
}

/* One statement of the test's own. */
static inline void store_sql(Fixture *fixture, const char *sql, const char *first,
                             const char *second)
{
    g_autoptr(GError) error = NULL;
    const DbValue values[] = {DB_TEXT(first), DB_TEXT(second)};

    assert_done(db_exec_values(fixture->db, sql, values, second ? 2 : first ? 1 : 0, NULL, &error));
}

static inline gint64 store_count(Fixture *fixture, const char *sql, const char *id)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DbRows) rows = db_query(fixture->db, sql, &error, DB_TEXT(id));

    g_assert_no_error(error);
    g_assert_true(db_rows_next(rows));
    return db_rows_int(rows, 0);
}
