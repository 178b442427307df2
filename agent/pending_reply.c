#include "pending_reply.h"

#include "a2a_message.h"
#include "memory.h"
#include "utf8_boundary.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES  65536 /* of the answer in one event, and about what is under way at once */
#define PING_SECONDS 15    /* ARCHITECTURE D20: at least every 20 */

struct PendingReply {
    TaskWatcher watcher; /* first, so that a watcher is a reply */
    A2aAgent *agent;
    struct evhttp_request *request;
    json_t *rpc_id;
    Task *task; /* a reference */
    bool with_history;
    ReplyKind kind;
    PendingReply *next;

    /* For streams. */
    bool is_stream;
    bool is_sending; /* the last piece has not left yet */
    bool has_sent_task;
    bool has_sent_piece;
    bool has_sent_last;
    size_t sent_bytes;
    struct event *ping;
};

static void on_closed(struct evhttp_connection *connection, void *argument);

static PendingReply *reply_new(A2aAgent *agent, struct evhttp_request *request, json_t *rpc_id,
                               Task *task)
{
    PendingReply *reply = memory_new(sizeof *reply);

    reply->agent = agent;
    reply->request = request;
    reply->rpc_id = json_incref(rpc_id);
    reply->task = task_ref(task);
    reply->next = agent->pending;
    agent->pending = reply;
    task_watch(task, &reply->watcher);
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_closed, reply);
    return reply;
}

/* Forgets a client; the request must have been answered or given up. */
static void reply_free(PendingReply *reply)
{
    PendingReply **link = &reply->agent->pending;

    while (*link != reply)
        link = &(*link)->next;
    *link = reply->next;
    task_unwatch(reply->task, &reply->watcher);
    task_unref(reply->task);
    json_decref(reply->rpc_id);
    if (reply->ping != NULL)
        event_free(reply->ping);
    free(reply);
}

/* The client is gone. libevent has parted the request from its connection and leaves it to us;
 * "sending" on it then only frees it. */
static void on_closed(struct evhttp_connection *connection, void *argument)
{
    PendingReply *reply = argument;
    (void)connection;

    evhttp_send_reply_end(reply->request);
    reply_free(reply);
}

/* From here on the connection is libevent's again, for the client's next request. */
static struct evhttp_request *release_request(PendingReply *reply)
{
    evhttp_connection_set_closecb(evhttp_request_get_connection(reply->request), NULL, NULL);
    return reply->request;
}

/* One answer at the end */

json_t *pending_reply_result(const Task *task, ReplyKind kind, bool with_history)
{
    if (kind == REPLY_ANSWER && task->state == TASK_COMPLETED)
        return a2a_answer_message(task);
    return a2a_task(task, with_history);
}

static void send_result(PendingReply *reply)
{
    json_t *result = pending_reply_result(reply->task, reply->kind, reply->with_history);

    a2a_reply_json(release_request(reply), HTTP_OK, rpc_result(reply->rpc_id, result));
    reply_free(reply);
}

static void on_task_changed(TaskWatcher *watcher, Task *task)
{
    if (task_is_finished(task))
        send_result((PendingReply *)watcher);
}

void pending_reply_start(A2aAgent *agent, struct evhttp_request *request, json_t *rpc_id,
                         Task *task, ReplyKind kind, bool with_history)
{
    PendingReply *reply = reply_new(agent, request, rpc_id, task);

    reply->kind = kind;
    reply->with_history = with_history;
    reply->watcher.changed = on_task_changed;
    on_task_changed(&reply->watcher, task);
}

/* Streams */

static void add_event(PendingReply *reply, struct evbuffer *out, json_t *result)
{
    json_auto_t *envelope = rpc_result(reply->rpc_id, result);
    AUTO_FREE char *text = json_dumps(envelope, JSON_COMPACT);

    evbuffer_add_printf(out, "data: ");
    evbuffer_add(out, text, strlen(text));
    evbuffer_add_printf(out, "\n\n");
}

static void add_piece(PendingReply *reply, struct evbuffer *out)
{
    const Task *task = reply->task;
    const char *text = text_buffer_get(&task->answer) + reply->sent_bytes;
    size_t rest = task->answer.length - reply->sent_bytes;
    size_t length = utf8_boundary(text, rest, PIECE_BYTES);

    reply->has_sent_last = task_is_finished(task) && length == rest;
    add_event(reply, out,
              a2a_artifact_update(task, text, length, reply->has_sent_piece, reply->has_sent_last));
    reply->has_sent_piece = true;
    reply->sent_bytes += length;
}

/* Adds what is to be said now, about one piece's worth. True: it was the end of the stream. */
static bool add_events(PendingReply *reply, struct evbuffer *out)
{
    const Task *task = reply->task;
    bool is_finished = task_is_finished(task);

    if (!reply->has_sent_task) {
        reply->has_sent_task = true;
        add_event(reply, out, a2a_task_begun(task, reply->with_history));
    }
    bool wants_last = is_finished && !reply->has_sent_last &&
                      (task->state == TASK_COMPLETED || reply->has_sent_piece);
    if (reply->sent_bytes < task->answer.length || wants_last)
        add_piece(reply, out);
    if (!is_finished || reply->sent_bytes < task->answer.length)
        return false;
    add_event(reply, out, a2a_final_status_update(task));
    return true;
}

static void pump(PendingReply *reply);

static void on_sent(struct evhttp_connection *connection, void *argument)
{
    PendingReply *reply = argument;
    (void)connection;

    reply->is_sending = false;
    pump(reply);
}

static void send_more(PendingReply *reply, struct evbuffer *out)
{
    reply->is_sending = true;
    evhttp_send_reply_chunk_with_cb(reply->request, out, on_sent, reply);
}

/* Sends what is new, unless something is still under way: on_sent() then comes back here. */
static void pump(PendingReply *reply)
{
    if (reply->is_sending)
        return;
    struct evbuffer *out = evbuffer_new();
    if (add_events(reply, out)) {
        struct evhttp_request *request = release_request(reply);
        evhttp_send_reply_chunk(request, out);
        evhttp_send_reply_end(request);
        reply_free(reply);
    } else if (evbuffer_get_length(out) > 0) {
        send_more(reply, out);
    }
    evbuffer_free(out);
}

static void on_stream_changed(TaskWatcher *watcher, Task *task)
{
    (void)task;
    pump((PendingReply *)watcher);
}

/* A comment keeps connections open on the way, and shows us a client that is gone. */
static void on_ping(evutil_socket_t descriptor, short what, void *argument)
{
    PendingReply *reply = argument;
    (void)descriptor;
    (void)what;

    if (reply->is_sending)
        return;
    struct evbuffer *out = evbuffer_new();
    evbuffer_add_printf(out, ": ping\n\n");
    send_more(reply, out);
    evbuffer_free(out);
}

void pending_stream_start(A2aAgent *agent, struct evhttp_request *request, json_t *rpc_id,
                          Task *task, bool with_history)
{
    const struct timeval period = {.tv_sec = PING_SECONDS};
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    PendingReply *reply = reply_new(agent, request, rpc_id, task);

    reply->is_stream = true;
    reply->with_history = with_history;
    reply->watcher.changed = on_stream_changed;
    reply->ping = event_new(agent->base, -1, EV_PERSIST, on_ping, reply);
    event_add(reply->ping, &period);
    evhttp_add_header(headers, "Content-Type", "text/event-stream");
    evhttp_add_header(headers, "Cache-Control", "no-cache");
    evhttp_send_reply_start(request, HTTP_OK, "OK");
    pump(reply);
}

static void end_stream(PendingReply *reply)
{
    struct evhttp_request *request = release_request(reply);

    evhttp_send_reply_end(request);
    reply_free(reply);
}

void pending_reply_end_all(A2aAgent *agent)
{
    PendingReply *next;

    for (PendingReply *reply = agent->pending; reply != NULL; reply = next) {
        next = reply->next;
        if (reply->is_stream)
            end_stream(reply);
        else
            send_result(reply);
    }
}
