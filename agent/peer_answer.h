/* Reading what came back through the server when a peer was asked. Pure. */
#pragma once

#include <stddef.h>

typedef enum {
    PEER_ANSWERED, /* `text` is the answer */
    PEER_QUEUED,   /* the peer is busy and will read the message later; `text` says so */
    PEER_FAILED,   /* `text` is the reason */
} PeerOutcome;

/* Reads the answer to a `message/send`: a Message, a Task with artifacts, a JSON-RPC error, or the
 * server's own `{"error":...}` and `{"queued":true}`.
 *   status  of HTTP
 *   text    out: always set, UTF-8; the caller frees it
 * Source: A2A 0.3.0, section 7.1; spec 04, sections 5.9 and 5.10. */
PeerOutcome peer_answer_read(int status, const char *body, size_t length, char **text);
