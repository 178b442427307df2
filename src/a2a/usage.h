/* What an agent's answer says about itself: model tokens used, tools called. Pure. Source: spec 04
 * sections 5.12, 5.13. */
#pragma once

#include "base/json_view.h"

typedef struct {
    gint64 input_tokens, output_tokens;
} AnswerUsage;

/* `result.usage`, else the top-level `usage`; FALSE when neither counts anything. Each number is
 * clamped to [0, 10000000]. */
gboolean usage_read(JsonView answer, AnswerUsage *usage);
/* `result.metadata.tool_trace`; FALSE when absent or null. */
gboolean tool_trace_find(JsonView answer, JsonView *trace);
