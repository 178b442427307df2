/* POST /workspaces. Source: spec 01 section 5, 20.4. */
#include "a2a/body_fields.h"
#include "api/fields.h"
#include "api/handlers.h"
#include "http/guard.h"

#include <stddef.h>

typedef struct {
    WorkspaceOrder order;
    JsonView canvas;
} CreateBody;

#define ORDER(field_) offsetof(CreateBody, order.field_)

static const Field create_fields[] = {
    {"name", FIELD_TEXT, ORDER(name), TRUE},
    {"role", FIELD_TEXT, ORDER(role), FALSE},
    {"model", FIELD_TEXT, ORDER(model), FALSE},
    {"runtime", FIELD_TEXT, ORDER(runtime), FALSE},
    {"template", FIELD_TEXT, ORDER(template_name), FALSE},
    {"tier", FIELD_INT, ORDER(tier), FALSE},
    {"external", FIELD_BOOL, ORDER(external), FALSE},
    {"url", FIELD_TEXT, ORDER(url), FALSE},
    {"workspace_dir", FIELD_TEXT, ORDER(workspace_dir), FALSE},
    {"workspace_access", FIELD_TEXT, ORDER(workspace_access), FALSE},
    {"parent_id", FIELD_ID, ORDER(parent_id), FALSE},
    {"budget_limit", FIELD_INT, ORDER(budget_limit), FALSE},
    {"max_concurrent_tasks", FIELD_INT, ORDER(max_concurrent_tasks), FALSE},
    {"secrets", FIELD_OBJECT, ORDER(secrets), FALSE},
    {"initial_memories", FIELD_ARRAY, ORDER(initial_memories), FALSE},
    {"canvas", FIELD_OBJECT, offsetof(CreateBody, canvas), FALSE},
    {"image", FIELD_TEXT, ORDER(image), FALSE},
    {"executor", FIELD_TEXT, ORDER(executor), FALSE},
    {"command", FIELD_TEXT, ORDER(command), FALSE},
};

static void create_body_clear(CreateBody *body)
{
    workspace_order_clear(&body->order);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CreateBody, create_body_clear)

static gboolean decode(ApiCall *call, CreateBody *body, GError **error)
{
    gsize length = 0;
    const char *text = http_request_body(call->request, &length);

    if (!fields_decode(text, length, create_fields, G_N_ELEMENTS(create_fields), body, error))
        return FALSE;
    if (body->order.budget_limit == -1) /* given as such; absent is -2 here */
        return error_set(error, ERROR_INVALID, "budget_limit must not be negative");
    if (body->order.budget_limit == -2)
        body->order.budget_limit = -1;
    if (!body->canvas.start)
        return TRUE;
    return body_double(body->canvas, "x", &body->order.x, error) &&
           body_double(body->canvas, "y", &body->order.y, error);
}

/* An address given by hand is called by the server later, so it passes the same guard as one that
 * an agent registers. */
static gboolean check_url(ApiCall *call, const WorkspaceOrder *order, GError **error)
{
    if (!order->url || !(order->external || g_strcmp0(order->runtime, RUNTIME_EXTERNAL) == 0))
        return TRUE;
    return guard_url_check(order->url, a2a_guard_policy(call->api->a2a), error);
}

/* ---- The answer of a workspace that waits for its agent ---- */

static char *public_url(const ApiCall *call)
{
    const char *host = http_request_header(call->request, "X-Forwarded-Host");
    const char *scheme = http_request_header(call->request, "X-Forwarded-Proto");

    if (call->api->config->external_platform_url)
        return g_strdup(call->api->config->external_platform_url);
    if (!host)
        host = http_request_header(call->request, "Host");
    return g_strdup_printf("%s://%s", scheme && *scheme ? scheme : "http",
                           host ? host : "localhost");
}

static void write_connection(ApiCall *call, JsonOut *out, const WorkspaceCreated *created)
{
    g_autofree char *url = public_url(call);
    g_autofree char *registry = g_strconcat(url, "/registry/register", NULL);
    g_autofree char *heartbeat = g_strconcat(url, "/registry/heartbeat", NULL);
    g_autofree char *curl = g_strdup_printf(
        "curl -X POST %s -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' "
        "-d "
        "'{\"id\":\"%s\",\"url\":\"https://YOUR-AGENT\",\"agent_card\":{\"name\":\"YOUR-AGENT\"}}'",
        registry, created->token, created->id);
    g_autofree char *python =
        g_strdup_printf("import requests\n"
                        "requests.post(\"%s\", headers={\"Authorization\": \"Bearer %s\"}, json={\n"
                        "    \"id\": \"%s\", \"url\": \"https://YOUR-AGENT\", \"agent_card\": "
                        "{\"name\": \"YOUR-AGENT\"}})\n",
                        registry, created->token, created->id);

    json_out_object(out, "connection");
    json_out_text(out, "workspace_id", created->id);
    json_out_text(out, "platform_url", url);
    json_out_text(out, "auth_token", created->token);
    json_out_text(out, "registry_endpoint", registry);
    json_out_text(out, "heartbeat_endpoint", heartbeat);
    json_out_text(out, "curl_register_template", curl);
    json_out_text(out, "python_snippet", python);
    json_out_end(out);
}

static GString *describe(ApiCall *call, const WorkspaceCreated *created)
{
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    json_out_object(&out, NULL);
    json_out_text(&out, "id", created->id);
    json_out_text(&out, "status", workspace_status_name(created->status));
    if (created->external) {
        json_out_bool(&out, "external", TRUE);
        if (created->status == WORKSPACE_AWAITING_AGENT)
            write_connection(call, &out, created);
    } else {
        json_out_text(&out, "awareness_namespace", created->awareness_namespace);
        json_out_text(&out, "workspace_access", created->workspace_access);
    }
    if (created->warning)
        json_out_text(&out, "warning", created->warning);
    json_out_end(&out);
    return g_steal_pointer(&json);
}

gboolean api_workspace_create(ApiCall *call, GError **error)
{
    g_auto(CreateBody) body = {.order.budget_limit = -2};
    g_auto(WorkspaceCreated) created = {0};

    if (!decode(call, &body, error) || !check_url(call, &body.order, error) ||
        !lifecycle_create(call->api->lifecycle, &body.order, &created, error))
        return FALSE;
    api_reply(call, 201, describe(call, &created));
    return TRUE;
}
