#include "base/ids.h"

#include "base/crypto.h"

static const char hex[] = "0123456789abcdef";

static gboolean is_hyphen_place(gsize place)
{
    return place == 8 || place == 13 || place == 18 || place == 23;
}

void id_make(char id[ID_SIZE])
{
    guint8 bytes[16];
    gsize place = 0;

    crypto_random(bytes, sizeof bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40; /* version 4 */
    bytes[8] = (bytes[8] & 0x3f) | 0x80; /* RFC 9562 variant */
    for (gsize i = 0; i < sizeof bytes; i++) {
        if (is_hyphen_place(place))
            id[place++] = '-';
        id[place++] = hex[bytes[i] >> 4];
        id[place++] = hex[bytes[i] & 0x0f];
    }
    id[place] = '\0';
}

gboolean id_fold(const char *text, char id[ID_SIZE])
{
    char folded[ID_SIZE];
    gsize place = 0;

    if (!text)
        return FALSE;
    for (; text[place]; place++) {
        if (place >= ID_SIZE - 1)
            return FALSE;
        if (is_hyphen_place(place) ? text[place] != '-' : !g_ascii_isxdigit(text[place]))
            return FALSE;
        folded[place] = g_ascii_tolower(text[place]);
    }
    if (place != ID_SIZE - 1)
        return FALSE;
    folded[place] = '\0';
    memcpy(id, folded, sizeof folded);
    return TRUE;
}
