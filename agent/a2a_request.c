#include "a2a_request.h"

#include "ids.h"
#include "memory.h"
#include "text_buffer.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool rpc_error_set(RpcError *error, RpcCode code, const char *format, ...)
{
    va_list arguments;

    error->code = code;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return false;
}

void rpc_request_clear(RpcRequest *request)
{
    json_decref(request->root);
    *request = (RpcRequest){0};
}

/* An id may be absent only in a notification, which A2A does not know; clients that leave it out
 * all the same are answered with null. */
static bool read_id(RpcRequest *request, RpcError *error)
{
    json_t *id = json_object_get(request->root, "id");

    if (id != NULL && !json_is_string(id) && !json_is_integer(id) && !json_is_null(id))
        return rpc_error_set(error, RPC_INVALID_REQUEST, "id must be a string, an integer or null");
    request->id = id;
    return true;
}

static bool read_envelope(RpcRequest *request, RpcError *error)
{
    const char *version = json_string_value(json_object_get(request->root, "jsonrpc"));
    json_t *params = json_object_get(request->root, "params");

    if (version == NULL || strcmp(version, "2.0") != 0)
        return rpc_error_set(error, RPC_INVALID_REQUEST, "jsonrpc must be \"2.0\"");
    request->method = json_string_value(json_object_get(request->root, "method"));
    if (request->method == NULL)
        return rpc_error_set(error, RPC_INVALID_REQUEST, "method must be a string");
    if (params != NULL && !json_is_null(params) && !json_is_object(params))
        return rpc_error_set(error, RPC_INVALID_PARAMS, "params must be an object");
    request->params = json_is_object(params) ? params : NULL;
    return true;
}

bool rpc_request_parse(const char *bytes, size_t length, RpcRequest *request, RpcError *error)
{
    json_error_t reason;

    *request = (RpcRequest){0};
    request->root = json_loadb(bytes, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, &reason);
    if (request->root == NULL)
        return rpc_error_set(error, RPC_PARSE_ERROR, "not valid JSON (line %d, column %d)",
                             reason.line, reason.column);
    if (!json_is_object(request->root))
        return rpc_error_set(error, RPC_INVALID_REQUEST, "a request must be one JSON object");
    return read_id(request, error) && read_envelope(request, error);
}

/* Identifiers go into the environment of commands, so they must be short and plain. */
static bool read_identifier(json_t *object, const char *key, const char **out, RpcError *error)
{
    json_t *value = json_object_get(object, key);

    *out = NULL;
    if (value == NULL || json_is_null(value))
        return true;
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    if (text == NULL || length > A2A_IDENTIFIER_MAX_BYTES)
        return rpc_error_set(error, RPC_INVALID_PARAMS, "%s must be a string of at most %d bytes",
                             key, A2A_IDENTIFIER_MAX_BYTES);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return rpc_error_set(error, RPC_INVALID_PARAMS,
                                 "%s must not contain control characters", key);
    *out = length > 0 ? text : NULL;
    return true;
}

static bool is_text_part(json_t *part)
{
    const char *kind = json_string_value(json_object_get(part, "kind"));
    if (kind == NULL)
        kind = json_string_value(json_object_get(part, "type")); /* A2A before 0.2 */
    return kind != NULL && strcmp(kind, "text") == 0 &&
           json_is_string(json_object_get(part, "text"));
}

char *a2a_text_of_parts(json_t *parts, size_t *length, size_t *found)
{
    TextBuffer joined;
    Utf8Repair repair = {0};
    json_t *part;
    size_t index;

    /* NUL grows to three bytes; everything else stays as it is. */
    text_buffer_init(&joined, (size_t)64 * 1024 * 1024);
    *found = 0;
    json_array_foreach(parts, index, part)
    {
        if (!is_text_part(part))
            continue;
        json_t *text = json_object_get(part, "text");
        if ((*found)++ > 0)
            utf8_repair_feed(&repair, "\n", 1, &joined);
        utf8_repair_feed(&repair, json_string_value(text), json_string_length(text), &joined);
    }
    *length = joined.length;
    return joined.data != NULL ? joined.data : memory_text_dup("");
}

static bool read_parts(MessageParams *out, RpcError *error)
{
    json_t *parts = json_object_get(out->message, "parts");
    json_t *part;
    size_t index;
    size_t found;

    if (json_array_size(parts) == 0)
        return rpc_error_set(error, RPC_INVALID_PARAMS,
                             "message.parts must be an array with at least one part");
    json_array_foreach(parts, index, part) if (!json_is_object(part)) return rpc_error_set(
        error, RPC_INVALID_PARAMS, "message.parts[%zu] must be an object", index);
    out->text = a2a_text_of_parts(parts, &out->text_length, &found);
    if (found > 0)
        return true;
    message_params_clear(out);
    return rpc_error_set(error, RPC_CONTENT_NOT_SUPPORTED,
                         "this agent reads text parts only, and the message has none");
}

static bool read_flag(json_t *object, const char *key, bool fallback, bool *out, RpcError *error)
{
    json_t *value = json_object_get(object, key);

    *out = fallback;
    if (value == NULL || json_is_null(value))
        return true;
    if (!json_is_boolean(value))
        return rpc_error_set(error, RPC_INVALID_PARAMS, "%s must be true or false", key);
    *out = json_is_true(value);
    return true;
}

/* There is only one message to a task, so a length means with or without it. */
static bool read_history_length(json_t *object, bool *wants_history, RpcError *error)
{
    json_t *value = json_object_get(object, "historyLength");

    *wants_history = true;
    if (value == NULL || json_is_null(value))
        return true;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return rpc_error_set(error, RPC_INVALID_PARAMS,
                             "historyLength must be an integer, 0 or more");
    *wants_history = json_integer_value(value) > 0;
    return true;
}

static bool read_configuration(json_t *params, MessageParams *out, RpcError *error)
{
    json_t *configuration = json_object_get(params, "configuration");

    if (configuration != NULL && !json_is_null(configuration) && !json_is_object(configuration))
        return rpc_error_set(error, RPC_INVALID_PARAMS, "configuration must be an object");
    return read_flag(configuration, "blocking", true, &out->is_blocking, error) &&
           read_history_length(configuration, &out->wants_history, error);
}

static bool read_role(json_t *message, RpcError *error)
{
    json_t *role = json_object_get(message, "role");
    const char *text = json_string_value(role);

    if (role == NULL || (text != NULL && (!strcmp(text, "user") || !strcmp(text, "agent"))))
        return true;
    return rpc_error_set(error, RPC_INVALID_PARAMS, "message.role must be \"user\" or \"agent\"");
}

/* Makes the message what a history must hold, whatever a lenient client left out. */
static void complete_message(MessageParams *out)
{
    char id[ID_BYTES];

    if (out->message_id == NULL) {
        id_new(id);
        json_object_set_new(out->message, "messageId", json_string(id));
        out->message_id = json_string_value(json_object_get(out->message, "messageId"));
    }
    if (json_object_get(out->message, "role") == NULL)
        json_object_set_new(out->message, "role", json_string("user"));
    json_object_set_new(out->message, "kind", json_string("message"));
}

bool message_params_parse(json_t *params, MessageParams *out, RpcError *error)
{
    *out = (MessageParams){.message = json_object_get(params, "message")};
    if (!json_is_object(out->message))
        return rpc_error_set(error, RPC_INVALID_PARAMS, "message must be an object");
    if (!read_role(out->message, error) ||
        !read_identifier(out->message, "messageId", &out->message_id, error) ||
        !read_identifier(out->message, "contextId", &out->context_id, error) ||
        !read_identifier(out->message, "taskId", &out->task_id, error) ||
        !read_configuration(params, out, error) || !read_parts(out, error))
        return false;
    complete_message(out);
    return true;
}

void message_params_clear(MessageParams *params)
{
    free(params->text);
    params->text = NULL;
}

bool task_params_parse(json_t *params, TaskParams *out, RpcError *error)
{
    *out = (TaskParams){0};
    if (!read_identifier(params, "id", &out->id, error))
        return false;
    if (out->id == NULL)
        return rpc_error_set(error, RPC_INVALID_PARAMS, "id must be a non-empty string");
    return read_history_length(params, &out->wants_history, error);
}
