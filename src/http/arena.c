#include "http/arena.h"

#include <stddef.h>
#include <string.h>

#define BLOCK_BYTES 4096

struct _ArenaBlock {
    ArenaBlock *next;
    max_align_t bytes[];
};

void arena_init(Arena *arena, void *first, gsize size)
{
    *arena = (Arena){.at = first, .end = (char *)first + size};
}

void arena_clear(Arena *arena)
{
    while (arena->blocks) {
        ArenaBlock *block = arena->blocks;
        arena->blocks = block->next;
        g_free(block);
    }
}

static ArenaBlock *add_block(Arena *arena, gsize size)
{
    ArenaBlock *block = g_malloc(sizeof *block + size);

    block->next = arena->blocks;
    arena->blocks = block;
    return block;
}

void *arena_take(Arena *arena, gsize size)
{
    gsize rounded = (size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
    char *taken;

    if (rounded > BLOCK_BYTES / 2 && rounded > (gsize)(arena->end - arena->at))
        return add_block(arena, rounded)->bytes; /* a block of its own; the open one stays open */
    if (rounded > (gsize)(arena->end - arena->at)) {
        arena->at = (char *)add_block(arena, BLOCK_BYTES)->bytes;
        arena->end = arena->at + BLOCK_BYTES;
    }
    taken = arena->at;
    arena->at += rounded;
    return taken;
}

char *arena_text(Arena *arena, const char *bytes, gsize length)
{
    char *copy = arena_take(arena, length + 1);

    if (length > 0)
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}
