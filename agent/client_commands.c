#include "client_commands.h"

#include "a2a_request.h"
#include "http_client.h"
#include "ids.h"
#include "memory.h"
#include "peer_answer.h"
#include "text_buffer.h"
#include "token.h"
#include "utf8.h"

#include <event2/event.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define PEERS_LIMIT_MS   30000
#define ANSWER_MAX_BYTES (16 * 1024 * 1024) /* the server carries 10 MiB, spec 04, 5.8 */

/* One connection to the server, used from top to bottom. */
typedef struct {
    const Config *config;
    struct event_base *base;
    HttpClient *http;
    Token token;
    int status;
    TextBuffer body;
    char reason[128];
} Client;

static int fail(const char *reason)
{
    fprintf(stderr, "workspace-agent: %s\n", reason);
    return EXIT_FAILURE;
}

static void on_answer(void *argument, const HttpAnswer *answer)
{
    Client *client = argument;

    client->status = answer->status;
    snprintf(client->reason, sizeof client->reason, "%s", answer->reason);
    text_buffer_clear(&client->body);
    if (!text_buffer_append(&client->body, answer->body, answer->body_length))
        client->status = 0;
}

static void client_init(Client *client, const Config *config)
{
    *client = (Client){.config = config, .base = event_base_new()};
    client->http = http_client_new(client->base, config->ca_file);
    token_init(&client->token, config->config_path);
    text_buffer_init(&client->body, ANSWER_MAX_BYTES);
}

static void client_clear(Client *client)
{
    text_buffer_clear(&client->body);
    token_clear(&client->token);
    http_client_free(client->http);
    event_base_free(client->base);
}

/* Makes one call; `post` NULL: GET. False, after a word on standard error, when no answer came. */
static bool call(Client *client, const char *path, json_t *post, int64_t limit_ms)
{
    AUTO_FREE char *url = memory_printf("%s%s", client->config->platform_url, path);
    AUTO_FREE char *text = post != NULL ? json_dumps(post, JSON_COMPACT) : NULL;
    const HttpRequest request = {
        .is_post = post != NULL,
        .url = url,
        .bearer = client->token.value,
        .workspace_id = client->config->workspace_id,
        .body = text,
        .body_length = text != NULL ? strlen(text) : 0,
        .limit_ms = limit_ms,
        .answer_max_bytes = ANSWER_MAX_BYTES,
    };

    http_client_start(client->http, &request, on_answer, client);
    event_base_dispatch(client->base);
    if (client->status == 0)
        fail(client->reason);
    return client->status != 0;
}

/* Peers */

/* The peers as a JSON array; NULL after a word on standard error. New reference. */
static json_t *load_peers(Client *client)
{
    AUTO_FREE char *path = memory_printf("/registry/%s/peers", client->config->workspace_id);

    if (!call(client, path, NULL, PEERS_LIMIT_MS))
        return NULL;
    json_t *peers = json_loadb(client->body.data, client->body.length, JSON_ALLOW_NUL, NULL);
    if (client->status == 200 && json_is_array(peers))
        return peers;
    const char *reason = json_string_value(json_object_get(peers, "error"));
    AUTO_FREE char *text =
        reason != NULL ? memory_text_dup(reason)
                       : memory_printf("the server answered with status %d", client->status);
    fail(text);
    json_decref(peers);
    return NULL;
}

/* A field of a peer on one line, so that scripts can cut at tabs. */
static void print_field(json_t *peer, const char *key, char end)
{
    const char *text = json_string_value(json_object_get(peer, key));

    for (; text != NULL && *text != '\0'; text++)
        putchar((unsigned char)*text < ' ' ? ' ' : *text);
    putchar(end);
}

static int print_peers(Client *client)
{
    json_auto_t *peers = load_peers(client);
    json_t *peer;
    size_t index;

    if (peers == NULL)
        return EXIT_FAILURE;
    json_array_foreach(peers, index, peer)
    {
        print_field(peer, "id", '\t');
        print_field(peer, "name", '\t');
        print_field(peer, "status", '\n');
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : fail("cannot write the list");
}

static bool is_uuid(const char *text)
{
    if (strlen(text) != 36 || strspn(text, "0123456789abcdefABCDEF-") != 36)
        return false;
    return text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-';
}

/* The id of the one peer of that name; NULL after a word on standard error. The caller frees it. */
static char *dup_peer_id(Client *client, const char *name)
{
    json_auto_t *peers = load_peers(client);
    const char *found = NULL;
    json_t *peer;
    size_t index;

    if (peers == NULL)
        return NULL;
    json_array_foreach(peers, index, peer)
    {
        const char *its_name = json_string_value(json_object_get(peer, "name"));
        if (its_name == NULL || strcasecmp(its_name, name) != 0)
            continue;
        if (found != NULL) {
            fail("more than one peer has that name; use its id");
            return NULL;
        }
        found = json_string_value(json_object_get(peer, "id"));
    }
    if (found == NULL || !is_uuid(found)) {
        fail("there is no peer of that name");
        return NULL;
    }
    return memory_text_dup(found);
}

/* Ask */

/* Reads standard input up to what an agent takes; NULL after a word on standard error. */
static char *read_input(void)
{
    TextBuffer text;
    char bytes[16384];
    size_t length;

    text_buffer_init(&text, A2A_REQUEST_MAX_BYTES);
    while ((length = fread(bytes, 1, sizeof bytes, stdin)) > 0)
        if (!text_buffer_append(&text, bytes, length)) {
            text_buffer_clear(&text);
            fail("the message is longer than 1 MiB");
            return NULL;
        }
    return text.data != NULL ? text.data : memory_text_dup("");
}

static json_t *message_send_new(const char *text)
{
    const char *context_id = getenv("A2A_CONTEXT_ID");
    char message_id[ID_BYTES];
    char request_id[ID_BYTES];

    id_new(message_id);
    id_new(request_id);
    json_t *message =
        json_pack("{s:s, s:s, s:s, s:[{s:s, s:s}]}", "kind", "message", "role", "user", "messageId",
                  message_id, "parts", "kind", "text", "text", text);
    /* Asked while working on a message: the peer sees one conversation too. */
    if (context_id != NULL && context_id[0] != '\0')
        json_object_set_new(message, "contextId", json_string(context_id));
    return json_pack("{s:s, s:s, s:s, s:{s:o}}", "jsonrpc", "2.0", "id", request_id, "method",
                     "message/send", "params", "message", message);
}

static int print_answer(const Client *client)
{
    AUTO_FREE char *text = NULL;
    PeerOutcome outcome = peer_answer_read(client->status, text_buffer_get(&client->body),
                                           client->body.length, &text);

    if (outcome != PEER_ANSWERED)
        return fail(text);
    size_t length = strlen(text);
    const char *end = length > 0 && text[length - 1] == '\n' ? "" : "\n";
    printf("%s%s", text, end);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : fail("cannot write the answer");
}

static int ask(Client *client, const char *peer, const char *text)
{
    AUTO_FREE char *id = is_uuid(peer) ? memory_text_dup(peer) : dup_peer_id(client, peer);

    if (id == NULL)
        return EXIT_FAILURE;
    AUTO_FREE char *path = memory_printf("/workspaces/%s/a2a", id);
    AUTO_FREE char *valid = utf8_dup_repaired(text);
    json_auto_t *request = message_send_new(valid);
    if (!call(client, path, request, client->config->ask_limit_ms))
        return EXIT_FAILURE;
    return print_answer(client);
}

static bool has_server(const Config *config)
{
    if (config->platform_url[0] != '\0')
        return true;
    fail("PLATFORM_URL is not set, so there is no server to ask");
    return false;
}

int client_peers(const Config *config)
{
    Client client;

    if (!has_server(config))
        return EXIT_FAILURE;
    client_init(&client, config);
    int status = print_peers(&client);
    client_clear(&client);
    return status;
}

int client_ask(const Config *config, const char *peer, const char *text)
{
    Client client;

    if (!has_server(config))
        return EXIT_FAILURE;
    AUTO_FREE char *input = strcmp(text, "-") == 0 ? read_input() : memory_text_dup(text);
    if (input == NULL)
        return EXIT_FAILURE;
    client_init(&client, config);
    int status = ask(&client, peer, input);
    client_clear(&client);
    return status;
}
