/* Reads single members of the daemon's JSON, and writes what several requests hold. An absent
 * member, null and a wrong type are all "nothing". Private to engine/docker. Thread: any (pure
 * functions). */
#pragma once

#include "base/json_out.h"
#include "base/json_view.h"
#include "engine/engine.h"

char *docker_json_text(JsonView object, const char *key);    /* NULL: nothing; caller owns it */
gint64 docker_json_int(JsonView object, const char *key);    /* 0: nothing */
gboolean docker_json_bool(JsonView object, const char *key); /* FALSE: nothing */
/* An object or array; FALSE: nothing. */
gboolean docker_json_child(JsonView object, const char *key, JsonView *child);

/* Labels of ours out of an object of labels (or of an event's attributes); `labels` is cleared or
 * zeroed before. */
void docker_json_labels(JsonView object, EngineLabels *labels);

/* The other way: the members that are set, alone or as the object "Labels". */
void docker_json_out_label_members(JsonOut *out, const EngineLabels *labels);
void docker_json_out_labels(JsonOut *out, const EngineLabels *labels);

/* RFC 3339 with any fraction; 0 for the daemon's "never" (year 1) and for text that is no time. */
gint64 docker_json_time(JsonView object, const char *key);

/* Compares a key's token with a plain name, faster than json_view_text_is: daemons never escape
 * keys. */
gboolean docker_json_key_is(JsonView key, const char *name);

/* A query's `filters` value, escaped: {"type":["container"],"label":["<label>=<value>"]}, each only
 * when its argument is not NULL. Caller owns it. */
char *docker_json_filters(const char *type, const char *installation);
