#include "terminal.h"

#include "base/text.h"

#include <string.h>
#include <unistd.h>

static gboolean is_terminal(FILE *stream)
{
    return isatty(fileno(stream)) == 1;
}

static gboolean is_control(gunichar character)
{
    return character < 0x20 || (character >= 0x7f && character < 0xa0);
}

/* Bidirectional overrides and zero-width marks can make a text read differently from what it is. */
static gboolean is_deceiving(gunichar character)
{
    return (character >= 0x202a && character <= 0x202e) ||
           (character >= 0x2066 && character <= 0x2069);
}

static void append_harmless(GString *out, const char *text, const char *also_allowed)
{
    for (const char *place = text; *place; place = g_utf8_next_char(place)) {
        gunichar character = g_utf8_get_char(place);
        gboolean is_allowed = character < 0x80 && strchr(also_allowed, (int)character) != NULL;
        if (!is_allowed && (is_control(character) || is_deceiving(character)))
            g_string_append_c(out, '?');
        else
            g_string_append_unichar(out, character);
    }
}

void terminal_write(FILE *stream, const char *text, gsize length)
{
    if (!is_terminal(stream)) {
        fwrite(text, 1, length, stream);
        return;
    }
    g_autofree char *valid = text_repair_dup(text, length);
    g_autoptr(GString) harmless = g_string_sized_new(length);
    append_harmless(harmless, valid, "\n\t");
    fwrite(harmless->str, 1, harmless->len, stream);
}

static guint character_width(gunichar character)
{
    if (g_unichar_iszerowidth(character))
        return 0;
    return g_unichar_iswide(character) ? 2 : 1;
}

guint terminal_width(const char *text)
{
    guint width = 0;

    for (; *text; text = g_utf8_next_char(text))
        width += character_width(g_utf8_get_char(text));
    return width;
}

gboolean terminal_is_utf8(void)
{
    return g_get_charset(NULL);
}

/* Cuts `text` so that it takes `width_max` columns together with the ellipsis. */
static void cut(GString *text, guint width_max)
{
    const char *ellipsis = terminal_is_utf8() ? "…" : "~";
    const char *place = text->str;
    guint width = 0;

    while (*place && width + character_width(g_utf8_get_char(place)) < width_max) {
        width += character_width(g_utf8_get_char(place));
        place = g_utf8_next_char(place);
    }
    g_string_truncate(text, (gsize)(place - text->str));
    g_string_append(text, ellipsis);
}

char *terminal_cell_dup(const char *text, guint width_max)
{
    g_autofree char *valid = text_repair_dup(text, strlen(text));
    GString *cell = g_string_new(NULL);

    append_harmless(cell, valid, "");
    if (width_max > 0 && terminal_width(cell->str) > width_max)
        cut(cell, width_max);
    return g_string_free(cell, FALSE);
}

void terminal_pad(FILE *stream, const char *text, guint width)
{
    guint used = terminal_width(text);

    fprintf(stream, "%s%*s", text, used < width ? (int)(width - used) : 0, "");
}

void terminal_progress(const char *line)
{
    static gboolean is_shown;

    if (!is_terminal(stderr) || (!line && !is_shown))
        return;
    g_autofree char *cell = line ? terminal_cell_dup(line, 78) : g_strdup("");
    fprintf(stderr, "\r\033[K%s", cell);
    fflush(stderr);
    is_shown = line != NULL;
}

gboolean terminal_can_ask(void)
{
    return is_terminal(stdin) && is_terminal(stderr);
}

gboolean terminal_ask(const char *question)
{
    char answer[16] = "";

    fprintf(stderr, "%s [y/N] ", question);
    fflush(stderr);
    if (!fgets(answer, sizeof answer, stdin)) {
        fputc('\n', stderr);
        return FALSE;
    }
    g_strstrip(answer);
    return g_ascii_strcasecmp(answer, "y") == 0 || g_ascii_strcasecmp(answer, "yes") == 0;
}
