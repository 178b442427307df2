/* Any bytes as what the agent reads: a client's JSON-RPC request, and a peer's answer. */
#include "a2a_request.h"
#include "peer_answer.h"

#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_parameters(const RpcRequest *request)
{
    MessageParams message;
    TaskParams task;
    RpcError error;

    if (message_params_parse(request->params, &message, &error)) {
        g_assert_true(message.message_id != NULL);
        g_assert_true(g_utf8_validate(message.text, (gssize)message.text_length, NULL));
        message_params_clear(&message);
    }
    if (task_params_parse(request->params, &task, &error))
        g_assert_true(task.id != NULL && strlen(task.id) <= A2A_IDENTIFIER_MAX_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RpcRequest request;
    RpcError error = {0};
    char *text = NULL;

    if (rpc_request_parse((const char *)data, size, &request, &error))
        read_parameters(&request);
    else
        g_assert_true(error.code != 0 && error.message[0] != '\0');
    rpc_request_clear(&request);
    (void)peer_answer_read(200, (const char *)data, size, &text);
    g_assert_true(text != NULL && g_utf8_validate(text, -1, NULL));
    free(text);
    return 0;
}
