#include "events/payloads.h"

#include "base/json_out.h"

static char *finish(GString *text, JsonOut *out)
{
    json_out_end(out);
    return g_string_free(text, FALSE);
}

char *event_paused_payload_dup(const char *name)
{
    GString *text = g_string_new(NULL);
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    json_out_text(&out, "name", name);
    return finish(text, &out);
}

char *event_hibernated_payload_dup(const WorkspaceRow *row)
{
    GString *text = g_string_new(NULL);
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    json_out_text(&out, "name", row->name);
    json_out_int(&out, "tier", row->tier);
    return finish(text, &out);
}

char *event_provisioning_payload_dup(const WorkspaceRow *row, const char *key, const char *more)
{
    GString *text = g_string_new(NULL);
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    json_out_text(&out, "name", row->name);
    json_out_int(&out, "tier", row->tier);
    json_out_text(&out, "runtime", row->runtime);
    if (key)
        json_out_text(&out, key, more);
    return finish(text, &out);
}
