/* Giving to workspaces of ours what belongs to nobody, or to a former installation. Source: spec
 * 02, section 17.3 A, J. */
#include "a2a/body_fields.h"
#include "api/handlers.h"
#include "store/workspaces.h"

#define ID_MAX_BYTES 64 /* a longer text is no id, cut or not */

/* An id of another house that is no UUID could be no label of ours. */
static gboolean read_installation(JsonView object, char id[ID_SIZE], GError **error)
{
    g_autofree char *text = NULL;

    if (!body_text(object, "installation", BODY_OPTIONAL, ID_MAX_BYTES, &text, error))
        return FALSE;
    return !text || id_fold(text, id) ||
           error_set(error, ERROR_INVALID, "installation must be the id of an installation");
}

static gboolean read_workspace(ApiCall *call, JsonView object, char id[ID_SIZE], GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(WorkspaceRow) row = NULL;

    if (!body_text(object, "workspace_id", BODY_OPTIONAL, ID_MAX_BYTES, &text, error))
        return FALSE;
    if (text && !id_fold(text, id))
        return error_set(error, ERROR_INVALID, "workspace_id must be the id of a workspace");
    return !text || store_workspace_load(call->api->db, id, &row, error);
}

static gboolean read_order(ApiCall *call, char installation[ID_SIZE], char workspace[ID_SIZE],
                           GError **error)
{
    gsize length = 0;
    const char *text = http_request_body(call->request, &length);
    JsonView object;

    return length == 0 || (body_parse(text, length, &object, error) &&
                           read_installation(object, installation, error) &&
                           read_workspace(call, object, workspace, error));
}

static guint write_objects(JsonOut *out, const GPtrArray *found)
{
    guint adopted = 0;

    json_out_array(out, "objects");
    for (guint i = 0; i < found->len; i++) {
        const ReconcilerAdopted *one = found->pdata[i];

        json_out_object(out, NULL);
        json_out_text(out, "kind", one->kind);
        json_out_text(out, "name", one->name);
        json_out_text(out, "ref", one->ref);
        json_out_text(out, "workspace_id", one->workspace_id);
        json_out_bool(out, "adopted", one->is_ours);
        json_out_text(out, "why", one->why);
        json_out_end(out);
        adopted += one->is_ours;
    }
    json_out_end(out);
    return adopted;
}

gboolean api_runtime_adopt(ApiCall *call, GError **error)
{
    char installation[ID_SIZE] = "", workspace[ID_SIZE] = "";
    ReconcilerAdoption adoption = {0};
    g_autoptr(GPtrArray) found = NULL;
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);
    guint adopted = 0;

    if (!api_query_boolean(call, "dry_run", &adoption.dry_run, error) ||
        !read_order(call, installation, workspace, error))
        return FALSE;
    adoption.installation = *installation ? installation : NULL;
    adoption.workspace_id = *workspace ? workspace : NULL;
    if (!reconciler_adopt(call->api->reconciler, &adoption, &found, error))
        return FALSE;
    json_out_object(&out, NULL);
    json_out_bool(&out, "dry_run", adoption.dry_run);
    json_out_int(&out, "count", found->len);
    adopted = write_objects(&out, found);
    json_out_int(&out, "adopted", adopted);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}
