#include "base/dotenv.h"

#include <string.h>

#define LINE_MAX_BYTES (64 * 1024)
#define FOLDERS_MAX    6

static gboolean is_name(const char *key)
{
    if (!g_ascii_isalpha(*key) && *key != '_')
        return FALSE;
    for (; *key; key++)
        if (!g_ascii_isalnum(*key) && *key != '_')
            return FALSE;
    return TRUE;
}

/* Trims Unicode white space on both ends, in place; returns the new start. */
static char *trim(char *text)
{
    char *end = text + strlen(text);

    if (!g_utf8_validate(text, -1, NULL))
        return g_strstrip(text);
    while (*text && g_unichar_isspace(g_utf8_get_char(text)))
        text = g_utf8_next_char(text);
    while (end > text) {
        char *before = g_utf8_prev_char(end);
        if (!g_unichar_isspace(g_utf8_get_char(before)))
            break;
        end = before;
    }
    *end = '\0';
    return text;
}

static char *skip_blanks(char *text)
{
    return text + strspn(text, " \t");
}

/* The value behind `=`: quoted up to its closing quote, or bare up to a comment. */
static char *read_value(char *text)
{
    char *closing;

    text = skip_blanks(text);
    closing = *text == '"' || *text == '\'' ? strchr(text + 1, *text) : NULL;
    if (closing) {
        *closing = '\0';
        return text + 1;
    }
    for (char *c = text; *c; c++) {
        if (*c == '#' && (c == text || c[-1] == ' ' || c[-1] == '\t')) {
            *c = '\0';
            break;
        }
    }
    return trim(text);
}

static void read_line(char *line, GHashTable *values)
{
    char *equals;
    char *key;

    if (g_str_has_prefix(line, "\xEF\xBB\xBF"))
        line += 3;
    line = trim(line);
    if (!*line || *line == '#')
        return;
    if (g_str_has_prefix(line, "export "))
        line = skip_blanks(line + strlen("export "));
    equals = strchr(line, '=');
    if (!equals || equals == line)
        return;
    *equals = '\0';
    key = trim(line);
    if (is_name(key) && !g_hash_table_contains(values, key))
        g_hash_table_insert(values, g_strdup(key), g_strdup(read_value(equals + 1)));
}

GHashTable *dotenv_parse(const char *text, gsize length)
{
    GHashTable *values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    const char *end = text + length;

    while (text < end) {
        const char *line_end = memchr(text, '\n', (gsize)(end - text));
        gsize size = (gsize)((line_end ? line_end : end) - text);
        if (size <= LINE_MAX_BYTES && !memchr(text, '\0', size)) {
            g_autofree char *line = g_strndup(text, size);
            read_line(line, values);
        }
        text += size + 1;
    }
    return values;
}

static gboolean exists_in(const char *folder, const char *name, GFileTest test)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    return g_file_test(path, test);
}

static gboolean has_marker(const char *folder)
{
    return exists_in(folder, "workspace-server/go.mod", G_FILE_TEST_IS_REGULAR) ||
           (exists_in(folder, "migrations", G_FILE_TEST_IS_DIR) &&
            exists_in(folder, "dev", G_FILE_TEST_IS_REGULAR));
}

char *dotenv_find(const char *start)
{
    g_autofree char *folder = g_canonicalize_filename(start, NULL);

    for (int i = 0; i < FOLDERS_MAX; i++) {
        char *parent;
        if (exists_in(folder, ".env", G_FILE_TEST_IS_REGULAR) && has_marker(folder))
            return g_build_filename(folder, ".env", NULL);
        parent = g_path_get_dirname(folder);
        if (g_str_equal(parent, folder)) {
            g_free(parent);
            return NULL;
        }
        g_free(folder);
        folder = parent;
    }
    return NULL;
}
