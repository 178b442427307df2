/* From a request to its handler: the chain that every request passes, in the order of the
 * specification.
 *
 *   CORS, rate limit, route, credential, form of `:id`, handler; at the end headers, counters,
 * access log
 *
 * Source: spec 03 sections 1.3, 2, 4, 6. Thread: I/O threads (route, finish, handlers in place),
 * workers (the rest). */
#pragma once

#include "api/api.h"

/* The three call-backs of HttpServerOptions; `data` is the Api. */
HttpAdmission dispatch_route(HttpRequest *request, void *data);
void dispatch_serve(HttpRequest *request, void *data);
void dispatch_finish(HttpRequest *request, void *data);

/* The router of the table. */
Router *dispatch_router_new(void);
