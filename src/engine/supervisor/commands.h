/* The supervisor's three lives. Each returns the exit status. */
#pragma once

/* `supervise FOLDER REPORT_FD`: runs a container in the background until it is over. */
int supervise_main(const char *folder, int report_fd);
/* `enter`: runs a program inside a running container; records at RUN_FD_RECORDS. */
int enter_main(void);
/* `init`: first process inside; becomes the program. Records at RUN_FD_RECORDS. */
int init_main(void);
