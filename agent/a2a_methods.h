/* The methods of A2A 0.3.0: one line each in one table. */
#pragma once

#include "a2a_agent.h"

/* Answers one JSON-RPC request, now or when its task ends. `bytes` is the body, borrowed. */
void a2a_methods_handle(A2aAgent *agent, struct evhttp_request *request, const char *bytes,
                        size_t length);
