/* The yardstick: libmicrohttpd with our flags and nothing else. Every GET and POST gets the same
 * small JSON answer, so it also plays the agent behind the proxy.
 *
 *   bare PORT */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char answer[] = "{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":{\"kind\":\"message\","
                             "\"role\":\"agent\",\"messageId\":\"m\","
                             "\"parts\":[{\"kind\":\"text\",\"text\":\"hello\"}]}}";

static enum MHD_Result serve(void *data, struct MHD_Connection *connection, const char *url,
                             const char *method, const char *version, const char *upload,
                             size_t *upload_size, void **request)
{
    static int seen;
    struct MHD_Response *response = NULL;
    enum MHD_Result result = MHD_NO;

    (void)data, (void)url, (void)method, (void)version, (void)upload;
    if (!*request) {
        *request = &seen;
        return MHD_YES;
    }
    if (*upload_size) {
        *upload_size = 0;
        return MHD_YES;
    }
    response = MHD_create_response_from_buffer(strlen(answer), (void *)(size_t)answer,
                                               MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Content-Type", "application/json; charset=utf-8");
    result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

int main(int argc, char **argv)
{
    struct MHD_Daemon *daemon = NULL;

    if (argc != 2)
        return 2;
    daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, (uint16_t)atoi(argv[1]), NULL, NULL,
                              serve, NULL, MHD_OPTION_THREAD_POOL_SIZE, 2u,
                              MHD_OPTION_CONNECTION_LIMIT, 4096u, MHD_OPTION_END);
    if (!daemon)
        return 1;
    pause();
    MHD_stop_daemon(daemon);
    return 0;
}
