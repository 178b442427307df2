/* Tokens of a workspace. Source: spec 03 sections 5.2, 5.5. */
#include "store/tokens.h"

#include "api/handlers.h"
#include "base/log.h"

#include <string.h>

#define PAGE_DEFAULT 50
#define PAGE_MAX     200

static void write_token(JsonOut *out, const StoreToken *token)
{
    json_out_object(out, NULL);
    json_out_text(out, "id", token->id);
    json_out_text(out, "prefix", token->prefix);
    json_out_time(out, "created_at", token->created_at_us);
    json_out_time(out, "last_used_at", token->last_used_at_us);
    json_out_end(out);
}

gboolean api_token_list(ApiCall *call, GError **error)
{
    guint limit = (guint)api_query_int(call, "limit", PAGE_DEFAULT, 1, PAGE_MAX);
    guint offset = (guint)api_query_int(call, "offset", 0, 0, G_MAXINT32);
    g_autoptr(GArray) tokens = NULL;
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    /* Uses are written once in a while; a list shall show them all. */
    if (!tokens_flush(call->api->tokens, error))
        return FALSE;
    tokens = store_token_list(call->api->db, call->id, limit, offset, error);
    if (!tokens)
        return FALSE;
    json_out_object(&out, NULL);
    json_out_array(&out, "tokens");
    for (guint i = 0; i < tokens->len; i++)
        write_token(&out, &g_array_index(tokens, StoreToken, i));
    json_out_end(&out);
    json_out_int(&out, "count", tokens->len);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}

static void reply_minted(ApiCall *call, guint status, const char *token, const char *message)
{
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    json_out_object(&out, NULL);
    json_out_text(&out, "auth_token", token);
    json_out_text(&out, "workspace_id", call->id);
    if (message)
        json_out_text(&out, "message", message);
    json_out_end(&out);
    api_reply(call, status, g_steal_pointer(&json));
}

gboolean api_token_create(ApiCall *call, GError **error)
{
    char token[CRYPTO_TOKEN_SIZE];

    if (!tokens_mint_for_user(call->api->tokens, call->id, token, error))
        return FALSE;
    log_info("workspace token made", LOG_TEXT("workspace", call->id));
    reply_minted(call, 201, token, "keep this token now: it cannot be shown again");
    return TRUE;
}

gboolean api_token_revoke(ApiCall *call, GError **error)
{
    char token_id[ID_SIZE];
    gboolean revoked = FALSE;

    if (!api_parameter_id(call, "tokenId", "token ID", token_id, NULL))
        return error_set(error, ERROR_NOT_FOUND, "token not found");
    if (!tokens_revoke(call->api->tokens, call->id, token_id, &revoked, error))
        return FALSE;
    if (!revoked)
        return error_set(error, ERROR_NOT_FOUND, "token not found");
    log_info("workspace token revoked", LOG_TEXT("workspace", call->id),
             LOG_TEXT("token", token_id));
    api_reply(call, 200, g_string_new("{\"status\":\"revoked\"}"));
    return TRUE;
}

/* ---- Test tokens: outside the admin class on purpose, so that scripts can begin with nothing ----
 */

static gboolean check_test_token_access(const ApiCall *call, GError **error)
{
    const Config *config = call->api->config;
    const char *header = http_request_header(call->request, "Authorization");

    if (config->production && !config->enable_test_tokens)
        return error_set(error, ERROR_NOT_FOUND, "not found");
    if (!api_is_strict(call))
        return TRUE;
    if (header && g_str_has_prefix(header, "Bearer "))
        header += strlen("Bearer ");
    if (access_is_admin_token(call->api->access, header))
        return TRUE;
    return error_set(error, ERROR_UNAUTHENTICATED, "admin auth required");
}

gboolean api_test_token(ApiCall *call, GError **error)
{
    char token[CRYPTO_TOKEN_SIZE];
    g_autoptr(OrgNode) node = NULL;

    if (!check_test_token_access(call, error))
        return FALSE;
    node = api_live_workspace(call, error);
    if (!node || !tokens_mint(call->api->tokens, call->id, TOKEN_ORIGIN_TEST, 0, token, error))
        return FALSE;
    reply_minted(call, 200, token, NULL);
    return TRUE;
}
