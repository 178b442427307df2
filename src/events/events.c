/* The event log and those who listen to it.
 *
 * Order: announcing is serialised by one lock that is held while the listeners run, so all of them
 * see one and the same order, and it is the order of the emitters. This lock guards the order and
 * nothing else; it is the outermost of all (before place 1 of base/sync.h). Listeners only copy and
 * queue; they must not emit. A row that could not be inserted is kept (the latest BACKLOG_MAX) and
 * tried again with the next one. A listener may be a bus to other replicas: the log does not know
 * the difference. */
#include "events/events.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/sync.h"
#include "base/text.h"
#include "store/structure_events.h"

#include <string.h>

#define LISTENERS_MAX 16
#define BACKLOG_MAX   256

typedef struct {
    EventListener function;
    void *data;
} Listener;

/* A recorded event whose insert failed. */
typedef struct {
    char *type, *workspace_id, *payload;
    gint64 time_us;
} Unstored;

struct _Events {
    Db *db;                            /* borrowed */
    Listener listeners[LISTENERS_MAX]; /* constant once threads run */
    guint listener_count;
    Mutex order;    /* held while listeners run: it is the order of events */
    Mutex lock;     /* guards backlog */
    GQueue backlog; /* of Unstored, oldest first */
};

static void unstored_free(void *data)
{
    Unstored *row = data;

    g_free(row->type);
    g_free(row->workspace_id);
    g_free(row->payload);
    g_free(row);
}

Events *events_new(Db *db)
{
    Events *events = g_new0(Events, 1);

    events->db = db;
    mutex_init(&events->order);
    mutex_init(&events->lock);
    g_queue_init(&events->backlog);
    return events;
}

void events_listen(Events *events, EventListener listener, void *data)
{
    g_return_if_fail(events->listener_count < LISTENERS_MAX);
    events->listeners[events->listener_count++] = (Listener){listener, data};
}

/* ---- Announcing ---- */

/* The whole message. Only what came from outside can be invalid UTF-8, and one bad byte would make
 * a browser drop its socket (F23), so the finished text is checked once. */
static GString *envelope_build(const char *type, const char *workspace_id, const char *payload,
                               gint64 time_us)
{
    GString *text = g_string_sized_new(160 + strlen(payload));
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    json_out_text(&out, "event", type);
    json_out_text(&out, "workspace_id", workspace_id);
    json_out_time(&out, "timestamp", time_us);
    json_out_raw(&out, "payload", payload);
    json_out_end(&out);
    if (!g_utf8_validate_len(text->str, text->len, NULL)) {
        g_autofree char *repaired = text_repair_dup(text->str, text->len);
        g_string_assign(text, repaired);
    }
    return text;
}

static void announce(Events *events, const char *type, const char *workspace_id,
                     const char *payload, gint64 time_us, gboolean recorded)
{
    g_autoptr(GString) text = envelope_build(type, workspace_id, payload, time_us);
    const Event event = {
        .type = type,
        .workspace_id = workspace_id,
        .payload = payload,
        .time_us = time_us,
        .recorded = recorded,
        .envelope = text->str,
        .envelope_length = text->len,
    };

    mutex_lock(&events->order);
    for (guint i = 0; i < events->listener_count; i++)
        events->listeners[i].function(&event, events->listeners[i].data);
    mutex_unlock(&events->order);
}

void events_announce(Events *events, const char *type, const char *workspace_id,
                     const char *payload, gint64 time_us)
{
    announce(events, type, workspace_id ? workspace_id : "", payload ? payload : "{}", time_us,
             TRUE);
}

void events_broadcast(Events *events, const char *type, const char *workspace_id,
                      const char *payload)
{
    announce(events, type, workspace_id ? workspace_id : "", payload ? payload : "{}",
             clock_now_us(), FALSE);
}

/* ---- Storing ---- */

gboolean event_store(Db *db, const char *type, const char *workspace_id, const char *payload,
                     gint64 time_us, GError **error)
{
    return store_structure_event_insert(db, type, workspace_id, payload, time_us, error);
}

/* What could not be stored before, oldest first; taken out so that no lock is held over SQL. */
static void backlog_retry(Events *events)
{
    GQueue rows = G_QUEUE_INIT;
    g_autoptr(GError) error = NULL;
    Unstored *row;

    mutex_lock(&events->lock);
    rows = events->backlog;
    g_queue_init(&events->backlog);
    mutex_unlock(&events->lock);

    while ((row = g_queue_peek_head(&rows))) {
        if (!event_store(events->db, row->type, row->workspace_id, row->payload, row->time_us,
                         &error))
            break;
        unstored_free(g_queue_pop_head(&rows));
    }

    mutex_lock(&events->lock);
    while ((row = g_queue_pop_tail(&rows)))
        g_queue_push_head(&events->backlog, row);
    mutex_unlock(&events->lock);
}

static gboolean backlog_is_empty(Events *events)
{
    gboolean is_empty;

    mutex_lock(&events->lock);
    is_empty = g_queue_is_empty(&events->backlog);
    mutex_unlock(&events->lock);
    return is_empty;
}

static void backlog_add(Events *events, const char *type, const char *workspace_id,
                        const char *payload, gint64 time_us)
{
    Unstored *row = g_new0(Unstored, 1);
    Unstored *dropped = NULL;

    row->type = g_strdup(type);
    row->workspace_id = g_strdup(workspace_id);
    row->payload = g_strdup(payload);
    row->time_us = time_us;
    mutex_lock(&events->lock);
    g_queue_push_tail(&events->backlog, row);
    if (g_queue_get_length(&events->backlog) > BACKLOG_MAX)
        dropped = g_queue_pop_head(&events->backlog);
    mutex_unlock(&events->lock);
    if (!dropped)
        return;
    log_error("event lost: the log could not be written for too long",
              LOG_TEXT("event", dropped->type), LOG_TEXT("workspace", dropped->workspace_id));
    unstored_free(dropped);
}

void events_record(Events *events, const char *type, const char *workspace_id, const char *payload)
{
    g_autoptr(GError) error = NULL;
    gint64 now_us = clock_now_us();

    workspace_id = workspace_id ? workspace_id : "";
    payload = payload ? payload : "{}";
    if (event_store(events->db, type, workspace_id, payload, now_us, &error)) {
        if (!backlog_is_empty(events))
            backlog_retry(events);
    } else {
        log_warning("event not stored yet", LOG_TEXT("event", type),
                    LOG_TEXT("workspace", workspace_id), LOG_CAUSE(error));
        backlog_add(events, type, workspace_id, payload, now_us);
    }
    announce(events, type, workspace_id, payload, now_us, TRUE);
}

void events_free(Events *events)
{
    if (!events)
        return;
    if (!backlog_is_empty(events))
        backlog_retry(events);
    g_queue_clear_full(&events->backlog, unstored_free);
    mutex_clear(&events->lock);
    mutex_clear(&events->order);
    g_free(events);
}
