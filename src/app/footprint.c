#include "app/footprint.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* Only text: it is never written, so its pages equal the file's. (Other read-only pages may hold
 * relocations.) */
static int is_program_text(const char *permissions, const char *path)
{
    return strcmp(permissions, "r-xp") == 0 && path[0] == '/';
}

void footprint_trim(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[4352];

    malloc_trim(0);
    while (maps && fgets(line, sizeof line, maps)) {
        uintptr_t start = 0, end = 0;
        char permissions[8] = "", path[4096] = "";
        if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %4095s", &start, &end, permissions, path) == 4 &&
            is_program_text(permissions, path))
            madvise((void *)start, end - start, MADV_DONTNEED);
    }
    if (maps)
        fclose(maps);
}
