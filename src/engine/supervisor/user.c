#include "user.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 7
#define NAME_SIZE  256

typedef struct {
    const char *start[FIELDS_MAX];
    size_t length[FIELDS_MAX];
    size_t count;
} Line;

/* Splits the line at `text` at its colons. Returns the start of the next line, NULL at the end. */
static const char *line_read(const char *text, Line *line)
{
    const char *end = strchrnul(text, '\n');
    const char *field = text;

    line->count = 0;
    while (line->count < FIELDS_MAX) {
        const char *stop = memchr(field, ':', (size_t)(end - field));

        line->start[line->count] = field;
        line->length[line->count] = (size_t)((stop ? stop : end) - field);
        line->count++;
        if (!stop)
            break;
        field = stop + 1;
    }
    return *end ? end + 1 : NULL;
}

static bool field_is(const Line *line, size_t index, const char *text)
{
    return index < line->count && line->length[index] == strlen(text) &&
           memcmp(line->start[index], text, line->length[index]) == 0;
}

static bool parse_id(const char *text, size_t length, unsigned *id)
{
    unsigned long value = 0;

    if (length == 0 || length > 10)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (unsigned long)(text[i] - '0');
    }
    *id = (unsigned)value;
    return value < 0xFFFFFFFFUL;
}

static bool field_id(const Line *line, size_t index, unsigned *id)
{
    return index < line->count && parse_id(line->start[index], line->length[index], id);
}

/* By name, else by number. FALSE: the file has no such line. */
static bool find_user(const char *name, const char *passwd, Line *line)
{
    unsigned wanted = 0, id = 0;
    bool is_number = parse_id(name, strlen(name), &wanted);

    for (const char *next = passwd; next && *next;) {
        next = line_read(next, line);
        if (field_is(line, 0, name) || (is_number && field_id(line, 2, &id) && id == wanted))
            return true;
    }
    return false;
}

static bool find_group(const char *name, const char *group, gid_t *gid)
{
    Line line;
    unsigned id = 0;

    for (const char *next = group; next && *next;) {
        next = line_read(next, &line);
        if (field_is(&line, 0, name) && field_id(&line, 2, &id)) {
            *gid = id;
            return true;
        }
    }
    if (!parse_id(name, strlen(name), &id))
        return false;
    *gid = id;
    return true;
}

static bool list_has(const char *list, size_t length, const char *name, size_t name_length)
{
    const char *end = list + length;

    while (list < end) {
        const char *stop = memchr(list, ',', (size_t)(end - list));
        size_t size = (size_t)((stop ? stop : end) - list);

        if (size == name_length && memcmp(list, name, size) == 0)
            return true;
        list += size + 1;
    }
    return false;
}

static void add_member_groups(const char *name, size_t name_length, const char *group,
                              UserIdentity *identity)
{
    Line line;
    unsigned id = 0;

    for (const char *next = group; next && *next;) {
        next = line_read(next, &line);
        if (line.count > 3 && identity->group_count < USER_GROUPS_MAX && field_id(&line, 2, &id) &&
            list_has(line.start[3], line.length[3], name, name_length))
            identity->groups[identity->group_count++] = id;
    }
}

bool user_identify(const char *user, const char *passwd, const char *group, UserIdentity *identity)
{
    char name[NAME_SIZE];
    const char *colon = strchrnul(user ? user : "", ':');
    Line line;
    unsigned id = 0;

    memset(identity, 0, sizeof *identity);
    strcpy(identity->home, "/");
    snprintf(name, sizeof name, "%.*s", user ? (int)(colon - user) : 0, user ? user : "");
    if (!*name)
        strcpy(name, "0");
    if (find_user(name, passwd, &line)) {
        if (!field_id(&line, 2, &id))
            return false;
        identity->uid = id;
        identity->gid = field_id(&line, 3, &id) ? id : 0;
        if (line.count > 5 && line.length[5] > 0 && line.length[5] < USER_HOME_SIZE)
            snprintf(identity->home, USER_HOME_SIZE, "%.*s", (int)line.length[5], line.start[5]);
        if (!*colon)
            add_member_groups(line.start[0], line.length[0], group, identity);
    } else if (parse_id(name, strlen(name), &id)) {
        identity->uid = id;
    } else {
        return false;
    }
    if (*colon)
        return colon[1] && find_group(colon + 1, group, &identity->gid);
    return true;
}
