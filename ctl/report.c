/* What was found, for people and for programs. */
#include "report.h"

#include "base/json_out.h"
#include "terminal.h"

#include <string.h>

#define SUBJECT_COLUMNS 40
#define LABEL_COLUMNS   6

static void finding_free(void *data)
{
    Finding *finding = data;

    g_free(finding->subject);
    g_free(finding->workspace_id);
    g_free(finding->what);
    g_free(finding->why);
    g_free(finding->advice);
    g_free(finding);
}

void report_init(Report *report)
{
    *report = (Report){.findings = g_ptr_array_new_with_free_func(finding_free)};
}

void report_clear(Report *report)
{
    g_clear_pointer(&report->findings, g_ptr_array_unref);
    g_clear_pointer(&report->server_fault, g_free);
}

void report_add_workspace(Report *report, FindingLevel level, const char *id, const char *name,
                          const char *what, const char *why, const char *advice)
{
    Finding *finding = g_new0(Finding, 1);

    finding->level = level;
    finding->workspace_id = g_strdup(id);
    finding->subject = g_strdup(name);
    finding->what = g_strdup(what);
    finding->why = g_strdup(why);
    finding->advice = g_strdup(advice);
    g_ptr_array_add(report->findings, finding);
}

void report_add(Report *report, FindingLevel level, const char *subject, const char *what,
                const char *why, const char *advice)
{
    report_add_workspace(report, level, NULL, subject, what, why, advice);
}

guint report_count(const Report *report, FindingLevel level)
{
    guint found = 0;

    for (guint i = 0; i < report->findings->len; i++)
        found += ((const Finding *)report->findings->pdata[i])->level == level;
    return found;
}

static const char *const level_words[] = {
    [FINDING_FINE] = "fine",
    [FINDING_NOTE] = "note",
    [FINDING_DIFFERENCE] = "difference",
};

/* ---- For people ---- */

static void print_line(const char *label, const char *text)
{
    if (!text || !*text)
        return;
    terminal_pad(stdout, "", LABEL_COLUMNS);
    terminal_pad(stdout, label, LABEL_COLUMNS);
    terminal_write(stdout, text, strlen(text));
    putchar('\n');
}

static void print_finding(const Finding *finding)
{
    static const char *const marks[] = {
        [FINDING_FINE] = "ok", [FINDING_NOTE] = "note", [FINDING_DIFFERENCE] = "DIFF"};
    g_autofree char *subject = terminal_cell_dup(finding->subject, SUBJECT_COLUMNS);
    g_autofree char *what = terminal_cell_dup(finding->what, 0);

    terminal_pad(stdout, marks[finding->level], LABEL_COLUMNS);
    fputs(subject, stdout);
    if (finding->workspace_id)
        printf(" (%.8s)", finding->workspace_id);
    printf(": %s\n", what);
    print_line("why:", finding->why);
    print_line("do:", finding->advice);
}

void report_print(const Report *report)
{
    guint differences = report_count(report, FINDING_DIFFERENCE);

    for (guint i = 0; i < report->findings->len; i++)
        print_finding(report->findings->pdata[i]);
    if (report->server_fault)
        fprintf(stderr, "workspacectl: %s\n", report->server_fault);
    else if (differences == 0)
        puts("All is as wished.");
    else
        printf("%u %s.\n", differences, differences == 1 ? "difference" : "differences");
}

/* ---- For programs ---- */

static void write_finding(JsonOut *out, const Finding *finding)
{
    json_out_object(out, NULL);
    json_out_text(out, "level", level_words[finding->level]);
    json_out_text(out, "subject", finding->subject);
    json_out_text(out, "workspace_id", finding->workspace_id);
    json_out_text(out, "what", finding->what);
    json_out_text(out, "why", finding->why);
    json_out_text(out, "advice", finding->advice);
    json_out_end(out);
}

static const char *verdict(const Report *report)
{
    if (report->server_fault)
        return "cannot_ask";
    return report_count(report, FINDING_DIFFERENCE) ? "differences" : "fine";
}

void report_print_json(const Report *report, const char *server_url)
{
    g_autoptr(GString) text = g_string_new(NULL);
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    json_out_text(&out, "status", verdict(report));
    json_out_text(&out, "server", server_url);
    json_out_text(&out, "error", report->server_fault);
    json_out_array(&out, "findings");
    for (guint i = 0; i < report->findings->len; i++)
        write_finding(&out, report->findings->pdata[i]);
    json_out_end(&out);
    json_out_end(&out);
    printf("%s\n", text->str);
}
