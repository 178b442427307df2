/* `logs`: what a workspace's container printed, and on request what it prints from now on. */
#include "base/json_out.h"
#include "commands.h"
#include "terminal.h"
#include "workspaces.h"

#include <string.h>

#define LINES_DEFAULT  200
#define LINES_MAX      10000 /* the server gives no more */
#define LINE_BYTES_MAX 65536 /* a longer one is printed in pieces */

const Option logs_options[] = {
    {.name = "follow", .letter = 'f', .help = "go on with new lines until Ctrl-C"},
    {.name = "previous", .letter = 'p', .help = "of the container before the present one"},
    {.name = "lines", .letter = 'n', .value = "LINES", .help = "how many of the last lines [200]"},
    {0},
};

typedef struct {
    Session *session;
    const char *id;
    GString *line; /* what came without a line end so far */
} Printer;

static void print_line(Printer *printer, const char *line, gsize length, gboolean has_end)
{
    if (!printer->session->wants_json) {
        terminal_write(stdout, line, length);
        if (has_end)
            fputc('\n', stdout);
        return;
    }
    g_autoptr(GString) text = g_string_new(NULL);
    JsonOut out = json_out_start(text);
    json_out_object(&out, NULL);
    json_out_text(&out, "workspace_id", printer->id);
    json_out_text_bytes(&out, "line", line, length);
    json_out_end(&out);
    printf("%s\n", text->str);
}

/* Whole lines only, so that no character of several bytes is judged by its half. */
static gboolean on_chunk(const ApiAnswer *answer, const char *bytes, gsize length, void *data)
{
    Printer *printer = data;
    const char *end = bytes + length;
    (void)answer;

    while (bytes < end) {
        const char *stop = memchr(bytes, '\n', (gsize)(end - bytes));
        gsize part = (gsize)((stop ? stop : end) - bytes);
        g_string_append_len(printer->line, bytes, (gssize)part);
        bytes += part + (stop ? 1 : 0);
        if (!stop && printer->line->len < LINE_BYTES_MAX)
            break;
        print_line(printer, printer->line->str, printer->line->len, stop != NULL);
        g_string_truncate(printer->line, 0);
    }
    fflush(stdout);
    return !ferror(stdout);
}

gboolean logs_run(Session *session, GError **error)
{
    gint64 lines = LINES_DEFAULT;
    g_auto(ApiAnswer) answer = {0};

    if (arguments_has(session->arguments, "follow") &&
        arguments_has(session->arguments, "previous"))
        return ctl_fail(error, CTL_USAGE, "a container that is gone cannot be followed");
    if (!arguments_get_int(session->arguments, "lines", 1, LINES_MAX, &lines, error))
        return FALSE;
    g_autofree char *id =
        workspace_id_resolve(session->api, arguments_position(session->arguments, 0), error);
    if (!id)
        return FALSE;
    g_autofree char *path =
        g_strdup_printf("/workspaces/%s/logs?lines=%" G_GINT64_FORMAT "%s%s", id, lines,
                        arguments_has(session->arguments, "follow") ? "&follow=true" : "",
                        arguments_has(session->arguments, "previous") ? "&previous=true" : "");
    g_autoptr(GString) rest = g_string_new(NULL);
    Printer printer = {.session = session, .id = id, .line = rest};
    const ApiRequest request = {
        .method = "GET", .path = path, .accept = "text/plain", .chunk = on_chunk, .data = &printer};

    gboolean is_done = api_run(session->api, &request, &answer, error);
    if (rest->len > 0)
        print_line(&printer, rest->str, rest->len, TRUE);
    if (!is_done)
        return FALSE;
    return (answer.status >= 200 && answer.status <= 299) ||
           api_refusal(session->api, &answer, error);
}
