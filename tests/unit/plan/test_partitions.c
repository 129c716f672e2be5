// Which partitions a source has: they are listed when a job starts, and stay while it runs.
#include <weir.h>

#include "runtime/base/base.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct line {
    uint64_t number;
} line;
WEIR_RECORD(line, number);

static void see(line *local, const line *given) { local->number += given->number; }
static void forget(line *local, void *opaque)
{
    (void)local;
    (void)opaque;
}
WEIR_SINK(seen, line, line, see, forget);

static char directory[] = "/tmp/partitions-XXXXXX";

static void make_file(const char *name)
{
    char *const path = wr_format("%s/%s", directory, name);
    FILE *const file = fopen(path, "w");
    cr_assert_not_null(file);
    (void)fputs("{\"number\":1}\n", file);
    (void)fclose(file);
    wr_free(path);
}

static void remove_file(const char *name)
{
    char *const path = wr_format("%s/%s", directory, name);
    (void)unlink(path);
    wr_free(path);
}

// "source (jsonl), 1 partition" and the like is in the job's plan.
static bool plan_has(weir_job *job, const char *part)
{
    char  *text   = NULL;
    size_t length = 0;
    FILE  *to     = open_memstream(&text, &length);
    cr_assert_eq(weir_job_plan(job, NULL, false, to), WEIR_OK, "%s", weir_job_error(job));
    (void)fclose(to);
    const bool has = strstr(text, part) != NULL;
    free(text);
    return has;
}

Test(partitions, stay_while_the_job_runs_and_are_listed_anew_for_the_next_run)
{
    cr_assert_not_null(mkdtemp(directory));
    make_file("a.jsonl");
    const weir_jsonl_source_options files = { .path   = directory,
                                              .type   = &line_type,
                                              .follow = true };
    weir_job                       *job   = weir_job_open("partitions");
    (void)weir_sink(weir_from_jsonl(job, &files), &seen, NULL);
    weir_run *run = weir_run_start(job, NULL);
    cr_assert_not_null(run, "%s", weir_job_error(job));
    make_file("b.jsonl");
    cr_assert(plan_has(job, "1 partition\n"));
    weir_run_stop_any(run, false);
    cr_assert_eq(weir_run_close(run), WEIR_OK);
    cr_assert(plan_has(job, "2 partitions\n"));
    weir_job_close(job);
    remove_file("a.jsonl");
    remove_file("b.jsonl");
    (void)rmdir(directory);
}
