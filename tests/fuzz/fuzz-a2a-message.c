/* Any bytes as an A2A body, as an agent's event stream, and as the registry's bodies. */
#include "a2a/discovery.h"
#include "a2a/message.h"
#include "a2a/registry.h"
#include "a2a/stream_reader.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What went in as one JSON object comes out as one, in an envelope, with a message id where there
 * is a message. */
static void check_message(const char *text, gsize length)
{
    g_auto(Message) message = {0};
    JsonView whole, member;

    if (!message_normalise(text, length, &message, NULL))
        return;
    g_assert_true(g_utf8_validate_len(message.text->str, message.text->len, NULL));
    g_assert_true(
        json_view_parse(message.text->str, message.text->len, JSON_ONE_VALUE, &whole, NULL));
    g_assert_true(json_view_member(whole, "jsonrpc", JSON_KEYS_EXACT, &member));
    g_assert_true(g_utf8_validate(message.method, -1, NULL));
    if (json_view_member(whole, "params", JSON_KEYS_EXACT, &member) &&
        json_view_member(member, "message", JSON_KEYS_EXACT, &member) &&
        json_view_kind(member) == JSON_KIND_OBJECT)
        g_assert_true(json_view_member(member, "messageId", JSON_KEYS_EXACT, &member));
}

/* However a stream is cut, the same is read out of it. */
static void check_stream(const char *text, gsize length)
{
    g_autoptr(StreamReader) whole = stream_reader_new();
    g_autoptr(StreamReader) cut = stream_reader_new();
    g_autofree char *first = NULL;
    g_autofree char *second = NULL;
    JsonView view;

    stream_reader_feed(whole, text, length);
    for (gsize i = 0; i < length; i++)
        stream_reader_feed(cut, text + i, 1);
    first = stream_reader_answer_dup(whole);
    second = stream_reader_answer_dup(cut);
    g_assert_cmpstr(first, ==, second);
    if (first)
        g_assert_true(json_view_parse(first, strlen(first), JSON_ONE_VALUE, &view, NULL));
}

static void check_bodies(const char *text, gsize length)
{
    g_auto(RegisterBody) registration = {0};
    g_auto(HeartbeatBody) heartbeat = {0};
    g_auto(CardBody) card = {0};
    g_auto(AccessBody) access = {0};
    g_autoptr(GError) error = NULL;

    if (register_body_decode(text, length, &registration, NULL))
        g_assert_true(*registration.url && g_utf8_validate(registration.agent_card, -1, NULL));
    if (heartbeat_body_decode(text, length, &heartbeat, NULL))
        g_assert_true(heartbeat.active_tasks >= 0 && heartbeat.monthly_spend >= 0);
    (void)card_body_decode(text, length, &card, NULL);
    if (!access_body_decode(text, length, &access, &error))
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_message((const char *)data, size);
    check_stream((const char *)data, size);
    check_bodies((const char *)data, size);
    return 0;
}
