/* Tokens of the organisation. Source: spec 03 section 5.4, F27. */
#include "store/org_tokens.h"

#include "a2a/body_fields.h"
#include "api/handlers.h"
#include "base/log.h"

#include <string.h>

#define LIST_MAX       500
#define NAME_MAX_BYTES 100

static void text_unless_empty(JsonOut *out, const char *key, const char *text)
{
    if (text && *text)
        json_out_text(out, key, text);
}

static void write_token(JsonOut *out, const StoreOrgToken *token)
{
    json_out_object(out, NULL);
    json_out_text(out, "id", token->id);
    json_out_text(out, "prefix", token->prefix);
    text_unless_empty(out, "name", token->name);
    text_unless_empty(out, "org_id", token->org_id);
    text_unless_empty(out, "created_by", token->created_by);
    json_out_time(out, "created_at", token->created_at_us);
    if (token->last_used_at_us)
        json_out_time(out, "last_used_at", token->last_used_at_us);
    json_out_end(out);
}

gboolean api_org_token_list(ApiCall *call, GError **error)
{
    g_autoptr(GPtrArray) tokens = store_org_token_list(call->api->db, LIST_MAX, error);
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    if (!tokens)
        return FALSE;
    json_out_object(&out, NULL);
    json_out_int(&out, "count", tokens->len);
    json_out_array(&out, "tokens");
    for (guint i = 0; i < tokens->len; i++)
        write_token(&out, tokens->pdata[i]);
    json_out_end(&out);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}

/* The name of the body; a body that is none, or a name of another type, counts as no name. */
static gboolean read_name(ApiCall *call, char **name, GError **error)
{
    gsize length = 0;
    const char *text = http_request_body(call->request, &length);
    gboolean has_nul = FALSE;
    JsonView object, value;

    if (!body_parse(text, length, &object, NULL) || !body_member(object, "name", &value))
        return TRUE;
    *name = json_view_text_dup(value, &has_nul);
    if (has_nul)
        return error_set(error, ERROR_INVALID, "name must not contain \\u0000");
    if (*name && strlen(*name) > NAME_MAX_BYTES)
        return error_set(error, ERROR_INVALID, "name must be at most %d bytes long",
                         NAME_MAX_BYTES);
    if (*name && !**name)
        g_clear_pointer(name, g_free);
    return TRUE;
}

static char *creator(const Caller *caller)
{
    return caller->kind == CALLER_ORG ? g_strconcat("org-token:", caller->org_prefix, NULL)
                                      : g_strdup("admin-token");
}

static void reply_minted(ApiCall *call, const StoreOrgToken *row, const char *token)
{
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    json_out_object(&out, NULL);
    json_out_text(&out, "id", row->id);
    json_out_text(&out, "prefix", row->prefix);
    text_unless_empty(&out, "name", row->name);
    json_out_text(&out, "auth_token", token);
    json_out_text(&out, "warning", "keep this token now: it cannot be shown again");
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
}

gboolean api_org_token_create(ApiCall *call, GError **error)
{
    g_autoptr(StoreOrgToken) row = g_new0(StoreOrgToken, 1);
    char token[CRYPTO_TOKEN_SIZE];

    if (!read_name(call, &row->name, error))
        return FALSE;
    crypto_token_make(token);
    crypto_sha256(token, strlen(token), row->hash);
    id_make(row->id);
    g_strlcpy(row->prefix, token, sizeof row->prefix);
    g_strlcpy(row->org_id, call->caller.org_id, sizeof row->org_id);
    row->created_by = creator(&call->caller);
    if (!store_org_token_insert(call->api->db, row, error))
        return FALSE;
    log_info("organisation token made", LOG_TEXT("token", row->id), LOG_TEXT("by", row->created_by),
             LOG_TEXT("name", row->name ? row->name : ""));
    reply_minted(call, row, token);
    return TRUE;
}

gboolean api_org_token_revoke(ApiCall *call, GError **error)
{
    g_autofree char *given = api_parameter_dup(call, "tokenId");
    g_autofree char *by = creator(&call->caller);
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);
    char id[ID_SIZE];
    gboolean revoked = FALSE;

    if (id_fold(given, id) && !store_org_token_revoke(call->api->db, id, &revoked, error))
        return FALSE;
    if (!revoked)
        return error_set(error, ERROR_NOT_FOUND, "token not found");
    log_info("organisation token revoked", LOG_TEXT("token", id), LOG_TEXT("by", by));
    json_out_object(&out, NULL);
    json_out_text(&out, "revoked", given);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}
