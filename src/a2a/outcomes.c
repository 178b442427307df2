#include "a2a/outcomes.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/pulse.h"
#include "base/sync.h"
#include "store/activity.h"
#include "store/usage.h"

#include <string.h>

#define TURN_US        (5 * CLOCK_SECOND_US)
#define ROOM_COUNT     4096
#define ROOM_BYTES     (256 * 1024 * 1024)
#define BATCH_COUNT    64
#define BATCH_BYTES    (16 * 1024 * 1024)
#define RETRIES        5
#define RETRY_PAUSE_US CLOCK_SECOND_US
#define EVENT_BODY_MAX                                                                             \
    (16 * 1024) /* a body longer than this is not repeated in ACTIVITY_LOGGED                      \
                 */

/* One message, made ready to be written. */
typedef struct {
    Outcome *outcome;
    ActivityRow *row; /* NULL: not logged */
    AnswerUsage usage;
    gboolean has_usage;
} Entry;

struct _Outcomes {
    Db *db;
    OrgTree *tree;
    Events *events;
    Queue *queue; /* of Outcome */
    Thread *thread;
    Cancel *stop; /* fired: no more pauses between tries */
    atomic_uint waiting;
    atomic_size_t waiting_bytes;
    Pulse *pulse; /* the thread's */
};

/* ---- One outcome ---- */

Outcome *outcome_new(const char *target_id)
{
    Outcome *outcome = g_new0(Outcome, 1);

    g_strlcpy(outcome->target_id, target_id, sizeof outcome->target_id);
    return outcome;
}

static void outcome_free_item(void *data)
{
    outcome_free(data);
}

void outcome_free(Outcome *outcome)
{
    if (!outcome)
        return;
    g_clear_pointer(&outcome->request, g_bytes_unref);
    g_clear_pointer(&outcome->answer, g_bytes_unref);
    g_free(outcome->method);
    g_free(outcome->target_name);
    g_free(outcome->answer_json);
    g_free(outcome->failure);
    g_free(outcome);
}

static gsize outcome_size(const Outcome *outcome)
{
    return sizeof *outcome + (outcome->request ? g_bytes_get_size(outcome->request) : 0) +
           (outcome->answer ? g_bytes_get_size(outcome->answer) : 0) +
           (outcome->answer_json ? strlen(outcome->answer_json) : 0);
}

/* ---- Making ready ---- */

/* Any bytes as JSON that every database keeps: JSON stays, all else becomes a text (F23). Caller
 * owns it. */
static char *json_dup(const char *bytes, gsize length)
{
    JsonView view;
    GString *text;
    JsonOut out;

    if (json_view_parse(bytes, length, JSON_ONE_VALUE, &view, NULL))
        return json_view_compact_dup(view);
    text = g_string_sized_new(length + 2);
    out = json_out_start(text);
    json_out_text_bytes(&out, NULL, bytes, length);
    return g_string_free(text, FALSE);
}

static char *json_of_bytes(GBytes *bytes)
{
    gsize length = 0;
    const char *data = g_bytes_get_data(bytes, &length);

    return json_dup(data ? data : "", length);
}

static char *summary_dup(const Outcome *outcome)
{
    const char *name =
        outcome->target_name && *outcome->target_name ? outcome->target_name : outcome->target_id;

    if (outcome->failure && !outcome->answer && !outcome->answer_json)
        return g_strdup_printf("A2A request to %s failed: %s", name, outcome->failure);
    return g_strdup_printf("%s \xE2\x86\x92 %s", outcome->method, name);
}

static ActivityRow *row_new(const Outcome *outcome)
{
    ActivityRow *row = activity_row_new();

    id_make(row->id);
    g_strlcpy(row->workspace_id, outcome->target_id, sizeof row->workspace_id);
    g_strlcpy(row->source_id, outcome->source_id, sizeof row->source_id);
    g_strlcpy(row->target_id, outcome->target_id, sizeof row->target_id);
    row->activity_type = g_strdup("a2a_receive");
    row->method = g_strdup(outcome->method);
    row->summary = summary_dup(outcome);
    row->status = g_strdup(outcome->is_error ? "error" : "ok");
    row->error_detail = g_strdup(outcome->failure);
    row->duration_ms = outcome->duration_ms;
    row->created_at_us = clock_now_us();
    if (outcome->request)
        row->request_body = json_of_bytes(outcome->request);
    return row;
}

/* Reads the answer once for all that is in it. */
static void read_answer(Entry *entry, const char *json)
{
    const Outcome *outcome = entry->outcome;
    JsonView answer, trace;

    entry->usage = outcome->usage;
    entry->has_usage = outcome->usage.input_tokens > 0 || outcome->usage.output_tokens > 0;
    if (!json || !json_view_parse(json, strlen(json), JSON_ONE_VALUE, &answer, NULL))
        return;
    if (!entry->has_usage && outcome->is_answer_read)
        /* A negative count is cut to 0; then there is nothing to write. */
        entry->has_usage = usage_read(answer, &entry->usage) &&
                           (entry->usage.input_tokens > 0 || entry->usage.output_tokens > 0);
    if (entry->row && tool_trace_find(answer, &trace))
        entry->row->tool_trace = json_view_compact_dup(trace);
}

static Entry *entry_new(Outcome *outcome)
{
    Entry *entry = g_new0(Entry, 1);
    g_autofree char *json = g_steal_pointer(&outcome->answer_json);

    entry->outcome = outcome;
    if (!json && outcome->answer)
        json = json_of_bytes(outcome->answer);
    if (outcome->is_logged)
        entry->row = row_new(outcome);
    read_answer(entry, json);
    if (entry->row)
        entry->row->response_body = g_steal_pointer(&json);
    return entry;
}

static void entry_free(void *data)
{
    Entry *entry = data;

    outcome_free(entry->outcome);
    activity_row_free(entry->row);
    g_free(entry);
}

/* ---- Announcing ---- */

static void announce_reply(Outcomes *outcomes, const Entry *entry)
{
    g_autoptr(GString) payload = NULL;
    JsonOut out;

    if (!entry->outcome->is_chat_reply || !entry->row)
        return;
    payload = g_string_new(NULL);
    out = json_out_start(payload);
    json_out_object(&out, NULL);
    json_out_raw(&out, "response_body", entry->row->response_body);
    json_out_text(&out, "method", entry->outcome->method);
    json_out_int(&out, "duration_ms", entry->outcome->duration_ms);
    json_out_end(&out);
    events_broadcast(outcomes->events, "A2A_RESPONSE", entry->outcome->target_id, payload->str);
}

static const char *text_or_null(const char *text)
{
    return text && *text ? text : NULL;
}

static void write_short_body(JsonOut *out, const char *key, const char *json)
{
    if (json && strlen(json) <= EVENT_BODY_MAX)
        json_out_raw(out, key, json);
}

static void announce_row(Outcomes *outcomes, const ActivityRow *row)
{
    g_autoptr(GString) payload = g_string_new(NULL);
    JsonOut out = json_out_start(payload);

    json_out_object(&out, NULL);
    json_out_text(&out, "id", row->id);
    json_out_text(&out, "activity_type", row->activity_type);
    json_out_text(&out, "method", row->method);
    json_out_text(&out, "summary", row->summary);
    json_out_text(&out, "status", row->status);
    json_out_text(&out, "source_id", text_or_null(row->source_id));
    json_out_text(&out, "target_id", text_or_null(row->target_id));
    json_out_int(&out, "duration_ms", row->duration_ms);
    json_out_time(&out, "created_at", row->created_at_us);
    if (row->error_detail)
        json_out_text(&out, "error_detail", row->error_detail);
    write_short_body(&out, "tool_trace", row->tool_trace);
    write_short_body(&out, "request_body", row->request_body);
    write_short_body(&out, "response_body", row->response_body);
    json_out_end(&out);
    events_broadcast(outcomes->events, "ACTIVITY_LOGGED", row->workspace_id, payload->str);
}

/* ---- Storing ---- */

static gboolean store_entry(Db *db, const Entry *entry, GError **error)
{
    gint64 now_us = clock_now_us();

    if (entry->row && !store_activity_insert(db, entry->row, error))
        return FALSE;
    return !entry->has_usage ||
           store_usage_add(db, entry->outcome->target_id, now_us - now_us % CLOCK_DAY_US,
                           entry->usage.input_tokens, entry->usage.output_tokens, error);
}

static void count_usage(Outcomes *outcomes, const Entry *entry)
{
    if (entry->has_usage)
        org_tree_add_usage(
            outcomes->tree, entry->outcome->target_id,
            usage_cost_micro_usd(entry->usage.input_tokens, entry->usage.output_tokens),
            clock_now_us());
}

static gboolean store_range(Outcomes *outcomes, GPtrArray *entries, guint first, guint count,
                            GError **error)
{
    g_autoptr(DbTransaction) transaction = db_begin(outcomes->db, error);

    if (!transaction)
        return FALSE;
    for (guint i = first; i < first + count; i++)
        if (!store_entry(outcomes->db, entries->pdata[i], error))
            return FALSE;
    if (!db_commit(&transaction, error))
        return FALSE;
    for (guint i = first; i < first + count; i++)
        count_usage(outcomes, entries->pdata[i]);
    return TRUE;
}

static gboolean is_passing(const GError *error)
{
    return error_is(error, ERROR_UNAVAILABLE) || error_is(error, ERROR_BUSY);
}

/* One that spoils its group (its workspace was purged meanwhile) is left out alone. `retries` are
 * the batch's: a database that is away must not hold the thread for every entry anew. */
static void store_one(Outcomes *outcomes, GPtrArray *entries, guint index, guint *retries)
{
    const Entry *entry = entries->pdata[index];
    g_autoptr(GError) error = NULL;

    for (;;) {
        g_clear_error(&error);
        if (store_range(outcomes, entries, index, 1, &error))
            return;
        if (!is_passing(error) || *retries == 0 || cancel_fired(outcomes->stop))
            break;
        (*retries)--;
        pulse_tick(outcomes->pulse);
        (void)cancel_wait_until(outcomes->stop, clock_monotonic_us() + RETRY_PAUSE_US);
    }
    log_error("the record of a message was lost", LOG_TEXT("workspace", entry->outcome->target_id),
              LOG_CAUSE(error));
}

static gboolean needs_storing(const Entry *entry)
{
    return entry->row || entry->has_usage;
}

static void store_all(Outcomes *outcomes, GPtrArray *entries)
{
    g_autoptr(GPtrArray) wanted = g_ptr_array_new();
    g_autoptr(GError) error = NULL;
    guint retries = RETRIES;

    for (guint i = 0; i < entries->len; i++)
        if (needs_storing(entries->pdata[i]))
            g_ptr_array_add(wanted, entries->pdata[i]);
    if (wanted->len == 0 || store_range(outcomes, wanted, 0, wanted->len, &error))
        return;
    for (guint i = 0; i < wanted->len; i++)
        store_one(outcomes, wanted, i, &retries);
}

/* ---- The thread ---- */

static void take(Outcomes *outcomes, GPtrArray *entries, Outcome *outcome, gsize *bytes)
{
    gsize size = outcome_size(outcome);

    *bytes += size;
    g_ptr_array_add(entries, entry_new(outcome));
    atomic_fetch_sub(&outcomes->waiting_bytes, size);
}

static void run_batch(Outcomes *outcomes, Outcome *first)
{
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(entry_free);
    gsize bytes = 0;
    Outcome *next;

    take(outcomes, entries, first, &bytes);
    while (entries->len < BATCH_COUNT && bytes < BATCH_BYTES &&
           (next = queue_pop(outcomes->queue, 0)))
        take(outcomes, entries, next, &bytes);
    for (guint i = 0; i < entries->len; i++)
        announce_reply(outcomes, entries->pdata[i]);
    store_all(outcomes, entries);
    for (guint i = 0; i < entries->len; i++) {
        const Entry *entry = entries->pdata[i];
        if (entry->row)
            announce_row(outcomes, entry->row);
    }
    atomic_fetch_sub(&outcomes->waiting, entries->len);
}

static void run(void *data)
{
    Outcomes *outcomes = data;

    for (;;) {
        Outcome *outcome;
        gboolean is_ending =
            cancel_fired(outcomes->stop); /* before the look: nothing is put in after */
        pulse_tick(outcomes->pulse);
        outcome = queue_pop(outcomes->queue, is_ending ? 0 : clock_monotonic_us() + TURN_US);
        if (outcome)
            run_batch(outcomes, outcome);
        else if (is_ending)
            return;
    }
}

Outcomes *outcomes_new(Db *db, OrgTree *tree, Events *events, guint expected)
{
    Outcomes *outcomes = g_new0(Outcomes, 1);

    outcomes->db = db;
    outcomes->tree = tree;
    outcomes->events = events;
    outcomes->queue = queue_new(ROOM_COUNT + 2 * expected, outcome_free_item);
    outcomes->stop = cancel_new();
    outcomes->pulse = pulse_new("activity-writer", TURN_US / CLOCK_SECOND_US);
    outcomes->thread = thread_start("a2a-writer", run, outcomes);
    return outcomes;
}

void outcomes_stop(Outcomes *outcomes)
{
    if (!outcomes->thread)
        return;
    cancel_fire(outcomes->stop);
    queue_close(outcomes->queue);
    thread_join(g_steal_pointer(&outcomes->thread));
    g_clear_pointer(&outcomes->pulse, pulse_free);
}

void outcomes_free(Outcomes *outcomes)
{
    if (!outcomes)
        return;
    outcomes_stop(outcomes);
    queue_free(outcomes->queue);
    cancel_unref(outcomes->stop);
    g_free(outcomes);
}

void outcomes_put(Outcomes *outcomes, Outcome *outcome)
{
    gsize size = outcome_size(outcome);

    atomic_fetch_add(&outcomes->waiting, 1);
    atomic_fetch_add(&outcomes->waiting_bytes, size);
    if (queue_push(outcomes->queue, outcome))
        return;
    atomic_fetch_sub(&outcomes->waiting, 1);
    atomic_fetch_sub(&outcomes->waiting_bytes, size);
    log_error("the record of a message was lost: too many wait",
              LOG_TEXT("workspace", outcome->target_id));
    outcome_free(outcome);
}

gboolean outcomes_has_room(Outcomes *outcomes)
{
    return atomic_load(&outcomes->waiting) < ROOM_COUNT &&
           atomic_load(&outcomes->waiting_bytes) < ROOM_BYTES;
}

guint outcomes_waiting(Outcomes *outcomes)
{
    return atomic_load(&outcomes->waiting);
}
