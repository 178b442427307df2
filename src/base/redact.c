#include "base/redact.h"

typedef struct {
    const char *pattern;
    const char *label;
} RedactClass;

/* In this order: what an earlier one replaced is not seen by a later one. */
static const RedactClass redact_classes[] = {
    {"(?i)\\b[A-Z][A-Z0-9_]*_API_KEY\\s*=\\s*\\S+", "API_KEY"},
    {"(?i)\\b[A-Z][A-Z0-9_]*_TOKEN\\s*=\\s*\\S+", "TOKEN"},
    {"(?i)\\b[A-Z][A-Z0-9_]*_SECRET\\s*=\\s*\\S+", "SECRET"},
    {"Bearer\\s+\\S+", "BEARER_TOKEN"},
    {"sk-[A-Za-z0-9\\-_]{16,}", "SK_TOKEN"},
    {"ctx7_[A-Za-z0-9]+", "CTX7_TOKEN"},
    {"[A-Za-z0-9+/]{33,}={0,2}", "BASE64_BLOB"},
};

/* NULL when nothing matched. */
static char *replace_class(const RedactClass *class, const char *text)
{
    /* RAW: bytes, so that classes and borders are those of ASCII. */
    g_autoptr(GRegex) regex = g_regex_new(class->pattern, G_REGEX_RAW, 0, NULL);
    g_autofree char *label = g_strdup_printf("[REDACTED:%s]", class->label);

    g_assert(regex);
    if (!g_regex_match(regex, text, 0, NULL))
        return NULL;
    return g_regex_replace_literal(regex, text, -1, 0, label, 0, NULL);
}

char *redact_dup(const char *text, char **classes)
{
    g_autofree char *result = g_strdup(text);
    g_autoptr(GString) fired = g_string_new(NULL);

    for (guint i = 0; i < G_N_ELEMENTS(redact_classes); i++) {
        g_autofree char *replaced = replace_class(&redact_classes[i], result);
        if (!replaced)
            continue;
        g_free(result);
        result = g_steal_pointer(&replaced);
        g_string_append_printf(fired, "%s%s", fired->len ? "," : "", redact_classes[i].label);
    }
    if (classes)
        *classes = fired->len ? g_strdup(fired->str) : NULL;
    return g_steal_pointer(&result);
}
