#include "utf8_boundary.h"

size_t utf8_boundary(const char *text, size_t length, size_t limit)
{
    if (limit >= length)
        return length;
    while (limit > 0 && ((unsigned char)text[limit] & 0xc0) == 0x80)
        limit--;
    return limit;
}
