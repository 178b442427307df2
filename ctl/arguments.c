#include "arguments.h"

#include "base/text.h"

#include <string.h>

typedef struct {
    const Option *tables[2];
    const char *const *next;
    Arguments *arguments;
} Parser;

static const Option *find_name(const Parser *parser, const char *name, gsize length)
{
    for (guint i = 0; i < G_N_ELEMENTS(parser->tables); i++)
        for (const Option *option = parser->tables[i]; option && option->name; option++)
            if (strlen(option->name) == length && memcmp(option->name, name, length) == 0)
                return option;
    return NULL;
}

static const Option *find_letter(const Parser *parser, char letter)
{
    for (guint i = 0; i < G_N_ELEMENTS(parser->tables); i++)
        for (const Option *option = parser->tables[i]; option && option->name; option++)
            if (option->letter && option->letter == letter)
                return option;
    return NULL;
}

static gboolean keep(Parser *parser, const Option *option, const char *value, GError **error)
{
    GPtrArray *values = g_hash_table_lookup(parser->arguments->values, option->name);

    if (values && !option->is_repeatable && option->value)
        return ctl_fail(error, CTL_USAGE, "option --%s is given twice", option->name);
    if (!values) {
        values = g_ptr_array_new_with_free_func(g_free);
        g_hash_table_insert(parser->arguments->values, (void *)option->name, values);
    }
    g_ptr_array_add(values, g_strdup(value));
    return TRUE;
}

/* Takes the next word as the value of `option`. */
static gboolean keep_next(Parser *parser, const Option *option, GError **error)
{
    if (!*parser->next)
        return ctl_fail(error, CTL_USAGE, "option --%s needs a value: --%s %s", option->name,
                        option->name, option->value);
    return keep(parser, option, *parser->next++, error);
}

static gboolean read_long(Parser *parser, const char *word, GError **error)
{
    const char *equals = strchr(word, '=');
    gsize length = equals ? (gsize)(equals - word) : strlen(word);
    const Option *option = find_name(parser, word, length);

    if (!option)
        return ctl_fail(error, CTL_USAGE, "unknown option --%.*s", (int)length, word);
    if (!option->value)
        return equals ? ctl_fail(error, CTL_USAGE, "option --%s takes no value", option->name)
                      : keep(parser, option, "", error);
    return equals ? keep(parser, option, equals + 1, error) : keep_next(parser, option, error);
}

static gboolean read_letters(Parser *parser, const char *letters, GError **error)
{
    for (; *letters; letters++) {
        const Option *option = find_letter(parser, *letters);
        if (!option)
            return ctl_fail(error, CTL_USAGE, "unknown option -%c", *letters);
        if (!option->value) {
            if (!keep(parser, option, "", error))
                return FALSE;
            continue;
        }
        return letters[1] ? keep(parser, option, letters + 1, error)
                          : keep_next(parser, option, error);
    }
    return TRUE;
}

static gboolean read_words(Parser *parser, GError **error)
{
    gboolean are_options_over = FALSE;

    while (*parser->next) {
        const char *word = *parser->next++;
        gboolean is_read = TRUE;
        if (are_options_over || word[0] != '-' || word[1] == '\0')
            g_ptr_array_add(parser->arguments->positions, g_strdup(word));
        else if (strcmp(word, "--") == 0)
            are_options_over = TRUE;
        else if (word[1] == '-')
            is_read = read_long(parser, word + 2, error);
        else
            is_read = read_letters(parser, word + 1, error);
        if (!is_read)
            return FALSE;
    }
    return TRUE;
}

Arguments *arguments_parse(const char *const *words, const Option *options, const Option *more,
                           GError **error)
{
    g_autoptr(Arguments) arguments = g_new0(Arguments, 1);
    Parser parser = {.tables = {options, more}, .next = words, .arguments = arguments};

    arguments->values =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
    arguments->positions = g_ptr_array_new_with_free_func(g_free);
    if (!read_words(&parser, error))
        return NULL;
    return g_steal_pointer(&arguments);
}

void arguments_free(Arguments *arguments)
{
    if (!arguments)
        return;
    g_hash_table_unref(arguments->values);
    g_ptr_array_unref(arguments->positions);
    g_free(arguments);
}

gboolean arguments_has(const Arguments *arguments, const char *name)
{
    return g_hash_table_contains(arguments->values, name);
}

const GPtrArray *arguments_get_all(const Arguments *arguments, const char *name)
{
    return g_hash_table_lookup(arguments->values, name);
}

const char *arguments_get(const Arguments *arguments, const char *name)
{
    const GPtrArray *values = arguments_get_all(arguments, name);

    return values ? values->pdata[values->len - 1] : NULL;
}

gboolean arguments_get_int(const Arguments *arguments, const char *name, gint64 min, gint64 max,
                           gint64 *value, GError **error)
{
    const char *text = arguments_get(arguments, name);

    if (!text || text_parse_int(text, min, max, value))
        return TRUE;
    return ctl_fail(error, CTL_USAGE,
                    "--%s must be a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
                    ", not '%s'",
                    name, min, max, text);
}

const char *arguments_position(const Arguments *arguments, guint index)
{
    return index < arguments->positions->len ? arguments->positions->pdata[index] : NULL;
}
