/* Decodes the bodies of the registry's and discovery's routes into their structs. */
#include "a2a/body_fields.h"
#include "a2a/discovery.h"
#include "a2a/registry.h"

#include <string.h>

#define TEXT_MAX_BYTES      8192 /* sample_error, current_task: spec 04, F52 */
#define COUNT_MAX           G_MAXINT32
#define SPEND_MAX_CENTS     G_GINT64_CONSTANT(1000000000000) /* spec 04, 7.2 */
#define IDLE_OVERRIDE_MAX_S (24 * 60 * 60)

/* ---- register ---- */

void register_body_clear(RegisterBody *body)
{
    g_clear_pointer(&body->url, g_free);
    g_clear_pointer(&body->agent_card, g_free);
}

gboolean register_body_decode(const char *body, gsize length, RegisterBody *out, GError **error)
{
    g_auto(RegisterBody) decoded = {0};
    JsonView object;

    if (!body_parse(body, length, &object, error) || !body_id(object, "id", decoded.id, error) ||
        !body_text(object, "url", BODY_REQUIRED, 0, &decoded.url, error) ||
        !body_json(object, "agent_card", &decoded.agent_card, error))
        return FALSE;
    *out = decoded;
    decoded = (RegisterBody){0};
    return TRUE;
}

/* ---- heartbeat ---- */

void heartbeat_body_clear(HeartbeatBody *body)
{
    g_clear_pointer(&body->sample_error, g_free);
    g_clear_pointer(&body->current_task, g_free);
}

static gboolean decode_runtime_state(JsonView object, HeartbeatBody *out, GError **error)
{
    JsonView state;

    if (!body_member(object, "runtime_state", &state))
        return TRUE;
    if (json_view_kind(state) != JSON_KIND_TEXT)
        return error_set(error, ERROR_INVALID, "runtime_state must be a string");
    out->has_runtime_state = !json_view_text_is(state, "", JSON_KEYS_EXACT);
    out->wedged = json_view_text_is(state, "wedged", JSON_KEYS_EXACT);
    return TRUE;
}

static guint capability_bit(JsonView key)
{
    static const struct {
        const char *name;
        guint bit;
    } known[] = {
        {"heartbeat", CAPABILITY_HEARTBEAT},
        {"scheduler", CAPABILITY_SCHEDULER},
        {"session", CAPABILITY_SESSION},
        {"status_mgmt", CAPABILITY_STATUS_MGMT},
        {"retry", CAPABILITY_RETRY},
        {"activity_decoration", CAPABILITY_ACTIVITY_DECORATION},
        {"channel_dispatch", CAPABILITY_CHANNEL_DISPATCH},
    };

    for (guint i = 0; i < G_N_ELEMENTS(known); i++)
        if (json_view_text_is(key, known[i].name, JSON_KEYS_EXACT))
            return known[i].bit;
    return 0;
}

static gboolean decode_capabilities(JsonView metadata, Declared *declared, GError **error)
{
    JsonView capabilities;
    JsonWalk walk;

    if (!body_member(metadata, "capabilities", &capabilities))
        return TRUE;
    if (json_view_kind(capabilities) != JSON_KIND_OBJECT)
        return error_set(error, ERROR_INVALID, "capabilities must be an object");
    walk = json_view_walk(capabilities);
    while (json_walk_next(&walk)) {
        gboolean has = FALSE;
        if (!json_view_is_null(walk.value) && !json_view_bool(walk.value, &has))
            return error_set(error, ERROR_INVALID, "each of capabilities must be true or false");
        if (has)
            declared->capabilities |= capability_bit(walk.key);
        else
            declared->capabilities &= ~capability_bit(walk.key);
    }
    return TRUE;
}

static gboolean decode_metadata(JsonView object, Declared *declared, GError **error)
{
    JsonView metadata;
    gint64 idle_timeout_s = 0;

    if (!body_member(object, "runtime_metadata", &metadata))
        return TRUE;
    if (json_view_kind(metadata) != JSON_KIND_OBJECT)
        return error_set(error, ERROR_INVALID, "runtime_metadata must be an object");
    if (!decode_capabilities(metadata, declared, error) ||
        !body_int(metadata, "idle_timeout_seconds", &idle_timeout_s, error))
        return FALSE;
    declared->idle_timeout_s = (guint)CLAMP(idle_timeout_s, 0, IDLE_OVERRIDE_MAX_S);
    return TRUE;
}

static gboolean decode_numbers(JsonView object, HeartbeatBody *out, GError **error)
{
    if (!body_double(object, "error_rate", &out->error_rate, error) ||
        !body_int(object, "active_tasks", &out->active_tasks, error) ||
        !body_int(object, "uptime_seconds", &out->uptime_seconds, error) ||
        !body_int(object, "monthly_spend", &out->monthly_spend, error))
        return FALSE;
    out->active_tasks = CLAMP(out->active_tasks, 0, COUNT_MAX);
    out->uptime_seconds = CLAMP(out->uptime_seconds, 0, COUNT_MAX);
    out->monthly_spend = CLAMP(out->monthly_spend, 0, SPEND_MAX_CENTS);
    return TRUE;
}

gboolean heartbeat_body_decode(const char *body, gsize length, HeartbeatBody *out, GError **error)
{
    g_auto(HeartbeatBody) decoded = {0};
    JsonView object;

    if (!body_parse(body, length, &object, error) ||
        !body_id(object, "workspace_id", decoded.workspace_id, error) ||
        !body_text(object, "sample_error", BODY_OPTIONAL, TEXT_MAX_BYTES, &decoded.sample_error,
                   error) ||
        !body_text(object, "current_task", BODY_OPTIONAL, TEXT_MAX_BYTES, &decoded.current_task,
                   error) ||
        !decode_numbers(object, &decoded, error) ||
        !decode_runtime_state(object, &decoded, error) ||
        !decode_metadata(object, &decoded.declared, error))
        return FALSE;
    *out = decoded;
    decoded = (HeartbeatBody){0};
    return TRUE;
}

/* ---- update-card ---- */

void card_body_clear(CardBody *body)
{
    g_clear_pointer(&body->agent_card, g_free);
}

gboolean card_body_decode(const char *body, gsize length, CardBody *out, GError **error)
{
    g_auto(CardBody) decoded = {0};
    JsonView object;

    if (!body_parse(body, length, &object, error) ||
        !body_id(object, "workspace_id", decoded.workspace_id, error) ||
        !body_json(object, "agent_card", &decoded.agent_card, error))
        return FALSE;
    *out = decoded;
    decoded = (CardBody){0};
    return TRUE;
}

/* ---- check-access ---- */

void access_body_clear(AccessBody *body)
{
    g_clear_pointer(&body->caller_id, g_free);
    g_clear_pointer(&body->target_id, g_free);
}

gboolean access_body_decode(const char *body, gsize length, AccessBody *out, GError **error)
{
    g_auto(AccessBody) decoded = {0};
    JsonView object;

    if (!body_parse(body, length, &object, error) ||
        !body_text(object, "caller_id", BODY_REQUIRED, 0, &decoded.caller_id, error) ||
        !body_text(object, "target_id", BODY_REQUIRED, 0, &decoded.target_id, error))
        return FALSE;
    *out = decoded;
    decoded = (AccessBody){0};
    return TRUE;
}
