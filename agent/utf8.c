#include "utf8.h"

#include "memory.h"

#include <stdbool.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Length of the sequence that a first byte announces; 0: no character begins with it. */
static size_t sequence_length(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if (first >= 0xe0 && first <= 0xef)
        return 3;
    if (first >= 0xf0 && first <= 0xf4)
        return 4;
    return 0;
}

/* Whether a byte may stand at `position` (1..3) after `first`. The second byte has a narrower
 * range where overlong forms, surrogates or numbers above U+10FFFF would begin. */
static bool may_follow(unsigned char first, size_t position, unsigned char byte)
{
    unsigned char low = 0x80;
    unsigned char high = 0xbf;

    if (position == 1) {
        low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : low;
        high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : high;
    }
    return byte >= low && byte <= high;
}

static void add(TextBuffer *out, const char *bytes, size_t length)
{
    if (!text_buffer_append(out, bytes, length))
        return; /* the header asks the caller for room; what is too much is left out */
}

/* Takes one byte after pending ones. False: it does not belong to them and is still to be read. */
static bool continue_character(Utf8Repair *repair, char byte, TextBuffer *out)
{
    unsigned char first = (unsigned char)repair->pending[0];

    if (!may_follow(first, repair->pending_length, (unsigned char)byte)) {
        add(out, REPLACEMENT, 3);
        repair->pending_length = 0;
        return false;
    }
    repair->pending[repair->pending_length++] = byte;
    if (repair->pending_length == sequence_length(first)) {
        add(out, repair->pending, repair->pending_length);
        repair->pending_length = 0;
    }
    return true;
}

static void begin_character(Utf8Repair *repair, char byte, TextBuffer *out)
{
    size_t length = sequence_length((unsigned char)byte);

    if (length <= 1) { /* an ill-formed byte, or NUL: printable ASCII never comes here */
        add(out, REPLACEMENT, 3);
        return;
    }
    repair->pending[0] = byte;
    repair->pending_length = 1;
}

/* How many plain characters (ASCII without NUL) stand at the front. */
static size_t plain_length(const char *bytes, size_t length)
{
    size_t i = 0;

    while (i < length && bytes[i] != '\0' && (unsigned char)bytes[i] < 0x80)
        i++;
    return i;
}

void utf8_repair_feed(Utf8Repair *repair, const char *bytes, size_t length, TextBuffer *out)
{
    size_t i = 0;

    while (i < length) {
        if (repair->pending_length > 0) {
            if (continue_character(repair, bytes[i], out))
                i++;
            continue;
        }
        size_t plain = plain_length(bytes + i, length - i);
        add(out, bytes + i, plain);
        i += plain;
        if (i < length)
            begin_character(repair, bytes[i++], out);
    }
}

void utf8_repair_end(Utf8Repair *repair, TextBuffer *out)
{
    if (repair->pending_length > 0)
        add(out, REPLACEMENT, 3);
    repair->pending_length = 0;
}

char *utf8_dup_repaired(const char *text)
{
    TextBuffer out;
    Utf8Repair repair = {0};

    if (text == NULL)
        return NULL;
    size_t length = strlen(text);
    text_buffer_init(&out, 3 * length + 3);
    utf8_repair_feed(&repair, text, length, &out);
    utf8_repair_end(&repair, &out);
    return out.data != NULL ? out.data : memory_text_dup("");
}
