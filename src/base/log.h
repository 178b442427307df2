/* The structured log: one line an event, fields instead of prose.
 *
 *     log_info("workspace created", LOG_TEXT("workspace", id), LOG_INT("generation", 1));
 *
 * On a terminal a line is text, otherwise it is one JSON object. The id of the request that a
 * thread is working for is added by itself. Never log tokens, secrets, bodies or query strings.
 * Levels: error - someone must act; warning - we coped; info - a state changed; debug - for us.
 * Thread: any; one write(2) a line to standard error, so lines never mix. Source: STYLE section 10.
 */
#pragma once

#include <glib.h>

typedef enum { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR } LogLevel;
typedef enum { LOG_FORMAT_AUTO, LOG_FORMAT_TEXT, LOG_FORMAT_JSON } LogFormat;

typedef struct {
    const char *key; /* NULL ends the list */
    const char *text;
    gint64 number;
    gboolean is_number;
} LogField;

#define LOG_TEXT(key_, text_)  ((LogField){.key = (key_), .text = (text_)})
#define LOG_INT(key_, number_) ((LogField){.key = (key_), .number = (number_), .is_number = TRUE})
/* The message of a GError; its code joins as `code`. */
#define LOG_CAUSE(error_) LOG_TEXT("error", (error_) ? (error_)->message : "unknown")

#define log_at(level_, message_, ...)                                                              \
    log_write((level_), (message_), (const LogField[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}})
#define log_debug(message_, ...)   log_at(LOG_LEVEL_DEBUG, message_ __VA_OPT__(, ) __VA_ARGS__)
#define log_info(message_, ...)    log_at(LOG_LEVEL_INFO, message_ __VA_OPT__(, ) __VA_ARGS__)
#define log_warning(message_, ...) log_at(LOG_LEVEL_WARNING, message_ __VA_OPT__(, ) __VA_ARGS__)
#define log_error(message_, ...)   log_at(LOG_LEVEL_ERROR, message_ __VA_OPT__(, ) __VA_ARGS__)

/* Chooses level and format; call once before the first thread starts. Without it: info, auto. */
void log_setup(LogLevel lowest, LogFormat format);

/* Reads "debug", "info", "warning", "error". Returns FALSE for anything else. */
gboolean log_level_parse(const char *text, LogLevel *level);

/* Remembers the request this thread works for (borrowed, copied; at most 63 bytes); NULL forgets.
 */
void log_request_set(const char *request_id);
/* The id set for this thread, or NULL. Borrowed until the next set. */
const char *log_request_get(void);

/* Writes one line. `fields` ends with a field whose key is NULL. Use the macros above. */
void log_write(LogLevel level, const char *message, const LogField *fields);
