/* Makes the JSON-RPC request that an agent gets out of what a client sent.
 *
 * The text is edited, not rewritten: numbers keep their digits, members their order, escapes their
 * form. What changes: a body without `jsonrpc` is put into an envelope, a message without
 * `messageId` gets one, invalid UTF-8 and lone surrogates become U+FFFD. Pure but for the ids it
 * makes. Source: spec 04 section 5.7. */
#pragma once

#include "base/errors.h"

#define MESSAGE_METHOD_MAX_BYTES 256

typedef struct {
    GString *text; /* the request for the agent: one JSON object, valid UTF-8 */
    char *method;  /* for logs: "" when it is no text; at most MESSAGE_METHOD_MAX_BYTES */
} Message;
void message_clear(Message *message);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Message, message_clear)

/* Error: ERROR_INVALID "invalid JSON" (pinned) for everything but exactly one JSON object. `out` is
 * written on success only. */
gboolean message_normalise(const char *body, gsize length, Message *out, GError **error);
