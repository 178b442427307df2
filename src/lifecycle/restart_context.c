#include "lifecycle/restart_context.h"

#include "base/clock.h"
#include "base/ids.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/sync.h"
#include "store/secrets.h"
#include "store/workspaces.h"

#include <string.h>

#define CONTEXTS_MAX      10000
#define TIMEOUT_DEFAULT_S 1800 /* the slowest runtime has as long */

typedef struct {
    char *text;
    gint64 deadline_us; /* monotonic */
    gboolean is_armed;
} Context;

struct _RestartContexts {
    RestartContextOptions options; /* constant */
    Mutex lock;                    /* guards what follows */
    GHashTable *waiting;           /* workspace id -> Context, owned */
    GHashTable *fallen;            /* set of ids: offline, and nobody asked for what follows */
};

static void context_free(void *data)
{
    Context *context = data;

    g_free(context->text);
    g_free(context);
}

/* ---- The text ---- */

static char *duration_dup(gint64 span_us)
{
    gint64 seconds = (span_us + CLOCK_SECOND_US / 2) / CLOCK_SECOND_US;

    if (span_us <= 0)
        return g_strdup("0s");
    if (seconds >= 3600)
        return g_strdup_printf("%" G_GINT64_FORMAT "h%" G_GINT64_FORMAT "m", seconds / 3600,
                               seconds / 60 % 60);
    if (seconds >= 60)
        return g_strdup_printf("%" G_GINT64_FORMAT "m%" G_GINT64_FORMAT "s", seconds / 60,
                               seconds % 60);
    return g_strdup_printf("%" G_GINT64_FORMAT "s", seconds);
}

static void append_time(GString *text, gint64 time_us)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(time_us / CLOCK_SECOND_US);
    g_autofree char *written = time ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : NULL;

    g_string_append(text, written ? written : "");
}

static void append_session(GString *text, gint64 restart_us, gint64 ended_us)
{
    g_autofree char *ago = duration_dup(restart_us - ended_us);

    g_string_append(text, "Previous session ended: ");
    if (ended_us)
        append_time(text, ended_us);
    g_string_append_printf(text, ended_us ? " (%s ago)\n" : "(no prior session on record)\n", ago);
}

char *restart_context_text(gint64 restart_us, gint64 ended_us, const GPtrArray *names)
{
    GString *text = g_string_new("=== WORKSPACE RESTART CONTEXT ===\nRestart at: ");

    append_time(text, restart_us);
    g_string_append_c(text, '\n');
    append_session(text, restart_us, ended_us);
    g_string_append(text, "Env vars now available: ");
    for (guint i = 0; i < names->len; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", (const char *)names->pdata[i]);
    g_string_append(text, names->len > 0 ? "\n" : "(none)\n");
    g_string_append(text, "=== END RESTART CONTEXT ===\n");
    return g_string_free(text, FALSE);
}

/* ---- The message ---- */

static void write_metadata(JsonOut *out)
{
    json_out_object(out, "metadata");
    json_out_text(out, "source", "platform");
    json_out_text(out, "kind", "restart_context");
    json_out_int(out, "layer", 1);
    json_out_bool(out, "restart_context", TRUE);
    json_out_end(out);
}

static void write_message(JsonOut *out, const char *text)
{
    char message_id[ID_SIZE];

    id_make(message_id);
    json_out_object(out, "message");
    json_out_text(out, "role", "user");
    json_out_text(out, "messageId", message_id);
    json_out_array(out, "parts");
    json_out_object(out, NULL);
    json_out_text(out, "kind", "text");
    json_out_text(out, "text", text);
    json_out_end(out);
    json_out_end(out);
    write_metadata(out);
    json_out_end(out);
}

static char *body_dup(const char *text)
{
    g_autoptr(GString) body = g_string_new(NULL);
    JsonOut out = json_out_start(body);
    char id[ID_SIZE];

    id_make(id);
    json_out_object(&out, NULL);
    json_out_text(&out, "jsonrpc", "2.0");
    json_out_text(&out, "id", id);
    json_out_text(&out, "method", "message/send");
    json_out_object(&out, "params");
    write_message(&out, text);
    json_out_end(&out);
    json_out_end(&out);
    return g_string_free(g_steal_pointer(&body), FALSE);
}

/* ---- Collecting ---- */

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted bytewise, each once. Borrowed from `rows`. */
static GPtrArray *names_of(const GPtrArray *rows)
{
    GPtrArray *names = g_ptr_array_new();
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < rows->len; i++) {
        SecretRow *row = rows->pdata[i];
        if (g_hash_table_add(seen, row->key))
            g_ptr_array_add(names, row->key);
    }
    g_ptr_array_sort(names, compare_names);
    return names;
}

static void forget_late_locked(RestartContexts *contexts, gint64 now_us)
{
    GHashTableIter iter;
    void *value = NULL;

    g_hash_table_iter_init(&iter, contexts->waiting);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (((const Context *)value)->deadline_us <= now_us)
            g_hash_table_iter_remove(&iter);
}

void restart_contexts_collect(RestartContexts *contexts, const WorkspaceRow *row)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) rows = NULL;
    g_autoptr(GPtrArray) names = NULL;
    Context *context;

    if (!contexts)
        return;
    rows = store_secret_list_effective(contexts->options.db, row->id, &error);
    if (!rows) {
        log_warning("a restarted agent will not be told so", LOG_TEXT("workspace", row->id),
                    LOG_CAUSE(error));
        return;
    }
    names = names_of(rows);
    context = g_new0(Context, 1);
    context->text = restart_context_text(clock_now_us(), row->last_heartbeat_at_us, names);
    context->deadline_us =
        clock_monotonic_us() + (gint64)contexts->options.timeout_s * CLOCK_SECOND_US;
    mutex_lock(&contexts->lock);
    forget_late_locked(contexts, clock_monotonic_us());
    if (g_hash_table_size(contexts->waiting) < CONTEXTS_MAX)
        g_hash_table_replace(contexts->waiting, g_strdup(row->id), g_steal_pointer(&context));
    mutex_unlock(&contexts->lock);
    g_clear_pointer(&context, context_free);
}

void restart_contexts_arm(RestartContexts *contexts, const char *id)
{
    Context *context = NULL;

    if (!contexts)
        return;
    mutex_lock(&contexts->lock);
    context = g_hash_table_lookup(contexts->waiting, id);
    if (context)
        context->is_armed = TRUE;
    mutex_unlock(&contexts->lock);
}

/* ---- The signal ---- */

/* The text to send now; NULL: none. */
static char *take_text(RestartContexts *contexts, const char *id, gboolean is_online)
{
    Context *context = NULL;
    char *text = NULL;

    mutex_lock(&contexts->lock);
    context = g_hash_table_lookup(contexts->waiting, id);
    if (context && context->is_armed) {
        if (is_online && context->deadline_us > clock_monotonic_us())
            text = g_steal_pointer(&context->text);
        g_hash_table_remove(contexts->waiting, id);
    }
    mutex_unlock(&contexts->lock);
    return text;
}

void restart_contexts_note_repair(RestartContexts *contexts, const char *id)
{
    g_autoptr(WorkspaceRow) row = NULL;
    g_autoptr(GError) error = NULL;

    if (!store_workspace_find(contexts->options.db, id, &row, &error)) {
        log_warning("a restarted agent will not be told so", LOG_TEXT("workspace", id),
                    LOG_CAUSE(error));
        return;
    }
    if (!row || row->status != WORKSPACE_PROVISIONING)
        return;
    restart_contexts_collect(contexts, row);
    restart_contexts_arm(contexts, id);
}

static void note_fallen(RestartContexts *contexts, const char *id)
{
    mutex_lock(&contexts->lock);
    if (g_hash_table_size(contexts->fallen) < CONTEXTS_MAX)
        g_hash_table_add(contexts->fallen, g_strdup(id));
    mutex_unlock(&contexts->lock);
}

static gboolean forget_fallen(RestartContexts *contexts, const char *id)
{
    gboolean was_fallen = FALSE;

    mutex_lock(&contexts->lock);
    was_fallen = g_hash_table_remove(contexts->fallen, id);
    mutex_unlock(&contexts->lock);
    return was_fallen;
}

/* It will not be restarted any more, or it is there: with a text for it, or without. */
static void note_end(RestartContexts *contexts, const char *id, gboolean is_online)
{
    g_autofree char *text = take_text(contexts, id, is_online);

    forget_fallen(contexts, id);
    if (text)
        contexts->options.send(id, body_dup(text), contexts->options.data);
}

static void note(const Event *event, void *data)
{
    RestartContexts *contexts = data;
    const char *id = event->workspace_id;

    if (strcmp(event->type, "WORKSPACE_ONLINE") == 0)
        note_end(contexts, id, TRUE);
    else if (strcmp(event->type, "WORKSPACE_REMOVED") == 0 ||
             strcmp(event->type, "WORKSPACE_PAUSED") == 0)
        note_end(contexts, id, FALSE);
    else if (strcmp(event->type, "WORKSPACE_OFFLINE") == 0)
        note_fallen(contexts, id);
    else if (strcmp(event->type, "WORKSPACE_PROVISIONING") == 0 && forget_fallen(contexts, id) &&
             contexts->options.note_repair)
        contexts->options.note_repair(id, contexts->options.data);
}

RestartContexts *restart_contexts_new(const RestartContextOptions *options)
{
    RestartContexts *contexts = g_new0(RestartContexts, 1);

    contexts->options = *options;
    if (!contexts->options.timeout_s)
        contexts->options.timeout_s = TIMEOUT_DEFAULT_S;
    mutex_init(&contexts->lock);
    contexts->waiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, context_free);
    contexts->fallen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    events_listen(options->events, note, contexts);
    return contexts;
}

void restart_contexts_free(RestartContexts *contexts)
{
    if (!contexts)
        return;
    g_hash_table_unref(contexts->fallen);
    g_hash_table_unref(contexts->waiting);
    mutex_clear(&contexts->lock);
    g_free(contexts);
}
