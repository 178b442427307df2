#include "reconcile/failure_words.h"

#include "base/json_out.h"
#include "base/redact.h"
#include "base/text.h"

#include <string.h>

#define LOG_TAIL_BYTES 8192 /* of a log in last_sample_error; spec 02, 17.3 F */

static void write_reason(JsonOut *out, const Failure *failure)
{
    json_out_text(out, "reason", reason_word(failure->reason));
    if (failure->has_exit_code)
        json_out_int(out, "exit_code", failure->exit_code);
}

char *failure_payload_dup(const Look *look, const Failure *failure)
{
    GString *text = g_string_new(NULL);
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    json_out_text(&out, "error", failure->error);
    write_reason(&out, failure);
    if (failure->missing) {
        json_out_array(&out, "missing");
        for (char *const *name = failure->missing; *name; name++)
            json_out_text(&out, NULL, *name);
        json_out_end(&out);
    }
    if (failure->timeout_s) {
        json_out_int(&out, "timeout_secs", failure->timeout_s);
        json_out_text(&out, "runtime", look->workspace->runtime);
    }
    if (failure->source)
        json_out_text(&out, "source", failure->source);
    json_out_end(&out);
    return g_string_free(text, FALSE);
}

/* The specification's payload is {}; its clients read none of it, so more keys are no harm, and a
 * watcher learns at once what it would have to ask for. */
char *offline_payload_dup(const Failure *failure)
{
    GString *text = g_string_new(NULL);
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    write_reason(&out, failure);
    json_out_end(&out);
    return g_string_free(text, FALSE);
}

/* As a heartbeat's, with the reason in place of the agent's figures. */
char *degraded_payload_dup(const Failure *failure)
{
    GString *text = g_string_new(NULL);
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    write_reason(&out, failure);
    json_out_text(&out, "sample_error", failure->error);
    json_out_end(&out);
    return g_string_free(text, FALSE);
}

/* "<sentence>\n<the end of the log>". Caller owns it. */
char *failure_sample_dup(const char *sentence, const char *log)
{
    g_autofree char *clean = NULL;
    g_autofree char *classes = NULL;

    if (!log || !*log)
        return g_strdup(sentence);
    clean = redact_dup(text_suffix(log, strlen(log), LOG_TAIL_BYTES), &classes);
    return g_strconcat(sentence, "\n", clean, NULL);
}
