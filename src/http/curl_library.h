/* libcurl's own start, once for all who use it. Thread: any; cheap to repeat. */
#pragma once

void curl_library_ensure(void);
