/* One forward: admitted by a worker, under way in the HTTP client's thread, ended there or, after a
 * look at the agent's container, in a worker. See proxy.h.
 *
 * A Forward has two holders at most, the starter and the call (then the look at the container), and
 * dies with the second. It is in `proxy->forwards` while it holds a place, and the place is given
 * back as the last thing it does, so that proxy_stop can wait for that. Order of locks:
 * proxy->lock, then place 2 (the table of forwards). */
#include "a2a/proxy.h"

#include "a2a/address.h"
#include "a2a/answers.h"
#include "a2a/message.h"
#include "a2a/outcomes.h"
#include "a2a/relay.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sync.h"
#include "org/spend.h"
#include "store/workspaces.h"

#include <string.h>

#define CEILING_S              (30 * 60) /* spec 04, 5.8 */
#define TIMEOUT_MAX_S          (24 * 60 * 60)
#define IDLE_DEFAULT_S         300
#define CONNECT_TIMEOUT_MS     (30 * 1000)
#define ANSWER_MAX_BYTES       (10 * 1024 * 1024)
#define MAX_FORWARDS_DEFAULT   1024
#define STREAM_PING_DEFAULT_MS (20 * 1000) /* ARCHITECTURE D20 */

struct _Proxy {
    ProxyOptions options; /* constant */
    Outcomes *outcomes;
    Thread *pinger;
    _Atomic guint64 forwarded, crowded; /* crowded: refused because too many results wait */

    Mutex lock;           /* guards everything below, and call and is_done of every Forward */
    GHashTable *forwards; /* set of Forward: those whose call can be cancelled */
    guint active;         /* forwards that hold a place */
    Condition left;       /* active went down */
    GPtrArray *relays;    /* references to streams under way */
    Condition relayed;    /* a stream began, or the proxy stops */
    gboolean is_stopping;
};

typedef struct {
    RefCount references;
    Proxy *proxy;

    /* Who is to be answered: a request (a reference) or a function. */
    HttpRequest *request;
    ProxyDone done;
    void *done_data;

    char target_id[ID_SIZE];
    char source_id[ID_SIZE]; /* the calling workspace; "" for the web UI and for callers inside */
    gboolean is_canvas, is_logged, accepts_stream;
    gint64 timeout_s;
    gboolean has_ceiling;
    gboolean has_place;

    /* Known once admitted. */
    char *url, *target_name;
    gboolean is_trusted, is_external;
    char *method;
    GBytes *body;
    gint64 started_us;

    HttpCall *call; /* a reference, or NULL */
    gboolean is_done;
    Relay *relay; /* the HTTP client's thread: a stream passes */

    /* Of a call without an answer, while its container is looked at. */
    Fate fate;
    gboolean is_session; /* the target keeps its own queue */
    char *failure;
    gint64 duration_ms;
} Forward;

gboolean proxy_caller_is_reserved(const char *caller_id)
{
    static const char *const prefixes[] = {"webhook:", "system:", "test:", "channel:"};

    for (guint i = 0; i < G_N_ELEMENTS(prefixes); i++)
        if (g_str_has_prefix(caller_id, prefixes[i]))
            return TRUE;
    return FALSE;
}

/* ---- A forward's life ---- */

static Forward *forward_new(Proxy *proxy, const ProxyCall *call)
{
    Forward *forward = g_new0(Forward, 1);

    ref_init(&forward->references);
    forward->proxy = proxy;
    g_strlcpy(forward->target_id, call->target_id, sizeof forward->target_id);
    if (!proxy_caller_is_reserved(call->caller_id))
        g_strlcpy(forward->source_id, call->caller_id, sizeof forward->source_id);
    forward->is_canvas = !*call->caller_id;
    forward->has_ceiling = *call->caller_id != '\0';
    forward->is_logged = call->logging;
    forward->accepts_stream = call->accepts_stream;
    forward->timeout_s = call->timeout_s;
    return forward;
}

static void forward_free(Forward *forward)
{
    if (forward->request)
        http_request_unref(forward->request);
    g_free(forward->url);
    g_free(forward->target_name);
    g_free(forward->method);
    g_clear_pointer(&forward->body, g_bytes_unref);
    if (forward->call)
        http_call_unref(forward->call);
    relay_unref(forward->relay);
    g_free(forward->failure);
    g_free(forward);
}

/* Takes a place. FALSE: there is none. */
static gboolean forward_enter(Forward *forward)
{
    Proxy *proxy = forward->proxy;

    if (!outcomes_has_room(proxy->outcomes)) {
        atomic_fetch_add(&proxy->crowded, 1);
        return FALSE;
    }
    if (!forwards_enter(proxy->options.forwards))
        return FALSE;
    mutex_lock(&proxy->lock);
    forward->has_place = !proxy->is_stopping;
    if (forward->has_place) {
        g_hash_table_add(proxy->forwards, forward);
        proxy->active++;
    }
    mutex_unlock(&proxy->lock);
    if (!forward->has_place)
        forwards_leave(proxy->options.forwards);
    return forward->has_place;
}

static void forward_unref(Forward *forward)
{
    Proxy *proxy = forward->proxy;
    gboolean has_place = forward->has_place;

    if (!ref_drop(&forward->references))
        return;
    if (has_place) {
        mutex_lock(&proxy->lock);
        g_hash_table_remove(proxy->forwards, forward);
        mutex_unlock(&proxy->lock);
    }
    forward_free(forward);
    if (!has_place)
        return;
    forwards_leave(proxy->options.forwards);
    mutex_lock(&proxy->lock);
    proxy->active--;
    condition_broadcast(&proxy->left); /* from here on the proxy may be gone */
    mutex_unlock(&proxy->lock);
}

/* ---- Answering ---- */

static void answer_request(HttpRequest *request, const Answer *answer)
{
    if (answer->retry_after_s >= 0) {
        g_autofree char *seconds = g_strdup_printf("%" G_GINT64_FORMAT, answer->retry_after_s);
        http_reply_header(request, "Retry-After", seconds);
    }
    http_reply_bytes(request, answer->status,
                     answer->is_raw ? "application/json" : "application/json; charset=utf-8",
                     answer->body);
}

static void forward_answer(Forward *forward, const Answer *answer)
{
    const ProxyAnswer told = {
        .status = answer->status,
        .body = answer->body,
        .retry_after_s = answer->retry_after_s,
        .is_agents = answer->is_agents,
        .unreachable = answer->unreachable,
    };

    if (forward->request)
        answer_request(forward->request, answer);
    else
        forward->done(&told, forward->done_data);
}

/* ---- Writing down ---- */

/* What is written down is a copy: the count of a GBytes that two threads share is GLib's own, which
 * ThreadSanitizer cannot see into (STYLE section 9). */
static GBytes *copy_of(GBytes *bytes)
{
    gsize size = 0;
    const void *data = g_bytes_get_data(bytes, &size);

    return g_bytes_new(data, size);
}

static Outcome *outcome_of(const Forward *forward)
{
    Outcome *outcome = outcome_new(forward->target_id);

    memcpy(outcome->source_id, forward->source_id, sizeof outcome->source_id);
    outcome->is_logged = forward->is_logged;
    outcome->method = g_strdup(forward->method);
    outcome->target_name = g_strdup(forward->target_name);
    outcome->request = forward->is_logged ? copy_of(forward->body) : NULL;
    outcome->duration_ms = forward->duration_ms;
    return outcome;
}

/* The caller did something that worked. */
static void note_success(Forward *forward, Outcome *outcome)
{
    outcome->is_chat_reply = forward->is_logged && forward->is_canvas;
    if (forward->is_logged && *forward->source_id)
        org_tree_touch_activity(forward->proxy->options.tree, forward->source_id, TRUE);
}

static gint64 duration_of(gint64 duration_us)
{
    return MAX(duration_us / 1000, 1); /* the web UI takes 0 for "none" */
}

/* ---- The agent answered ---- */

static void end_answered(Forward *forward, const HttpCallResult *result)
{
    g_auto(Answer) answer = answer_of_agent(result);
    Outcome *outcome;

    forward->duration_ms = duration_of(result->head_us);
    outcome = outcome_of(forward);
    outcome->answer = answer_bytes_dup(result);
    outcome->is_answer_read = TRUE;
    outcome->is_error = result->status >= 400;
    if (!outcome->is_error)
        note_success(forward, outcome);
    forward_answer(forward, &answer);
    outcomes_put(forward->proxy->outcomes, outcome);
}

static void end_broken(Forward *forward, const HttpCallResult *result)
{
    g_auto(Answer) answer = answer_broken(result);
    Outcome *outcome;

    forward->duration_ms = duration_of(result->head_us);
    forward_answer(forward, &answer);
    if (!forward->is_logged ||
        (!result->over_limit && (result->status < 200 || result->status >= 400)))
        return;
    outcome = outcome_of(forward);
    if (result->over_limit) {
        outcome->is_error = TRUE;
        outcome->failure = g_strdup("the agent's answer is too long");
    } else {
        outcome->answer = answer_bytes_dup(result);
    }
    outcomes_put(forward->proxy->outcomes, outcome);
}

static void relays_remove(Proxy *proxy, Relay *relay)
{
    mutex_lock(&proxy->lock);
    g_ptr_array_remove_fast(proxy->relays, relay);
    mutex_unlock(&proxy->lock);
}

static void end_stream(Forward *forward, const HttpCallResult *result)
{
    gboolean is_whole = result->outcome == HTTP_CALL_ANSWERED;
    const StreamReader *reader = relay_reader(forward->relay);
    Outcome *outcome;

    relays_remove(forward->proxy, forward->relay);
    relay_end(forward->relay, !is_whole);
    forward->duration_ms = duration_of(result->head_us);
    outcome = outcome_of(forward);
    outcome->answer_json = stream_reader_answer_dup(reader);
    (void)stream_reader_usage(reader, &outcome->usage);
    if (is_whole)
        note_success(forward, outcome);
    else
        outcome->failure = failure_text_dup(result);
    outcome->is_error = !is_whole;
    outcomes_put(forward->proxy->outcomes, outcome);
}

/* ---- The agent did not answer ---- */

static void end_failed(Forward *forward)
{
    g_auto(Answer) answer =
        forward->fate == FATE_UNREACHABLE ? answer_unreachable() : answer_busy(forward->is_session);

    forward_answer(forward, &answer);
    if (forward->is_logged) {
        Outcome *outcome = outcome_of(forward);
        outcome->is_error = TRUE;
        outcome->failure = g_strdup(forward->failure);
        outcomes_put(forward->proxy->outcomes, outcome);
    }
}

static gboolean mark_offline(Proxy *proxy, const char *id, gint64 now_us, gboolean *changed,
                             GError **error)
{
    g_autoptr(DbTransaction) transaction = db_begin(proxy->options.db, error);

    if (!transaction || !store_workspace_mark_offline(proxy->options.db, id, changed, error) ||
        (*changed && !event_store(proxy->options.db, "WORKSPACE_OFFLINE", id, "{}", now_us, error)))
        return FALSE;
    return db_commit(&transaction, error);
}

/* Its container is verified dead. The reconciler knows and repairs; here its status and the event.
 */
static void note_dead(Proxy *proxy, const char *id)
{
    g_autoptr(GError) error = NULL;
    gint64 now_us = clock_now_us();
    gboolean changed = FALSE;

    if (!mark_offline(proxy, id, now_us, &changed, &error) ||
        !org_tree_refresh(proxy->options.tree, id, &error)) {
        log_warning("a dead agent could not be marked offline", LOG_TEXT("workspace", id),
                    LOG_CAUSE(error));
        return;
    }
    if (changed)
        events_announce(proxy->options.events, "WORKSPACE_OFFLINE", id, "{}", now_us);
}

/* In a worker. */
static void look_at_container(void *data)
{
    Forward *forward = data;
    Proxy *proxy = forward->proxy;

    if (proxy->options.verify_dead(forward->target_id, proxy->options.data)) {
        g_auto(Answer) answer = answer_restarting();
        note_dead(proxy, forward->target_id);
        forward_answer(forward, &answer);
    } else {
        end_failed(forward);
    }
    forward_unref(forward);
}

static gboolean needs_look(const Forward *forward, const HttpCallResult *result)
{
    const ProxyOptions *options = &forward->proxy->options;

    return !forward->is_external && result->outcome != HTTP_CALL_CANCELLED &&
           options->verify_dead && options->post;
}

/* TRUE: the forward went on to a worker. */
static gboolean fail_or_look(Forward *forward, const HttpCallResult *result)
{
    const ProxyOptions *options = &forward->proxy->options;

    forward->failure = failure_text_dup(result);
    forward->duration_ms = duration_of(result->total_us);
    forward->is_session = fate_may_queue(result->outcome) &&
                          (forwards_declared(options->forwards, forward->target_id).capabilities &
                           CAPABILITY_SESSION);
    if (needs_look(forward, result) && options->post(look_at_container, forward, options->data))
        return TRUE;
    end_failed(forward);
    return FALSE;
}

static void end_forbidden(Forward *forward, const HttpCallResult *result)
{
    g_auto(Answer) answer = answer_error(502, "the workspace's URL is not allowed");

    log_info("an agent's address was refused", LOG_TEXT("workspace", forward->target_id),
             LOG_TEXT("reason", result->reason));
    forward_answer(forward, &answer);
}

/* ---- Call-backs of the HTTP client ---- */

static gboolean on_head(HttpCall *call, guint status, const char *content_type, void *data)
{
    Forward *forward = data;
    Proxy *proxy = forward->proxy;

    if (!forward->accepts_stream || !forward->request || status < 200 || status >= 300 ||
        g_ascii_strncasecmp(content_type, "text/event-stream", strlen("text/event-stream")) != 0)
        return FALSE;
    forward->relay = relay_start(forward->request, call, status);
    mutex_lock(&proxy->lock);
    g_ptr_array_add(proxy->relays, relay_ref(forward->relay));
    condition_signal(&proxy->relayed);
    mutex_unlock(&proxy->lock);
    return TRUE;
}

static gboolean on_chunk(HttpCall *call, const char *bytes, gsize length, void *data)
{
    Forward *forward = data;

    (void)call;
    return relay_push(forward->relay, bytes, length);
}

static void forward_mark_done(Forward *forward, HttpCall *call)
{
    Proxy *proxy = forward->proxy;

    mutex_lock(&proxy->lock);
    forward->is_done = TRUE;
    forwards_remove(proxy->options.forwards, forward->target_id, call);
    mutex_unlock(&proxy->lock);
}

static void on_done(HttpCall *call, const HttpCallResult *result, void *data)
{
    Forward *forward = data;

    forward_mark_done(forward, call);
    forward->fate = fate_of(result);
    if (forward->relay) {
        end_stream(forward, result);
    } else if (forward->fate == FATE_ANSWERED) {
        end_answered(forward, result);
    } else if (forward->fate == FATE_BROKEN) {
        end_broken(forward, result);
    } else if (forward->fate == FATE_FORBIDDEN) {
        end_forbidden(forward, result);
    } else if (fail_or_look(forward, result)) {
        return;
    }
    forward_unref(forward);
}

/* ---- Starting ---- */

static guint total_timeout_ms(const Forward *forward)
{
    gint64 limit_s = forward->timeout_s > 0 ? MIN(forward->timeout_s, TIMEOUT_MAX_S) : 0;

    if (forward->has_ceiling)
        limit_s = limit_s > 0 ? MIN(limit_s, CEILING_S) : CEILING_S;
    return (guint)limit_s * 1000;
}

static guint idle_timeout_ms(const Forward *forward)
{
    const ProxyOptions *options = &forward->proxy->options;
    guint own_s = forwards_declared(options->forwards, forward->target_id).idle_timeout_s;
    guint limit_s =
        options->options.idle_timeout_s ? options->options.idle_timeout_s : IDLE_DEFAULT_S;

    return (own_s ? MIN(own_s, TIMEOUT_MAX_S) : MIN(limit_s, TIMEOUT_MAX_S)) * 1000;
}

static HttpCall *call_start(Forward *forward, GError **error)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    const ProxyOptions *options = &forward->proxy->options;
    const HttpCallSpec spec = {
        .url = forward->url,
        .headers = headers,
        .body = forward->body,
        .policy = a2a_guard_policy(&options->options),
        .trusted = forward->is_trusted,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .idle_timeout_ms = idle_timeout_ms(forward),
        .total_timeout_ms = total_timeout_ms(forward),
        .max_answer_bytes = ANSWER_MAX_BYTES,
        .head = on_head,
        .chunk = on_chunk,
        .done = on_done,
        .data = forward,
    };

    return http_client_start(options->client, &spec, error);
}

/* Makes the running call known to those who touch and cancel, unless it has ended already. */
static void forward_take_call(Forward *forward, HttpCall *call)
{
    Proxy *proxy = forward->proxy;
    gboolean is_cancelled = FALSE;

    mutex_lock(&proxy->lock);
    forward->call = call;
    if (!forward->is_done) {
        forwards_add(proxy->options.forwards, forward->target_id, call);
        is_cancelled = proxy->is_stopping; /* proxy_stop came before the call was known */
    }
    mutex_unlock(&proxy->lock);
    if (is_cancelled)
        http_call_cancel(call);
}

static void forward_start(Forward *forward)
{
    g_autoptr(GError) error = NULL;
    HttpCall *call;

    ref_take(&forward->references); /* the call's */
    forward->started_us = clock_monotonic_us();
    call = call_start(forward, &error);
    if (call) {
        atomic_fetch_add(&forward->proxy->forwarded, 1);
        org_tree_touch_activity(forward->proxy->options.tree, forward->target_id, FALSE);
        forward_take_call(forward, call);
        return;
    }
    if (!error_is(error, ERROR_BUSY))
        log_error("a call to an agent could not be made", LOG_TEXT("workspace", forward->target_id),
                  LOG_CAUSE(error));
    g_auto(Answer) answer = error_is(error, ERROR_BUSY)
                                ? answer_busy(FALSE)
                                : answer_error(500, "the request could not be made");
    forward_answer(forward, &answer);
    forward_unref(forward);
}

/* ---- Admission: the checks of spec 04 section 5.2 from step 4 on ---- */

static gboolean refuse(Answer *out, Answer answer)
{
    *out = answer;
    return FALSE;
}

/* An agent registers under the name that other containers know; until the reconciler has recorded
 * the address that this server knows, the engine is asked. */
static void correct_address(Forward *forward, const WorkspaceRow *row)
{
    const ProxyOptions *options = &forward->proxy->options;
    char *url = NULL;

    if (!forward->is_trusted || row->url_is_minted || options->options.in_container ||
        !options->find_address || !options->find_address(row->id, &url, options->data))
        return;
    g_free(forward->url);
    forward->url = url;
}

static gboolean admit_address(Forward *forward, const WorkspaceRow *row, Answer *answer)
{
    const ProxyOptions *options = &forward->proxy->options;

    switch (address_of(row, &options->options, &forward->url, &forward->is_trusted)) {
    case ADDRESS_FOUND:
        correct_address(forward, row);
        return TRUE;
    case ADDRESS_PAUSED:
        return refuse(answer, answer_not_ready("workspace is paused", "paused"));
    case ADDRESS_HIBERNATED:
        if (options->wake)
            options->wake(row->id, options->data);
        return refuse(answer, answer_waking());
    case ADDRESS_NONE:
        return refuse(answer,
                      answer_not_ready("workspace has no URL", workspace_status_name(row->status)));
    case ADDRESS_BAD:
        break;
    }
    return refuse(answer, answer_error(502, "the workspace's URL is not allowed"));
}

static gboolean admit_body(Forward *forward, const char *body, gsize length, Answer *answer)
{
    g_auto(Message) message = {0};

    if (!message_normalise(body, length, &message, NULL))
        return refuse(answer, answer_error(400, "invalid JSON"));
    forward->body = g_string_free_to_bytes(g_steal_pointer(&message.text));
    forward->method = g_steal_pointer(&message.method);
    return TRUE;
}

static gboolean admit(Forward *forward, const char *body, gsize length, Answer *answer)
{
    const ProxyOptions *options = &forward->proxy->options;
    g_autoptr(OrgNode) node = org_tree_find(options->tree, forward->target_id);
    const WorkspaceRow *row;

    if (*forward->source_id && strcmp(forward->source_id, forward->target_id) != 0 &&
        !org_tree_may_talk(options->tree, forward->source_id, forward->target_id))
        return refuse(answer, answer_error(403, "these workspaces may not talk to each other"));
    if (!node)
        return refuse(answer, answer_error(404, "workspace not found"));
    row = org_node_row(node);
    if (spend_is_over(row, clock_now_us()))
        return refuse(answer, answer_error(402, "workspace budget limit exceeded"));
    if (!admit_address(forward, row, answer) || !admit_body(forward, body, length, answer))
        return FALSE;
    forward->target_name = g_strdup(row->name);
    forward->is_external = address_is_external(row);
    if (!forward_enter(forward))
        return refuse(answer, answer_busy(FALSE));
    return TRUE;
}

static void forward_run(Forward *forward, const char *body, gsize length)
{
    g_auto(Answer) answer = {0};

    if (admit(forward, body, length, &answer))
        forward_start(forward);
    else
        forward_answer(forward, &answer);
    forward_unref(forward);
}

void proxy_forward(Proxy *proxy, HttpRequest *deferred, const ProxyCall *call)
{
    Forward *forward = forward_new(proxy, call);
    gsize length = 0;
    const char *body = http_request_body(deferred, &length);

    forward->request = deferred;
    forward_run(forward, body, length);
}

void proxy_call(Proxy *proxy, const ProxyCall *call, const char *body, gsize length, ProxyDone done,
                void *data)
{
    Forward *forward = forward_new(proxy, call);

    forward->done = done;
    forward->done_data = data;
    forward_run(forward, body, length);
}

/* ---- The pinger ---- */

static void relay_unref_item(void *relay)
{
    relay_unref(relay);
}

static GPtrArray *relays_dup_locked(Proxy *proxy) REQUIRES(proxy->lock)
{
    GPtrArray *copy = g_ptr_array_new_full(proxy->relays->len, relay_unref_item);

    for (guint i = 0; i < proxy->relays->len; i++)
        g_ptr_array_add(copy, relay_ref(proxy->relays->pdata[i]));
    return copy;
}

/* The relays under way, after a wait; NULL when the proxy stops. */
static GPtrArray *relays_wait(Proxy *proxy, gint64 interval_us)
{
    GPtrArray *relays = NULL;
    gint64 deadline_us = clock_monotonic_us() + interval_us / 4;

    mutex_lock(&proxy->lock);
    while (!proxy->is_stopping && proxy->relays->len == 0) {
        condition_wait_until(&proxy->relayed, &proxy->lock, G_MAXINT64);
        deadline_us = clock_monotonic_us() + interval_us / 4;
    }
    while (!proxy->is_stopping && condition_wait_until(&proxy->relayed, &proxy->lock, deadline_us))
        ;
    if (!proxy->is_stopping)
        relays = relays_dup_locked(proxy);
    mutex_unlock(&proxy->lock);
    return relays;
}

static void ping_streams(void *data)
{
    Proxy *proxy = data;
    gint64 interval_us = (gint64)proxy->options.stream_ping_ms * 1000;
    GPtrArray *relays;

    while ((relays = relays_wait(proxy, interval_us))) {
        gint64 now_us = clock_monotonic_us();
        for (guint i = 0; i < relays->len; i++)
            relay_ping(relays->pdata[i], now_us, interval_us);
        g_ptr_array_unref(relays);
    }
}

/* ---- Start and end ---- */

Proxy *proxy_new(const ProxyOptions *options)
{
    Proxy *proxy = g_new0(Proxy, 1);
    guint expected =
        options->options.max_forwards ? options->options.max_forwards : MAX_FORWARDS_DEFAULT;

    proxy->options = *options;
    if (!proxy->options.stream_ping_ms)
        proxy->options.stream_ping_ms = STREAM_PING_DEFAULT_MS;
    mutex_init(&proxy->lock);
    condition_init(&proxy->left);
    condition_init(&proxy->relayed);
    proxy->forwards = g_hash_table_new(NULL, NULL);
    proxy->relays = g_ptr_array_new_with_free_func(relay_unref_item);
    proxy->outcomes = outcomes_new(options->db, options->tree, options->events, expected);
    proxy->pinger = thread_start("a2a-pinger", ping_streams, proxy);
    return proxy;
}

/* References to all running calls. */
static GPtrArray *calls_dup_locked(Proxy *proxy) REQUIRES(proxy->lock)
{
    GPtrArray *calls = g_ptr_array_new();
    GHashTableIter iter;
    void *key;

    g_hash_table_iter_init(&iter, proxy->forwards);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        const Forward *forward = key;
        if (forward->call && !forward->is_done)
            g_ptr_array_add(calls, http_call_ref(forward->call));
    }
    return calls;
}

static void forwards_cancel_all(Proxy *proxy)
{
    GPtrArray *calls;

    mutex_lock(&proxy->lock);
    proxy->is_stopping = TRUE;
    condition_broadcast(&proxy->relayed);
    calls = calls_dup_locked(proxy);
    mutex_unlock(&proxy->lock);
    for (guint i = 0; i < calls->len; i++) {
        http_call_cancel(calls->pdata[i]);
        http_call_unref(calls->pdata[i]);
    }
    g_ptr_array_unref(calls);
}

void proxy_stop(Proxy *proxy)
{
    forwards_cancel_all(proxy);
    mutex_lock(&proxy->lock);
    while (proxy->active > 0)
        condition_wait_until(&proxy->left, &proxy->lock, G_MAXINT64);
    mutex_unlock(&proxy->lock);
    thread_join(g_steal_pointer(&proxy->pinger));
    outcomes_stop(proxy->outcomes);
}

void proxy_free(Proxy *proxy)
{
    if (!proxy)
        return;
    proxy_stop(proxy);
    outcomes_free(proxy->outcomes);
    g_hash_table_unref(proxy->forwards);
    g_ptr_array_unref(proxy->relays);
    condition_clear(&proxy->left);
    condition_clear(&proxy->relayed);
    mutex_clear(&proxy->lock);
    g_free(proxy);
}

void proxy_stats(Proxy *proxy, ProxyStats *stats)
{
    *stats = (ProxyStats){
        .active = forwards_active(proxy->options.forwards),
        .unwritten = outcomes_waiting(proxy->outcomes),
        .refused = forwards_refused(proxy->options.forwards) + atomic_load(&proxy->crowded),
        .forwarded = atomic_load(&proxy->forwarded),
        .writer_tick_us = outcomes_tick_us(proxy->outcomes),
    };
}
