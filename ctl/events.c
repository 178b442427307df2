/* `events`: what happened, and on request what happens from now on.
 *
 * Following opens the socket first and reads the log afterwards, so that nothing falls between; an
 * event that comes both ways is known by its time, type and workspace. A connection that is lost is
 * opened again, and the log tells what was missed (but for broadcast-only events, which no log
 * keeps). Source: spec 04, sections 11 to 13. */
#include "base/json_out.h"
#include "commands.h"
#include "terminal.h"
#include "websocket.h"
#include "workspaces.h"

#include <string.h>

#define COUNT_DEFAULT   20
#define COUNT_MAX       500 /* the server gives no more */
#define PAGE            100 /* what the server gives unasked */
#define SEEN_MAX        4096
#define RETRY_FIRST_US  500000
#define RETRY_LAST_US   10000000
#define EVENT_COLUMNS   26 /* the longest name: WORKSPACE_PROVISION_FAILED */
#define NAME_COLUMNS    20
#define VALUE_COLUMNS   60
#define DETAILS_COLUMNS 160

const Option events_options[] = {
    {.name = "follow", .letter = 'f', .help = "go on with new events until Ctrl-C"},
    {.name = "lines", .letter = 'n', .value = "COUNT", .help = "how many of the last events [20]"},
    {0},
};

typedef struct {
    Session *session;
    const char *workspace_id; /* NULL: all */
    gint64 count;
    GHashTable *names; /* id -> name, owned */
    GHashTable *seen;  /* keys of what was read, owned */
    GQueue order;      /* the same keys, oldest first; borrowed from `seen` */
} Feed;

typedef struct {
    char *type;
    char *workspace_id; /* "" when none */
    char *time;         /* RFC 3339 */
    JsonView payload;   /* of the text it was read from */
    gboolean has_payload;
} FeedEvent;

static void feed_event_clear(FeedEvent *event)
{
    g_free(event->type);
    g_free(event->workspace_id);
    g_free(event->time);
    *event = (FeedEvent){0};
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FeedEvent, feed_event_clear)

/* ---- Reading ---- */

/* An entry of the log and a message of the socket say the same with other keys. */
static gboolean event_read(JsonView object, gboolean is_logged, FeedEvent *event)
{
    *event = (FeedEvent){
        .type = api_text_dup(object, is_logged ? "event_type" : "event"),
        .workspace_id = api_text_dup(object, "workspace_id"),
        .time = api_text_dup(object, is_logged ? "created_at" : "timestamp"),
    };
    event->has_payload = json_view_member(object, "payload", JSON_KEYS_EXACT, &event->payload);
    if (!event->workspace_id)
        event->workspace_id = g_strdup("");
    return event->type && event->time;
}

/* Whether the event is new; remembers it. */
static gboolean is_new(Feed *feed, const FeedEvent *event)
{
    char *key = g_strconcat(event->time, " ", event->type, " ", event->workspace_id, NULL);

    if (!g_hash_table_add(feed->seen, key))
        return FALSE; /* the table freed the key */
    g_queue_push_tail(&feed->order, key);
    if (feed->order.length > SEEN_MAX)
        g_hash_table_remove(feed->seen, g_queue_pop_head(&feed->order));
    return TRUE;
}

static void learn_name(Feed *feed, const FeedEvent *event)
{
    g_autofree char *name = event->has_payload && g_str_has_prefix(event->type, "WORKSPACE_")
                                ? api_text_dup(event->payload, "name")
                                : NULL;

    if (name && *event->workspace_id)
        g_hash_table_insert(feed->names, g_strdup(event->workspace_id), g_steal_pointer(&name));
}

/* ---- Printing ---- */

static void print_json(const FeedEvent *event)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *payload =
        event->has_payload ? json_view_compact_dup(event->payload) : g_strdup("null");
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    json_out_text(&out, "event", event->type);
    json_out_text(&out, "workspace_id", event->workspace_id);
    json_out_text(&out, "timestamp", event->time);
    json_out_raw(&out, "payload", payload);
    json_out_end(&out);
    printf("%s\n", text->str);
}

static char *local_time_dup(const char *time)
{
    g_autoptr(GDateTime) utc = g_date_time_new_from_iso8601(time, NULL);
    g_autoptr(GDateTime) local = utc ? g_date_time_to_local(utc) : NULL;

    return local ? g_date_time_format(local, "%F %T") : terminal_cell_dup(time, 24);
}

/* `key=value` for each member that says something. Caller owns it. */
static char *details_dup(const FeedEvent *event)
{
    GString *details = g_string_new(NULL);

    if (!event->has_payload || json_view_kind(event->payload) != JSON_KIND_OBJECT)
        return g_string_free(details, FALSE);
    for (JsonWalk walk = json_view_walk(event->payload); json_walk_next(&walk);) {
        g_autofree char *key = json_view_text_dup(walk.key, NULL);
        g_autofree char *text = json_view_kind(walk.value) == JSON_KIND_TEXT
                                    ? json_view_text_dup(walk.value, NULL)
                                    : json_view_compact_dup(walk.value);
        if (!*text || json_view_is_null(walk.value))
            continue;
        g_autofree char *value = terminal_cell_dup(text, VALUE_COLUMNS);
        g_string_append_printf(details, "%s%s=%s", details->len > 0 ? " " : "", key, value);
    }
    return g_string_free(details, FALSE);
}

static char *name_dup(const Feed *feed, const char *workspace_id)
{
    const char *name = g_hash_table_lookup(feed->names, workspace_id);

    return name ? terminal_cell_dup(name, NAME_COLUMNS)
                : g_strdup_printf("%.8s", *workspace_id ? workspace_id : "-");
}

static void print_text(const Feed *feed, const FeedEvent *event)
{
    g_autofree char *time = local_time_dup(event->time);
    g_autofree char *type = terminal_cell_dup(event->type, 0);
    g_autofree char *name = name_dup(feed, event->workspace_id);
    g_autofree char *details = details_dup(event);
    g_autofree char *shown = terminal_cell_dup(details, DETAILS_COLUMNS);

    printf("%s  ", time);
    terminal_pad(stdout, type, EVENT_COLUMNS + 2);
    if (*shown)
        terminal_pad(stdout, name, NAME_COLUMNS + 2);
    printf("%s\n", *shown ? shown : name);
}

static void print(Feed *feed, const FeedEvent *event)
{
    learn_name(feed, event);
    if (feed->session->wants_json)
        print_json(event);
    else
        print_text(feed, event);
    fflush(stdout);
}

/* ---- The log ---- */

/* Prints what is new in the log, oldest first, `limit` at most. */
static gboolean print_log(Feed *feed, gint64 limit, GError **error)
{
    g_autofree char *path =
        g_strdup_printf("/events%s%s?limit=%" G_GINT64_FORMAT, feed->workspace_id ? "/" : "",
                        feed->workspace_id ? feed->workspace_id : "", MAX(limit, PAGE));
    g_auto(ApiAnswer) answer = {0};
    g_autoptr(GArray) events = g_array_new(FALSE, FALSE, sizeof(FeedEvent));
    JsonView list;

    if (!api_call(feed->session->api, "GET", path, NULL, &answer, &list, error))
        return FALSE;
    if (json_view_kind(list) != JSON_KIND_ARRAY)
        return ctl_fail(error, CTL_REFUSED, "the server's list of events is not a list");
    g_array_set_clear_func(events, (GDestroyNotify)feed_event_clear);
    for (JsonWalk walk = json_view_walk(list); json_walk_next(&walk);) {
        FeedEvent event;
        if (event_read(walk.value, TRUE, &event) && is_new(feed, &event) &&
            (gint64)events->len < limit)
            g_array_append_val(events, event);
        else
            feed_event_clear(&event);
    }
    for (guint i = events->len; i > 0; i--)
        print(feed, &g_array_index(events, FeedEvent, i - 1));
    return TRUE;
}

/* ---- Following ---- */

static gboolean on_message(const char *text, gsize length, void *data)
{
    Feed *feed = data;
    g_auto(FeedEvent) event = {0};
    JsonView view;

    if (!json_view_parse(text, length, JSON_FIRST_VALUE, &view, NULL) ||
        !event_read(view, FALSE, &event))
        return TRUE;
    gboolean is_wanted = !feed->workspace_id || strcmp(feed->workspace_id, event.workspace_id) == 0;
    if (is_wanted && is_new(feed, &event))
        print(feed, &event);
    return !ferror(stdout);
}

/* One connection from its begin to its end. `is_open` says whether it came so far. */
static gboolean follow_once(Feed *feed, gint64 limit, gboolean *is_open, GError **error)
{
    g_autoptr(WebSocketClient) socket = websocket_open(feed->session->api, "/ws", error);

    if (!socket || !print_log(feed, limit, error))
        return FALSE;
    *is_open = TRUE;
    return websocket_listen(socket, on_message, feed, error);
}

static gboolean follow(Feed *feed, GError **error)
{
    gint64 pause_us = RETRY_FIRST_US;
    gint64 limit = feed->count;
    gboolean was_open = FALSE;

    for (;;) {
        g_autoptr(GError) failure = NULL;
        gboolean is_open = FALSE;
        if (follow_once(feed, limit, &is_open, &failure))
            return TRUE;
        if ((!was_open && !is_open) || ctl_failure_status(failure) != CTL_UNREACHABLE) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        if (is_open || !was_open) {
            fprintf(stderr, "workspacectl: %s; trying again\n", failure->message);
            pause_us = RETRY_FIRST_US;
        }
        was_open = TRUE;
        limit = COUNT_MAX;
        g_usleep((gulong)pause_us);
        pause_us = MIN(pause_us * 2, RETRY_LAST_US);
    }
}

/* ---- The command ---- */

/* Names are for the reader only, so a caller who may not list workspaces sees ids. */
static void learn_names(Feed *feed)
{
    g_autoptr(GPtrArray) workspaces =
        feed->session->wants_json ? NULL : workspaces_load(feed->session->api, NULL, NULL);

    for (guint i = 0; workspaces && i < workspaces->len; i++) {
        const Workspace *workspace = workspaces->pdata[i];
        g_hash_table_insert(feed->names, g_strdup(workspace->id), g_strdup(workspace->name));
    }
}

static gboolean run(Feed *feed, GError **error)
{
    gboolean is_well;

    feed->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    feed->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    learn_names(feed);
    is_well = arguments_has(feed->session->arguments, "follow")
                  ? follow(feed, error)
                  : print_log(feed, feed->count, error);
    g_queue_clear(&feed->order);
    g_hash_table_unref(feed->seen);
    g_hash_table_unref(feed->names);
    return is_well;
}

gboolean events_run(Session *session, GError **error)
{
    const char *reference = arguments_position(session->arguments, 0);
    g_autofree char *id = NULL;
    Feed feed = {.session = session, .count = COUNT_DEFAULT, .order = G_QUEUE_INIT};

    if (!arguments_get_int(session->arguments, "lines", 0, COUNT_MAX, &feed.count, error) ||
        (reference && !(id = workspace_id_resolve(session->api, reference, error))))
        return FALSE;
    feed.workspace_id = id;
    return run(&feed, error);
}
