#include "lifecycle/bootstrap.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/redact.h"
#include "base/text.h"
#include "store/runtime.h"
#include "store/workspaces.h"

#include <string.h>

#define EVENT         "WORKSPACE_PROVISION_FAILED"
#define DEFAULT_ERROR "the instance failed before its agent registered"
#define CUT_MARKER    "[earlier lines were cut off]\n"
#define BETWEEN       "\n\n"

/* ---- What is kept of a report ---- */

void bootstrap_failure_clear(BootstrapFailure *failure)
{
    g_free(failure->error);
    g_free(failure->log_tail);
    g_free(failure->sample);
    *failure = (BootstrapFailure){0};
}

static char *error_dup(const char *error)
{
    g_autofree char *clean = g_strstrip(redact_dup(error ? error : "", NULL));

    clean[text_prefix_length(clean, strlen(clean), BOOTSTRAP_ERROR_MAX_BYTES)] = '\0';
    return g_strdup(*clean ? clean : DEFAULT_ERROR);
}

/* The last `max_bytes` of a log, behind a marker that says so when there was more. */
static char *end_dup(const char *log, gsize max_bytes)
{
    gsize length = strlen(log);

    return length <= max_bytes ? g_strdup(log)
                               : g_strconcat(CUT_MARKER, text_suffix(log, length, max_bytes), NULL);
}

void bootstrap_failure_make(const char *error, const char *log_tail, BootstrapFailure *failure)
{
    g_autofree char *log = redact_dup(log_tail ? log_tail : "", NULL);
    g_autofree char *end = NULL;
    gsize room = 0;

    failure->error = error_dup(error);
    failure->log_tail = end_dup(log, BOOTSTRAP_SAMPLE_MAX_BYTES);
    if (!*log) {
        failure->sample = g_strdup(failure->error);
        return;
    }
    room = BOOTSTRAP_SAMPLE_MAX_BYTES - strlen(failure->error) - strlen(BETWEEN);
    end = strlen(log) <= room ? g_strdup(log) : end_dup(log, room - strlen(CUT_MARKER));
    failure->sample = g_strconcat(failure->error, BETWEEN, end, NULL);
}

/* ---- The change ---- */

static char *payload_dup(const BootstrapFailure *failure)
{
    g_autoptr(GString) payload = g_string_new(NULL);
    JsonOut out = json_out_start(payload);

    json_out_object(&out, NULL);
    json_out_text(&out, "error", failure->error);
    json_out_text(&out, "log_tail", failure->log_tail);
    json_out_text(&out, "source", "bootstrap_watcher");
    json_out_end(&out);
    return g_string_free(g_steal_pointer(&payload), FALSE);
}

/* Without this the reconciler would go on waiting for an agent that cannot come. */
static gboolean end_attempt(const Lifecycle *lifecycle, const char *id, gint64 generation,
                            const BootstrapFailure *failure, GError **error)
{
    RuntimeProgress progress = {.phase = RUNTIME_FAILED};
    RuntimeFailure why = {.reason = REASON_START_FAILED, .sentence = failure->error};
    gboolean current = FALSE;

    return store_runtime_fail(lifecycle->db, id, generation, &why, &current, error) &&
           store_runtime_progress(lifecycle->db, id, generation, &progress, &current, error);
}

static gboolean write_failure(const Lifecycle *lifecycle, const char *id,
                              const BootstrapFailure *failure, const char *payload, gint64 now_us,
                              gboolean *changed, GError **error)
{
    g_autoptr(DbTransaction) transaction = db_begin(lifecycle->db, error);
    RuntimeDesired desired = RUNTIME_RUNNING;
    gboolean has_wish = FALSE;
    gint64 generation = 0;

    if (!transaction ||
        !store_runtime_peek(lifecycle->db, id, &desired, &generation, &has_wish, error) ||
        !store_workspace_mark_failed(lifecycle->db, id, generation, failure->sample, changed,
                                     error))
        return FALSE;
    if (!*changed)
        return TRUE;
    if (has_wish && desired == RUNTIME_RUNNING &&
        !end_attempt(lifecycle, id, generation, failure, error))
        return FALSE;
    return event_store(lifecycle->db, EVENT, id, payload, now_us, error) &&
           db_commit(&transaction, error);
}

gboolean lifecycle_bootstrap_failed(const Lifecycle *lifecycle, const char *id,
                                    const BootstrapFailure *failure, gboolean *changed,
                                    GError **error)
{
    g_autofree char *payload = payload_dup(failure);
    gint64 now_us = clock_now_us();

    *changed = FALSE;
    if (!write_failure(lifecycle, id, failure, payload, now_us, changed, error))
        return FALSE;
    if (!*changed)
        return TRUE;
    if (!org_tree_refresh(lifecycle->tree, id, NULL))
        log_warning("a change of status shows up in memory a little later",
                    LOG_TEXT("workspace", id));
    events_announce(lifecycle->events, EVENT, id, payload, now_us);
    reconciler_poke(lifecycle->reconciler, id);
    log_warning("an instance failed before its agent registered", LOG_TEXT("workspace", id));
    return TRUE;
}
