#include "standby_records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MODE_BITS 0777

/* A text that ends before `end`; NULL when it does not. `at` goes behind it. */
static const char *next_text(const char **at, const char *end)
{
    const char *text = *at;
    const char *nul = memchr(text, '\0', (size_t)(end - text));

    if (nul == NULL)
        return NULL;
    *at = nul + 1;
    return text;
}

/* Digits only, all of them. */
static bool next_number(const char **at, const char *end, int base, size_t *number)
{
    const char *text = next_text(at, end);
    char *rest;

    if (text == NULL || text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *number = strtoul(text, &rest, base);
    return errno == 0 && *rest == '\0';
}

bool standby_record_next(const char **at, const char *end, StandbyRecord *record)
{
    size_t mode = 0;

    record->name = next_text(at, end);
    if (record->name == NULL || !next_number(at, end, 8, &mode) ||
        !next_number(at, end, 10, &record->size) || record->size > (size_t)(end - *at))
        return false;
    record->mode = (unsigned)(mode & MODE_BITS);
    record->bytes = *at;
    *at += record->size;
    return true;
}

bool standby_record_is_safe(const StandbyRecord *record)
{
    const char *name = record->name;
    const char *slash = strchr(name, '/');

    return name[0] != '\0' && name[0] != '/' && strlen(name) <= STANDBY_NAME_MAX_BYTES &&
           strstr(name, "..") == NULL && (slash == NULL || strchr(slash + 1, '/') == NULL);
}
