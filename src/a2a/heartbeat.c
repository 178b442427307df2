#include "a2a/heartbeat.h"

#include "base/json_out.h"

#define DEGRADED_FROM   0.5 /* error rate; spec 04, 7.3, rows 2 and 3 */
#define RECOVERED_BELOW 0.1

static HeartbeatDecision recovered(const char *from)
{
    return (HeartbeatDecision){TRUE, WORKSPACE_ONLINE, HEARTBEAT_RECOVERED, from};
}

/* Rows 1 and 2 together give one event (F45). A target that manages its status itself is judged by
 * row 1 alone. */
static HeartbeatDecision decide_online(const HeartbeatBody *body)
{
    gboolean is_self_managed = body->declared.capabilities & CAPABILITY_STATUS_MGMT;

    if (body->wedged)
        return (HeartbeatDecision){TRUE, WORKSPACE_DEGRADED, HEARTBEAT_WEDGED, NULL};
    if (!is_self_managed && body->error_rate >= DEGRADED_FROM)
        return (HeartbeatDecision){TRUE, WORKSPACE_DEGRADED, HEARTBEAT_ERRORS, NULL};
    return (HeartbeatDecision){.event = HEARTBEAT_NO_EVENT};
}

static HeartbeatDecision decide_degraded(const HeartbeatBody *body)
{
    gboolean is_self_managed = body->declared.capabilities & CAPABILITY_STATUS_MGMT;

    if (!is_self_managed && !body->has_runtime_state && body->error_rate < RECOVERED_BELOW)
        return recovered(NULL);
    return (HeartbeatDecision){.event = HEARTBEAT_NO_EVENT};
}

HeartbeatDecision heartbeat_decide(WorkspaceStatus status, gboolean fails_check,
                                   const HeartbeatBody *body)
{
    switch (status) {
    case WORKSPACE_ONLINE:
        return decide_online(body);
    case WORKSPACE_DEGRADED:
        if (!fails_check)
            return decide_degraded(body);
        break;
    case WORKSPACE_OFFLINE:
        return recovered(NULL);
    case WORKSPACE_PROVISIONING:
        return recovered("provisioning");
    case WORKSPACE_FAILED:
        return recovered("failed"); /* F47 */
    case WORKSPACE_REMOVED:
    case WORKSPACE_PAUSED:
    case WORKSPACE_HIBERNATED:
    case WORKSPACE_HIBERNATING:
    case WORKSPACE_AWAITING_AGENT: /* has no address before it registers */
        break;
    }
    return (HeartbeatDecision){.event = HEARTBEAT_NO_EVENT};
}

const char *heartbeat_event_type(const HeartbeatDecision *decision)
{
    switch (decision->event) {
    case HEARTBEAT_WEDGED:
    case HEARTBEAT_ERRORS:
        return "WORKSPACE_DEGRADED";
    case HEARTBEAT_RECOVERED:
        return "WORKSPACE_ONLINE";
    case HEARTBEAT_NO_EVENT:
        break;
    }
    return NULL;
}

char *heartbeat_event_payload_dup(const HeartbeatDecision *decision, const HeartbeatBody *body)
{
    GString *payload = g_string_new(NULL);
    JsonOut out = json_out_start(payload);

    json_out_object(&out, NULL);
    if (decision->event == HEARTBEAT_WEDGED)
        json_out_text(&out, "runtime_state", "wedged");
    if (decision->event == HEARTBEAT_ERRORS)
        json_out_double(&out, "error_rate", body->error_rate);
    if (decision->event == HEARTBEAT_WEDGED || decision->event == HEARTBEAT_ERRORS)
        json_out_text(&out, "sample_error", body->sample_error ? body->sample_error : "");
    if (decision->recovered_from)
        json_out_text(&out, "recovered_from", decision->recovered_from);
    json_out_end(&out);
    return g_string_free(payload, FALSE);
}
