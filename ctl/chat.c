/* `chat`: one message from the command line or standard input, or a conversation at a prompt. */
#include "chat.h"

#include "terminal.h"
#include "workspaces.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_BYTES_MAX                                                                          \
    (1000 * 1000) /* the server takes 1 MiB with what surrounds it, spec 04, 5.1 */

const Option chat_options[] = {
    {.name = "context",
     .letter = 'c',
     .value = "ID",
     .help = "go on with the conversation of this id"},
    {0},
};

/* ---- Where messages come from ---- */

static char *join_words(const Arguments *arguments)
{
    GString *text = g_string_new(NULL);

    for (guint i = 1; i < arguments->positions->len; i++)
        g_string_append_printf(text, "%s%s", i > 1 ? " " : "", arguments_position(arguments, i));
    return g_string_free(text, FALSE);
}

/* All of standard input. NULL on error; the caller owns it. */
static char *read_all(GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char bytes[16384];
    gsize length;

    while ((length = fread(bytes, 1, sizeof bytes, stdin)) > 0) {
        g_string_append_len(text, bytes, (gssize)length);
        if (text->len > MESSAGE_BYTES_MAX) {
            ctl_fail(error, CTL_USAGE, "the message on standard input is longer than %d bytes",
                     MESSAGE_BYTES_MAX);
            return NULL;
        }
    }
    if (strlen(text->str) == text->len)
        return g_string_free(g_steal_pointer(&text), FALSE);
    ctl_fail(error, CTL_USAGE, "the message on standard input is not text");
    return NULL;
}

/* Reads a message at the prompt; a backslash at the end of a line continues it. NULL at the end of
 * the input; the caller owns it. */
static char *read_prompted(const char *prompt)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char *line = NULL;
    size_t capacity = 0;
    gboolean goes_on = TRUE;
    gboolean is_over = FALSE;

    while (goes_on) {
        fputs(prompt, stderr);
        fflush(stderr);
        ssize_t length = getline(&line, &capacity, stdin);
        is_over = length < 0;
        if (is_over || text->len + (gsize)length > MESSAGE_BYTES_MAX)
            break;
        if (length > 0 && line[length - 1] == '\n')
            line[--length] = '\0';
        goes_on = length > 0 && line[length - 1] == '\\';
        g_string_append_len(text, line, goes_on ? length - 1 : length);
        if (goes_on)
            g_string_append_c(text, '\n');
        prompt = "... ";
    }
    free(line);
    return is_over ? NULL : g_string_free(g_steal_pointer(&text), FALSE);
}

/* ---- The conversation ---- */

/* Says what went wrong and goes on; FALSE when the server is gone. */
static gboolean forgive(GError **failure, GError **error)
{
    int status = ctl_failure_status(*failure);

    if (status == CTL_UNREACHABLE) {
        g_propagate_error(error, g_steal_pointer(failure));
        return FALSE;
    }
    fprintf(stderr, "workspacectl: %s\n", (*failure)->message);
    g_clear_error(failure);
    return TRUE;
}

static gboolean converse(Chat *chat, const char *name, GError **error)
{
    g_autofree char *shown = terminal_cell_dup(name, 24);
    g_autofree char *prompt = g_strconcat(shown, "> ", NULL);

    fputs("Ctrl-C cancels an answer, Ctrl-D ends; a \\ at the end of a line continues it.\n",
          stderr);
    for (;;) {
        g_autoptr(GError) failure = NULL;
        g_autofree char *text = read_prompted(prompt);
        if (!text) {
            fputc('\n', stderr);
            return TRUE;
        }
        g_strstrip(text);
        if (*text && !chat_send(chat, text, &failure) && !forgive(&failure, error))
            return FALSE;
    }
}

static gboolean send_one(Chat *chat, const char *text, GError **error)
{
    if (!*text)
        return ctl_fail(error, CTL_USAGE, "the message is empty");
    if (!g_utf8_validate(text, -1, NULL))
        return ctl_fail(error, CTL_USAGE, "the message is not UTF-8 text");
    return chat_send(chat, text, error);
}

/* What the person calls it: its name where that is known. */
static char *name_dup(Session *session, const char *id)
{
    g_autofree char *path = g_strconcat("/workspaces/", id, NULL);
    g_auto(ApiAnswer) answer = {0};
    JsonView view;
    char *name = NULL;

    if (api_call(session->api, "GET", path, NULL, &answer, &view, NULL))
        name = api_text_dup(view, "name");
    return name ? name : g_strdup(id);
}

gboolean chat_run(Session *session, GError **error)
{
    const Arguments *arguments = session->arguments;
    gboolean has_message = arguments->positions->len > 1;
    gboolean reads_input = has_message ? arguments->positions->len == 2 &&
                                             strcmp(arguments_position(arguments, 1), "-") == 0
                                       : !terminal_can_ask();
    g_autofree char *text = reads_input ? read_all(error) : join_words(arguments);
    if (!text)
        return FALSE;
    g_autofree char *id =
        workspace_id_resolve(session->api, arguments_position(arguments, 0), error);
    if (!id)
        return FALSE;
    g_autoptr(Chat) chat = chat_new(session, id, arguments_get(arguments, "context"));
    if (has_message || reads_input)
        return send_one(chat, text, error);
    g_autofree char *name = name_dup(session, id);
    return converse(chat, name, error);
}
