/* Before a forward starts: the checks, and where it waits when its agent sleeps. */
#include "a2a/address.h"
#include "a2a/message.h"
#include "a2a/proxy_internal.h"
#include "base/clock.h"
#include "org/spend.h"

#include <string.h>

/* ---- Admission: the checks of spec 04 section 5.2 from step 4 on ---- */

typedef enum { ADMITTED, REFUSED, ASLEEP } Admission;

static Admission refuse(Answer *out, Answer answer)
{
    *out = answer;
    return REFUSED;
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

/* Others wait for it already: it was woken, and its agent is not there yet, with an address or
 * without. */
static gboolean is_being_woken(const Forward *forward, const WorkspaceRow *row)
{
    return row->status == WORKSPACE_PROVISIONING && !address_is_external(row) &&
           parking_has(forward->proxy->parking, row->id);
}

static Admission admit_address(Forward *forward, const WorkspaceRow *row, Answer *answer)
{
    const ProxyOptions *options = &forward->proxy->options;

    if (is_being_woken(forward, row))
        return ASLEEP;
    switch (address_of(row, &options->options, &forward->url, &forward->is_trusted)) {
    case ADDRESS_FOUND:
        correct_address(forward, row);
        return ADMITTED;
    case ADDRESS_PAUSED:
        return refuse(answer, answer_not_ready("workspace is paused", "paused"));
    case ADDRESS_HIBERNATED:
        return ASLEEP;
    case ADDRESS_NONE:
        return refuse(answer,
                      answer_not_ready("workspace has no URL", workspace_status_name(row->status)));
    case ADDRESS_BAD:
        break;
    }
    return refuse(answer, answer_error(502, "the workspace's URL is not allowed"));
}

static gboolean take_body(Forward *forward, const char *body, gsize length)
{
    g_auto(Message) message = {0};

    if (!message_normalise(body, length, &message, NULL))
        return FALSE;
    forward->body = g_string_free_to_bytes(g_steal_pointer(&message.text));
    forward->method = g_steal_pointer(&message.method);
    return TRUE;
}

/* One that was parked brings its body along. */
static Admission admit(Forward *forward, const char *body, gsize length, Answer *answer)
{
    const ProxyOptions *options = &forward->proxy->options;
    g_autoptr(OrgNode) node = org_tree_find(options->tree, forward->target_id);
    Admission admission = REFUSED;
    const WorkspaceRow *row;

    if (*forward->source_id && strcmp(forward->source_id, forward->target_id) != 0 &&
        !org_tree_may_talk(options->tree, forward->source_id, forward->target_id))
        return refuse(answer, answer_error(403, "these workspaces may not talk to each other"));
    if (!node)
        return refuse(answer, answer_error(404, "workspace not found"));
    row = org_node_row(node);
    if (spend_is_over(row, clock_now_us()))
        return refuse(answer, answer_error(402, "workspace budget limit exceeded"));
    admission = admit_address(forward, row, answer);
    if (admission == REFUSED)
        return REFUSED;
    if (!forward->body && !take_body(forward, body, length))
        return refuse(answer, answer_error(400, "invalid JSON"));
    if (admission == ASLEEP)
        return ASLEEP;
    forward->target_name = g_strdup(row->name);
    forward->is_external = address_is_external(row);
    return forward_enter(forward) ? ADMITTED : refuse(answer, answer_busy(FALSE));
}

/* ---- Waiting for a workspace that sleeps ---- */

static void wake(Proxy *proxy, const char *id)
{
    if (proxy->options.wake)
        proxy->options.wake(id, proxy->options.data);
}

static gint64 patience_us(const Forward *forward)
{
    gint64 patience_us = (gint64)forward->proxy->options.wake_patience_ms * 1000;

    return forward->timeout_s > 0 ? MIN(patience_us, forward->timeout_s * CLOCK_SECOND_US)
                                  : patience_us;
}

/* From its first parking to its end the proxy cannot stop without it. */
static gboolean become_visitor(Forward *forward)
{
    Proxy *proxy = forward->proxy;

    if (forward->is_visitor)
        return TRUE;
    mutex_lock(&proxy->lock);
    forward->is_visitor = !proxy->is_stopping;
    proxy->visits += forward->is_visitor;
    mutex_unlock(&proxy->lock);
    return forward->is_visitor;
}

/* An external one keeps its address and is called at once. */
static gboolean still_sleeps(Proxy *proxy, const char *id)
{
    g_autoptr(OrgNode) node = org_tree_find(proxy->options.tree, id);
    const WorkspaceRow *row = node ? org_node_row(node) : NULL;

    return row && (row->status == WORKSPACE_HIBERNATING || row->status == WORKSPACE_HIBERNATED ||
                   (row->status == WORKSPACE_PROVISIONING && !address_is_external(row)));
}

/* TRUE: it is the parking's now. What was decided before it stood there is looked at again. */
static gboolean park(Forward *forward)
{
    Proxy *proxy = forward->proxy;
    gboolean is_first = !parking_has(proxy->parking, forward->target_id);
    char id[ID_SIZE];

    memcpy(id, forward->target_id, ID_SIZE);
    if (forward->parked_until_us == 0)
        forward->parked_until_us = clock_monotonic_us() + patience_us(forward);
    if (!proxy->options.post || forward->parked_until_us <= clock_monotonic_us() ||
        !become_visitor(forward) ||
        !parking_enter(proxy->parking, id, forward, forward->parked_until_us)) {
        wake(proxy, id);
        return FALSE;
    }
    if (is_first)
        wake(proxy, id);
    if (!still_sleeps(proxy, id))
        parking_decide(proxy->parking, id);
    return TRUE;
}

/* ---- Going on ---- */

/* Takes the starter's reference. */
static void forward_run(Forward *forward, const char *body, gsize length)
{
    g_auto(Answer) answer = {0};

    switch (admit(forward, body, length, &answer)) {
    case ADMITTED:
        forward_start(forward);
        break;
    case ASLEEP:
        if (park(forward))
            return;
        answer = answer_waking();
        forward_answer(forward, &answer);
        break;
    case REFUSED:
        forward_answer(forward, &answer);
        break;
    }
    forward_unref(forward);
}

static void run_again(void *data)
{
    forward_run(data, NULL, 0);
}

gboolean admission_has_left(const void *data)
{
    const Forward *forward = data;

    return forward->request && http_request_client_gone(forward->request);
}

void admission_release(void *data, ParkingEnd end, void *proxy)
{
    const ProxyOptions *options = &((Proxy *)proxy)->options;
    g_auto(Answer) answer = {0};

    if (end == PARKING_DECIDED && admission_has_left(data))
        end = PARKING_LEFT;
    if (end == PARKING_DECIDED && options->post(run_again, data, options->data))
        return;
    answer = end == PARKING_EXPIRED || end == PARKING_LEFT ? answer_waking() : answer_busy(FALSE);
    forward_answer(data, &answer);
    forward_unref(data);
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
