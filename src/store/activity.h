/* Table `activity_logs`: what agents did and were told. Bodies are compact JSON text.
 * Errors of all: those of db/db.h. Thread: any but I/O. Source: spec 04, sections 2.3, 5.12, 9, 10;
 * spec 01, 19.12. */
#pragma once

#include "base/errors.h"
#include "base/ids.h"
#include "db/db.h"

/* Every text is owned; NULL is SQL NULL. */
typedef struct {
    char id[ID_SIZE]; /* insert: "" makes one */
    char workspace_id[ID_SIZE];
    char *activity_type;
    char source_id[ID_SIZE]; /* "": NULL, a human at the canvas */
    char target_id[ID_SIZE]; /* "": NULL */
    char *method;
    char *summary;
    char *request_body;
    char *response_body;
    char *tool_trace;
    gint64 duration_ms; /* -1: NULL */
    char *status;
    char *error_detail;
    char *idempotency_key;
    gint64 created_at_us;
} ActivityRow;
ActivityRow *activity_row_new(void);      /* zeroed, duration_ms -1 */
void activity_row_free(ActivityRow *row); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ActivityRow, activity_row_free)

/* Fills `row->id` and `row->created_at_us` when they are empty; a NULL status is "ok".
 * Error: ERROR_CONFLICT when the workspace is unknown or the idempotency key is taken. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_activity_insert(Db *db, ActivityRow *row, GError **error);

typedef enum { ACTIVITY_FROM_ANYONE, ACTIVITY_FROM_CANVAS, ACTIVITY_FROM_AGENT } ActivitySource;

typedef struct {
    const char *activity_type; /* NULL: all */
    const char *method;        /* NULL: all */
    ActivitySource source;
    gint64 before_us; /* 0: from the newest */
    guint limit;
} ActivityFilter;
/* Newest first. GPtrArray of ActivityRow, owned; NULL on an error. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *
store_activity_list(Db *db, const char *workspace_id, const ActivityFilter *filter, GError **error);
/* NULL when there is none. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_activity_find(Db *db, const char *id, ActivityRow **row,
                                                       GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean store_activity_find_by_key(Db *db, const char *workspace_id,
                                                              const char *idempotency_key,
                                                              ActivityRow **row, GError **error);

/* What became of a message or delegation. NULL texts and duration_ms -1 are kept. */
typedef struct {
    const char *status;
    const char *response_body;
    const char *error_detail;
    const char *tool_trace;
    const char *summary;
    gint64 duration_ms;
} ActivityResult;
/* `from` (may be NULL: any) names the status it may leave. `changed` FALSE: no such row, or in
 * another status. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_activity_set_result(Db *db, const char *id,
                                                             const char *from,
                                                             const ActivityResult *result,
                                                             gboolean *changed, GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean store_activity_delete(Db *db, const char *id, GError **error);
/* Deletes at most `limit` rows older than `before_us`; call again while `deleted` equals `limit`.
 */
G_GNUC_WARN_UNUSED_RESULT gboolean store_activity_delete_before(Db *db, gint64 before_us,
                                                                guint limit, gint64 *deleted,
                                                                GError **error);
