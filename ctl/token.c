/* `token` and `open`: what opens the server, and the link that carries it into a browser. */
#include "base/json_out.h"
#include "commands.h"

#include <stdio.h>

static gboolean need_token(const Target *target, GError **error)
{
    if (target->token)
        return TRUE;
    return ctl_fail(error, CTL_REFUSED,
                    "there is no token: %s.\nStart the server once ('workspaced serve' makes it), "
                    "or give one with --token or WORKSPACED_TOKEN.",
                    target->token_source);
}

static void print_pairs(const char *const (*pairs)[2], guint count)
{
    g_autoptr(GString) text = g_string_new(NULL);
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    for (guint i = 0; i < count; i++)
        json_out_text(&out, pairs[i][0], pairs[i][1]);
    json_out_end(&out);
    printf("%s\n", text->str);
}

gboolean token_run(Session *session, GError **error)
{
    const Target *target = session->target;

    if (!need_token(target, error))
        return FALSE;
    if (session->wants_json) {
        const char *const pairs[][2] = {{"token", target->token}, {"source", target->token_source}};
        print_pairs(pairs, G_N_ELEMENTS(pairs));
        return TRUE;
    }
    printf("%s\n", target->token);
    fflush(stdout);
    fprintf(stderr, "read from %s\n", target->token_source);
    return TRUE;
}

gboolean open_run(Session *session, GError **error)
{
    const Target *target = session->target;

    if (!need_token(target, error))
        return FALSE;
    g_autofree char *escaped = g_uri_escape_string(target->token, NULL, FALSE);
    /* In the fragment, so that it reaches the page and no server's log. */
    g_autofree char *link = g_strdup_printf("%s/#token=%s", target->url, escaped);
    if (session->wants_json) {
        const char *const pairs[][2] = {{"url", link}};
        print_pairs(pairs, G_N_ELEMENTS(pairs));
        return TRUE;
    }
    printf("%s\n", link);
    return TRUE;
}
