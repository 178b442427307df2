#include "a2a_agent.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

static void free_text(const void *data, size_t length, void *argument)
{
    (void)data;
    (void)length;
    free(argument);
}

void a2a_reply_json(struct evhttp_request *request, int status, json_t *object)
{
    struct evbuffer *out = evbuffer_new();
    char *text = json_dumps(object, JSON_COMPACT);

    json_decref(object);
    evbuffer_add_reference(out, text, strlen(text), free_text, text);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                      "application/json");
    evhttp_send_reply(request, status, NULL, out);
    evbuffer_free(out);
}
