/* Gives memory back after the start. Thread: main, once everything runs. */
#pragma once

/* Relocating some thirty libraries and running their initialisers touches several MiB of program
 * text that is never used again. Their pages are dropped; what is needed comes back from the page
 * cache by itself. Free heap goes back, too. */
void footprint_trim(void);
