/* Any bytes as an agent's stream: each event is read as an answer; the pieces must not matter. */
#include "agent_event.h"
#include "sse.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static gboolean read_event(const char *data, gsize length, void *user)
{
    g_auto(AgentEvent) event = {0};
    JsonView view;

    ++*(guint *)user;
    if (!json_view_parse(data, length, JSON_FIRST_VALUE, &view, NULL))
        return TRUE;
    agent_event_read(view, &event);
    g_assert_true(event.text && g_utf8_validate(event.text, -1, NULL));
    return TRUE;
}

static guint count_events(const char *bytes, size_t size, size_t step)
{
    SseReader reader;
    guint count = 0;

    sse_init(&reader);
    for (size_t at = 0; at < size; at += step)
        g_assert_true(sse_feed(&reader, bytes + at, MIN(step, size - at), read_event, &count));
    sse_clear(&reader);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;

    if (size > 0)
        g_assert_cmpuint(count_events(bytes, size, size), ==, count_events(bytes, size, 3));
    return 0;
}
