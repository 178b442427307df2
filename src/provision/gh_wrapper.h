/* The script gh-wrapper.sh, put into the program by the build. */
#pragma once

#include <glib.h>

extern const guint8 gh_wrapper[];
extern const gsize gh_wrapper_size; /* bytes */
