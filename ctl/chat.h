/* One exchange with an agent: the message out, the answer in as it comes. */
#pragma once

#include "commands.h"

typedef struct _Chat Chat;

/*   context_id  NULL: a new conversation */
Chat *chat_new(Session *session, const char *workspace_id, const char *context_id);
void chat_free(Chat *chat);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Chat, chat_free)

/* Sends a message and prints the answer. Ctrl-C cancels the agent's task; a second one stops
 * waiting for it.
 * Errors: CTL_REFUSED (the server or the agent), CTL_UNREACHABLE, CTL_INTERRUPTED. */
gboolean chat_send(Chat *chat, const char *text, GError **error);

/* The conversation, once the agent has named one; NULL before. Borrowed. */
const char *chat_context(const Chat *chat);
