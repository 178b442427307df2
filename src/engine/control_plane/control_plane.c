/* Machines of a hosted tenant: the platform makes and ends them, we order.
 *
 * It knows a machine by our workspace and by its own instance id, lists nothing and keeps volumes,
 * images and logs to itself; so this engine `is_hosted` (engine.h) and its ids say everything
 * (hosted_id.h). An order carries a key made from workspace and generation: repeated, it gives the
 * same machine, so an answer that got lost is asked for again. Removal of an order without an
 * answer first asks what it gave. Only a 2xx or 404 ends a machine; a state that cannot be read is
 * no death (D17). Source: spec 02, section 11; spec 01, 11.2 and 18.2; L31 to L34. */
#include "base/json_out.h"
#include "base/json_view.h"
#include "base/log.h"
#include "engine/control_plane/call.h"
#include "engine/engine.h"
#include "engine/hosted_id.h"

#include <string.h>

#define PING_MS       2000
#define STATUS_MS     10000
#define PROVISION_MS  120000 /* spec 02, section 11 */
#define STOP_MS       60000
#define CONSOLE_MS    12000 /* people give up at 15 s; spec 01, 18.2 */
#define ANSWER_BYTES  (64 * 1024)
#define CONSOLE_BYTES (256 * 1024)
#define LAST_OF_2XX   299

#define TEXT_FAILED "provisioning failed" /* all that clients read; spec 02, section 11 */

typedef struct {
    Engine base;
    ControlPlaneLine line;
    char *org_id, *installation;
} ControlPlane;

static ControlPlane *control_plane(Engine *engine)
{
    return (ControlPlane *)engine;
}

static gboolean is_success(guint status)
{
    return status >= 200 && status <= LAST_OF_2XX;
}

/* ---- Answers ---- */

/* A text of the answer's object; NULL: there is none. What follows the first value is ignored. */
static char *text_of(const ControlPlaneAnswer *answer, const char *key, gboolean *is_object)
{
    JsonView document;
    JsonView value;

    *is_object =
        json_view_parse(answer->body->str, answer->body->len, JSON_FIRST_VALUE, &document, NULL) &&
        json_view_kind(document) == JSON_KIND_OBJECT;
    if (!*is_object || !json_view_member(document, key, JSON_KEYS_EXACT, &value))
        return NULL;
    return json_view_text_dup(value, NULL);
}

/* ---- Is it there? ---- */

static gboolean ping(Engine *self, GError **error)
{
    return control_plane_connect(&control_plane(self)->line, PING_MS, error);
}

/* Another address or another organisation is another engine: what was made there is not here. */
static gboolean describe(Engine *self, EngineInfo **info, GError **error)
{
    ControlPlane *plane = control_plane(self);

    (void)error;
    *info = g_new0(EngineInfo, 1);
    (*info)->id = g_strdup_printf("control-plane:%s@%s", plane->org_id, plane->line.base_url);
    (*info)->name = g_strdup("control plane");
    (*info)->version = g_strdup("cp");
    return TRUE;
}

/* ---- Ordering ---- */

static void write_environment(JsonOut *out, const char *const *environment)
{
    if (!environment) {
        json_out_null(out, "env");
        return;
    }
    json_out_object(out, "env");
    for (; *environment; environment++) {
        const char *equals = strchr(*environment, '=');
        g_autofree char *name = g_strndup(*environment, (gsize)(equals - *environment));
        json_out_text(out, name, equals + 1);
    }
    json_out_end(out);
}

static char *order_dup(const ControlPlane *plane, const char *workspace, const ContainerSpec *spec)
{
    GString *text = g_string_new(NULL);
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    json_out_text(&out, "org_id", plane->org_id);
    json_out_text(&out, "workspace_id", workspace);
    json_out_text(&out, "runtime", spec && spec->runtime ? spec->runtime : "");
    json_out_int(&out, "tier", spec ? spec->tier : 0);
    json_out_text(&out, "platform_url", spec && spec->platform_url ? spec->platform_url : "");
    write_environment(&out, spec ? spec->environment : NULL);
    json_out_end(&out);
    return g_string_free(text, FALSE);
}

/* Whether asking again cannot help: the order itself is refused, and nothing was made. */
static gboolean is_refusal(guint status)
{
    return status == 400 || status == 402 || status == 403 || status == 422;
}

/* The platform's own word for what is wrong goes to the log; of any other body only its size. */
static gboolean not_made(const ControlPlaneAnswer *answer, const char *workspace, GError **error)
{
    gboolean is_object = FALSE;
    g_autofree char *said = text_of(answer, "error", &is_object);

    log_warning("the control plane gave no machine", LOG_TEXT("workspace", workspace),
                LOG_INT("status", answer->status), LOG_TEXT("said", said ? said : ""),
                LOG_INT("answer_bytes", (gint64)answer->body->len));
    return error_set(error, is_refusal(answer->status) ? ERROR_INVALID : ERROR_BUSY, TEXT_FAILED);
}

/* Sends the order of a workspace's generation, for the first time or again; `spec` NULL: only to
 * learn what it gave. */
static gboolean order(ControlPlane *plane, const char *workspace, gint64 generation,
                      const ContainerSpec *spec, char **instance, GError **error)
{
    g_autofree char *body = order_dup(plane, workspace, spec);
    g_autofree char *key = g_strdup_printf("%s:%" G_GINT64_FORMAT, workspace, generation);
    g_auto(ControlPlaneAnswer) answer = {0};
    gboolean is_object = FALSE;
    ControlPlaneCall call = {
        .method = "POST",
        .path = "/cp/workspaces/provision",
        .body = body,
        .idempotency_key = key,
        .has_effect = TRUE,
        .timeout_ms = PROVISION_MS,
        .max_bytes = ANSWER_BYTES,
    };

    if (!control_plane_call(&plane->line, &call, &answer, error))
        return FALSE;
    *instance = answer.status == 201 ? text_of(&answer, "instance_id", &is_object) : NULL;
    if (*instance && **instance)
        return TRUE;
    g_clear_pointer(instance, g_free);
    return not_made(&answer, workspace, error);
}

static gboolean create(Engine *self, const ContainerSpec *spec, char **id, GError **error)
{
    const EngineLabels *labels = &spec->labels;
    g_autofree char *instance = NULL;

    if (!labels->workspace || labels->generation <= 0)
        return error_set(error, ERROR_INVALID, "a hosted machine needs workspace and generation");
    if (!order(control_plane(self), labels->workspace, labels->generation, spec, &instance, error))
        return FALSE;
    *id = hosted_id_dup(labels->workspace, labels->generation, instance);
    if (*id)
        return TRUE;
    log_error("the control plane gave a machine with an id that is too long",
              LOG_TEXT("workspace", labels->workspace));
    return error_set(error, ERROR_BUSY, TEXT_FAILED);
}

/* ---- How it is ---- */

static ContainerInfo *info_new(const ControlPlane *plane, const char *ref, const HostedId *id,
                               ContainerState state)
{
    ContainerInfo *info = g_new0(ContainerInfo, 1);

    info->id = g_strdup(ref);
    info->name = g_strdup(*id->instance ? id->instance : ref);
    info->state = state;
    info->ever_started = state != CONTAINER_CREATED;
    info->labels = (EngineLabels){
        .installation = g_strdup(plane->installation),
        .workspace = g_strdup(id->workspace),
        .kind = g_strdup(ENGINE_KIND_WORKSPACE),
        .generation = id->generation,
    };
    return info;
}

static gboolean is_end(const char *state)
{
    static const char *const ends[] = {"stopping",   "stopped",       "terminating",
                                       "terminated", "shutting-down", NULL};

    return g_strv_contains(ends, state);
}

static char *instance_path_dup(const HostedId *id, const char *tail)
{
    g_autofree char *instance = g_uri_escape_string(id->instance, NULL, FALSE);

    return g_strdup_printf("/cp/workspaces/%s%s?instance_id=%s", id->workspace, tail, instance);
}

/* Asks for the state. Whatever is no well-formed answer says nothing about the machine, which then
 * counts as running. */
static gboolean ask_state(ControlPlane *plane, const HostedId *id, ContainerState *state,
                          GError **error)
{
    g_autofree char *path = instance_path_dup(id, "/status");
    g_auto(ControlPlaneAnswer) answer = {0};
    g_autofree char *said = NULL;
    gboolean is_object = FALSE;
    ControlPlaneCall call = {
        .method = "GET", .path = path, .timeout_ms = STATUS_MS, .max_bytes = ANSWER_BYTES};

    *state = CONTAINER_RUNNING;
    if (!control_plane_call(&plane->line, &call, &answer, error))
        return FALSE;
    said = is_success(answer.status) ? text_of(&answer, "state", &is_object) : NULL;
    if (said && is_end(said))
        *state = CONTAINER_EXITED;
    else if (!said)
        log_warning("the control plane does not tell a machine's state; it counts as running",
                    LOG_TEXT("workspace", id->workspace), LOG_TEXT("instance", id->instance),
                    LOG_INT("status", answer.status));
    return TRUE;
}

static gboolean inspect(Engine *self, const char *ref, ContainerInfo **info, GError **error)
{
    ControlPlane *plane = control_plane(self);
    g_auto(HostedId) id = {.instance = NULL};
    ContainerState state = CONTAINER_CREATED;

    if (!hosted_id_parse(ref, &id))
        return error_set(error, ERROR_NOT_FOUND, "the control plane knows no names");
    if (*id.instance && !ask_state(plane, &id, &state, error))
        return FALSE;
    *info = info_new(plane, ref, &id, state);
    return TRUE;
}

/* ---- Ending ---- */

static gboolean end_instance(ControlPlane *plane, const HostedId *id, GError **error)
{
    g_autofree char *path = instance_path_dup(id, "");
    g_auto(ControlPlaneAnswer) answer = {0};
    ControlPlaneCall call = {
        .method = "DELETE",
        .path = path,
        .has_effect = TRUE,
        .timeout_ms = STOP_MS,
        .max_bytes = ANSWER_BYTES,
    };

    if (!control_plane_call(&plane->line, &call, &answer, error))
        return FALSE;
    if (is_success(answer.status) || answer.status == 404)
        return TRUE;
    return error_set(error, ERROR_INTERNAL, "control plane: stop was answered %u", answer.status);
}

/* What an order gave whose answer nobody read, is learnt by giving it again. */
static gboolean remove_machine(Engine *self, const char *ref, GError **error)
{
    ControlPlane *plane = control_plane(self);
    g_auto(HostedId) id = {.instance = NULL};
    g_autoptr(GError) cause = NULL;

    if (!hosted_id_parse(ref, &id))
        return TRUE; /* never one of its */
    if (*id.instance)
        return end_instance(plane, &id, error);
    g_clear_pointer(&id.instance, g_free);
    if (order(plane, id.workspace, id.generation, NULL, &id.instance, &cause))
        return end_instance(plane, &id, error);
    id.instance = NULL;
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

/* ---- Its console ---- */

static gboolean console(Engine *self, const char *workspace, char **text, GError **error)
{
    g_autofree char *path = g_strdup_printf("/cp/admin/workspaces/%s/console", workspace);
    g_auto(ControlPlaneAnswer) answer = {0};
    gboolean is_object = FALSE;
    ControlPlaneCall call = {
        .method = "GET",
        .path = path,
        .is_admin = TRUE,
        .timeout_ms = CONSOLE_MS,
        .max_bytes = CONSOLE_BYTES,
    };

    if (!control_plane_call(&control_plane(self)->line, &call, &answer, error))
        return FALSE;
    if (answer.status == 404)
        return error_set(error, ERROR_NOT_FOUND, "the workspace has no instance");
    if (!is_success(answer.status))
        return error_set(error, ERROR_INTERNAL, "control plane: console was answered %u",
                         answer.status);
    *text = text_of(&answer, "output", &is_object);
    if (!is_object)
        return error_set(error, ERROR_INTERNAL, "control plane: the console is no JSON object");
    if (!*text)
        *text = g_strdup("");
    return TRUE;
}

/* ---- Life ---- */

static void interrupt(Engine *self)
{
    atomic_store(&control_plane(self)->line.is_interrupted, TRUE);
}

static void release(Engine *self)
{
    ControlPlane *plane = control_plane(self);

    control_plane_line_clear(&plane->line);
    g_free(plane->org_id);
    g_free(plane->installation);
    g_free(plane);
}

static const EngineOps control_plane_ops = {
    .name = "control-plane",
    .is_hosted = TRUE,
    .ping = ping,
    .info = describe,
    .inspect = inspect,
    .create = create,
    .remove = remove_machine,
    .console = console,
    .interrupt = interrupt,
    .free = release,
};

Engine *engine_control_plane_open(const ControlPlaneSettings *settings, GError **error)
{
    ControlPlaneLine line = {0};
    ControlPlane *plane = NULL;

    if (!settings->org_id || !*settings->org_id) {
        error_set(error, ERROR_INVALID, "the control plane needs MOLECULE_ORG_ID");
        return NULL;
    }
    if (!control_plane_line_init(&line, settings->base_url, settings->shared_secret,
                                 settings->admin_token, settings->admin_api_token, error))
        return NULL;
    plane = g_new0(ControlPlane, 1);
    engine_init(&plane->base, &control_plane_ops);
    plane->line.base_url = line.base_url;
    plane->line.shared_secret = line.shared_secret;
    plane->line.admin_token = line.admin_token;
    plane->line.admin_api_token = line.admin_api_token;
    plane->org_id = g_strdup(settings->org_id);
    plane->installation = g_strdup(settings->installation ? settings->installation : "");
    return &plane->base;
}
