/* The files of web/dist, put into the program by tools/embed-web.py. */
#pragma once

#include <glib.h>

typedef struct {
    const char *path; /* NULL ends the table */
    const char *type;
    const char *etag;
    const unsigned char *bytes;
    gsize length;
} WebFile;

extern const WebFile web_files[];
