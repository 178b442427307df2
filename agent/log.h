/* One line of text per event, on standard error: time, level, sentence with fields.
 *
 * Never pass tokens, message texts or bodies. Texts of others (a server's reason, an id sent by a
 * client) must have passed a check that refuses control characters; as a second fence every byte
 * below a blank leaves as '?'. A line is cut at 1 KiB. */
#pragma once

void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
