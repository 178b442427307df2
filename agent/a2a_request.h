/* Reading what a client sends: a JSON-RPC 2.0 request, and the parameters of the A2A methods
 * (protocol 0.3.0). Pure: bytes in, checked values or an error out. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define A2A_REQUEST_MAX_BYTES    (1024 * 1024)
#define A2A_IDENTIFIER_MAX_BYTES 256

/* Codes of JSON-RPC 2.0 (section 5.1) and of A2A 0.3.0 (section 8). */
typedef enum {
    RPC_PARSE_ERROR = -32700,
    RPC_INVALID_REQUEST = -32600,
    RPC_METHOD_NOT_FOUND = -32601,
    RPC_INVALID_PARAMS = -32602,
    RPC_INTERNAL_ERROR = -32603,
    RPC_BUSY = -32000,
    RPC_TASK_NOT_FOUND = -32001,
    RPC_TASK_NOT_CANCELABLE = -32002,
    RPC_PUSH_NOT_SUPPORTED = -32003,
    RPC_CONTENT_NOT_SUPPORTED = -32005,
    RPC_NO_EXTENDED_CARD = -32007,
} RpcCode;

typedef struct {
    RpcCode code;
    char message[256];
} RpcError;

typedef struct {
    json_t *root; /* owns all below; NULL when nothing was read */
    json_t *id;   /* text, integer or null; NULL: to be answered as null */
    const char *method;
    json_t *params; /* object; NULL when absent */
} RpcRequest;

/* The parameters of `message/send` and `message/stream`; all borrowed from the request but the
 * text. */
typedef struct {
    json_t *message;
    char *text; /* its text parts, joined by line ends; owned */
    size_t text_length;
    const char *message_id; /* added to the message when the client gave none */
    const char *context_id; /* NULL: a new conversation */
    const char *task_id;    /* NULL: a new task */
    bool is_blocking;
    bool wants_history;
} MessageParams;

/* The parameters of `tasks/get`, `tasks/cancel` and `tasks/resubscribe`. */
typedef struct {
    const char *id;
    bool wants_history;
} TaskParams;

/* Reads one request. On false `error` is filled; `request->id` is set as soon as it is known, so
 * that the error can name it. The caller clears `request` in both cases. */
bool rpc_request_parse(const char *bytes, size_t length, RpcRequest *request, RpcError *error);
void rpc_request_clear(RpcRequest *request);

/* Writes an error; returns false, so that it can be returned. */
bool rpc_error_set(RpcError *error, RpcCode code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* `params` may be NULL. The caller clears `out` after success. */
bool message_params_parse(json_t *params, MessageParams *out, RpcError *error);
void message_params_clear(MessageParams *params);

bool task_params_parse(json_t *params, TaskParams *out, RpcError *error);

/* The text parts of an object with `parts`, joined by line ends; parts of other kinds are left
 * out, and NUL cannot stand in it.
 *   found  out: how many text parts there were
 * The caller frees it. */
char *a2a_text_of_parts(json_t *parts, size_t *length, size_t *found);
