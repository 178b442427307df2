/* One forward under way: its life, its call, its ends. */
#include "a2a/address.h"
#include "a2a/message.h"
#include "a2a/proxy_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/workspaces.h"

#include <string.h>

#define CEILING_S          (30 * 60) /* spec 04, 5.8 */
#define TIMEOUT_MAX_S      (24 * 60 * 60)
#define IDLE_DEFAULT_S     300
#define CONNECT_TIMEOUT_MS (30 * 1000)
#define ANSWER_MAX_BYTES   (10 * 1024 * 1024)

/* ---- A forward's life ---- */

gboolean proxy_caller_is_reserved(const char *caller_id)
{
    static const char *const prefixes[] = {"webhook:", "system:", "test:", "channel:"};

    for (guint i = 0; i < G_N_ELEMENTS(prefixes); i++)
        if (g_str_has_prefix(caller_id, prefixes[i]))
            return TRUE;
    return FALSE;
}

Forward *forward_new(Proxy *proxy, const ProxyCall *call)
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

gboolean forward_enter(Forward *forward)
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

/* From the end of this on the proxy may be gone. */
static void leave(Proxy *proxy, gboolean had_place, gboolean was_visitor)
{
    if (had_place)
        forwards_leave(proxy->options.forwards);
    if (!had_place && !was_visitor)
        return;
    mutex_lock(&proxy->lock);
    proxy->active -= had_place ? 1 : 0;
    proxy->visits -= was_visitor ? 1 : 0;
    condition_broadcast(&proxy->left);
    mutex_unlock(&proxy->lock);
}

void forward_unref(Forward *forward)
{
    Proxy *proxy = forward->proxy;
    gboolean has_place = forward->has_place, is_visitor = forward->is_visitor;

    if (!ref_drop(&forward->references))
        return;
    if (has_place) {
        mutex_lock(&proxy->lock);
        g_hash_table_remove(proxy->forwards, forward);
        mutex_unlock(&proxy->lock);
    }
    forward_free(forward);
    leave(proxy, has_place, is_visitor);
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

void forward_answer(Forward *forward, const Answer *answer)
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

/* Its workspace may have gone to sleep between the check and now. Who puts it to sleep looks for
 * calls after that shows in the tree, and here the call is known before the tree is asked: one of
 * the two sees the other. */
static void wake_if_asleep(Forward *forward)
{
    const ProxyOptions *options = &forward->proxy->options;
    g_autoptr(OrgNode) node = org_tree_find(options->tree, forward->target_id);
    WorkspaceStatus status = node ? org_node_row(node)->status : WORKSPACE_REMOVED;

    if (options->wake && (status == WORKSPACE_HIBERNATING || status == WORKSPACE_HIBERNATED))
        options->wake(forward->target_id, options->data);
}

void forward_start(Forward *forward)
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
        wake_if_asleep(forward);
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
