#include "events/hub_message.h"

#include "base/json_out.h"
#include "base/text.h"

#include <string.h>

/* Spec 04, 13.2 ("Ours", F78). */
static gboolean type_is_private(const char *type)
{
    return strcmp(type, "A2A_RESPONSE") == 0 || strcmp(type, "AGENT_MESSAGE") == 0 ||
           strcmp(type, "ACTIVITY_LOGGED") == 0;
}

/* data: {"type":...,"timestamp":<ms>,"data":<payload>} and a blank line. A payload is compact JSON,
 * so it holds no line break that could end the SSE line. Source: spec 04 section 14. */
static GString *stream_text_build(const Event *event)
{
    GString *text = g_string_sized_new(96 + strlen(event->payload));
    JsonOut out = json_out_start(text);

    g_string_append(text, "data: ");
    json_out_object(&out, NULL);
    json_out_text(&out, "type", event->type);
    json_out_int(&out, "timestamp", event->time_us / 1000);
    json_out_raw(&out, "data", event->payload);
    json_out_end(&out);
    for (char *c = text->str; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' '; /* white space between tokens: a stored payload that is not compact */
    g_string_append(text, "\n\n");
    if (!g_utf8_validate_len(text->str, text->len, NULL)) {
        g_autofree char *repaired = text_repair_dup(text->str, text->len);
        g_string_assign(text, repaired);
    }
    return text;
}

HubMessage *hub_message_new(const Event *event, gboolean for_streams)
{
    HubMessage *message = g_new0(HubMessage, 1);

    ref_init(&message->references);
    g_strlcpy(message->workspace_id, event->workspace_id, sizeof message->workspace_id);
    message->is_private = type_is_private(event->type);
    message->is_removal = strcmp(event->type, "WORKSPACE_REMOVED") == 0;
    message->text = g_string_new_len(event->envelope, (gssize)event->envelope_length);
    if (for_streams)
        message->stream_text = stream_text_build(event);
    return message;
}

HubMessage *hub_message_ref(HubMessage *message)
{
    ref_take(&message->references);
    return message;
}

void hub_message_unref(void *data)
{
    HubMessage *message = data;

    if (!message || !ref_drop(&message->references))
        return;
    g_string_free(message->text, TRUE);
    if (message->stream_text)
        g_string_free(message->stream_text, TRUE);
    g_clear_pointer(&message->witnesses, g_ptr_array_unref);
    g_free(message);
}

gboolean hub_message_has_witness(const HubMessage *message, const char *workspace_id)
{
    for (guint i = 0; message->witnesses && i < message->witnesses->len; i++)
        if (strcmp(message->witnesses->pdata[i], workspace_id) == 0)
            return TRUE;
    return FALSE;
}

gsize hub_message_size(const HubMessage *message)
{
    return sizeof *message + message->text->len +
           (message->stream_text ? message->stream_text->len : 0);
}
