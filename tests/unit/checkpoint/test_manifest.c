#include "runtime/base/text_file.h"
#include "tests/support/checkpoint_life.h"

#include <criterion/criterion.h>

TestSuite(manifest, .timeout = 60);

struct made {
    struct wr_manifest      manifest;
    struct wr_manifest_task tasks[3];
};

static void make(struct made *made)
{
    made->manifest            = life_manifest();
    made->manifest.checkpoint = 12;
    made->manifest.epoch      = 3;
    made->manifest.is_stopped = true;
    made->manifest.durable_us = 99;
    made->manifest.version    = "0.1.0";
    made->tasks[0]            = (struct wr_manifest_task){
                   0, 0, 0, 0, WR_CELL_COUNT, 800, 0x1a2b3c4d, "c0000000012-e00003-t00000"
    };
    made->tasks[1] = (struct wr_manifest_task){
        4, 7, 1, 100, WR_CELL_COUNT, 808, 0, "c0000000012-e00003-t00004"
    };
    made->tasks[2] =
        (struct wr_manifest_task){ 9, 7, 0, 0, 100, 816, 5, "c0000000012-e00003-t00009" };
    made->manifest.tasks      = made->tasks;
    made->manifest.task_count = 3;
}

// Reads a text (wr_alloc'ed); the sentence of a refusal, for wr_free, or NULL.
static char *refusal_of_text(char *text, weir_status expected)
{
    struct wr_manifest found;
    struct wr_error    error  = { .status = WEIR_OK };
    const weir_status  status = wr_manifest_parse(text, "/place", &found, &error);
    cr_assert_eq(status, error.status);
    if (status == WEIR_OK) {
        wr_manifest_fini(&found);
        return NULL;
    }
    cr_assert_eq(status, expected, "%s: %s", weir_status_name(status), error.sentence);
    cr_assert(strstr(error.sentence, "/place") != NULL);
    return error.sentence;
}

static void refuses(const struct made *made, const char *part)
{
    char *const sentence = refusal_of_text(wr_manifest_text(&made->manifest), WEIR_DAMAGED);
    cr_assert(sentence != NULL && strstr(sentence, part) != NULL, "\"%s\" does not say \"%s\"",
              sentence == NULL ? "" : sentence, part);
    wr_free(sentence);
}

// The text with `from` replaced.
static char *text_with(const struct made *made, const char *from, const char *to)
{
    char *const text  = wr_manifest_text(&made->manifest);
    char *const found = strstr(text, from);
    cr_assert(found != NULL, "%s", from);
    *found             = 0;
    char *const result = wr_format("%s%s%s", text, to, found + strlen(from));
    wr_free(text);
    return result;
}

Test(manifest, is_read_as_it_was_written)
{
    struct made        made;
    struct wr_manifest found;
    struct wr_error    error = { .status = WEIR_OK };
    make(&made);
    char *const text = wr_manifest_text(&made.manifest);
    cr_assert_eq(wr_manifest_parse(wr_copy_text(text), "/place", &found, &error), WEIR_OK, "%s",
                 error.sentence);
    cr_assert(found.checkpoint == 12 && found.epoch == 3 && found.durable_us == 99);
    cr_assert(!found.is_savepoint && !found.is_final && found.is_stopped);
    cr_assert_str_eq(found.job, "card-guard");
    cr_assert(found.graph_hash == 0xc0ffee && found.hash_seed == 77);
    cr_assert_eq(found.operator_count, 2);
    cr_assert_str_eq(found.operators[0], life_operators[0]);
    cr_assert_eq(found.task_count, 3);
    cr_assert(found.tasks[0].index_crc == 0x1a2b3c4d && found.tasks[1].first_cell == 100);
    cr_assert_str_eq(found.tasks[2].file, made.tasks[2].file);
    char *const again = wr_manifest_text(&found);
    cr_assert_str_eq(again, text);
    wr_free(again);
    wr_free(text);
    wr_manifest_fini(&found);
}

Test(manifest, without_any_of_its_lines_is_refused)
{
    struct made made;
    make(&made);
    char *const text  = wr_manifest_text(&made.manifest);
    uint32_t    lines = 0;
    for (const char *at = text; *at != 0; lines++) {
        const char *const end      = strchr(at, '\n') + 1;
        char *const       without  = wr_format("%.*s%s", (int)(at - text), text, end);
        char *const       sentence = refusal_of_text(without, WEIR_DAMAGED);
        cr_assert(sentence != NULL, "without line %u", lines);
        wr_free(sentence);
        at = end;
    }
    cr_assert_eq(lines, 21);
    wr_free(text);
}

Test(manifest, with_a_line_twice_is_refused)
{
    struct made made;
    make(&made);
    char *const text = wr_manifest_text(&made.manifest);
    for (const char *at = text; *at != 0;) {
        const char *const end      = strchr(at, '\n') + 1;
        char *const       twice    = wr_format("%.*s%s", (int)(end - text), text, at);
        char *const       sentence = refusal_of_text(twice, WEIR_DAMAGED);
        cr_assert(sentence != NULL);
        wr_free(sentence);
        at = end;
    }
    wr_free(text);
}

Test(manifest, of_another_machine_or_a_newer_format_is_refused_as_such)
{
    static const char *const changes[][2] = { { "cells 65536\n", "cells 128\n" },
                                              { "endianness little", "endianness big" },
                                              { "weir checkpoint 1", "weir checkpoint 2" } };
    struct made              made;
    make(&made);
    for (uint32_t i = 0; i < WR_COUNT_OF(changes); i++) {
        char *const text     = text_with(&made, changes[i][0], changes[i][1]);
        char *const sentence = refusal_of_text(text, WEIR_CONFLICT);
        cr_assert(sentence != NULL, "%s", changes[i][1]);
        wr_free(sentence);
    }
}

Test(manifest, whose_instances_are_not_each_there_once_is_refused)
{
    struct made made;
    make(&made);
    made.tasks[1].instance = 0;
    refuses(&made, "instances");
    make(&made);
    made.tasks[1].instance = 2;
    refuses(&made, "instances");
}

Test(manifest, whose_key_ranges_leave_a_gap_or_overlap_is_refused)
{
    struct made made;
    make(&made);
    made.tasks[1].first_cell = 101;
    refuses(&made, "partition");
    make(&made);
    made.tasks[1].first_cell = 99;
    refuses(&made, "partition");
    make(&made);
    made.tasks[1].end_cell = WR_CELL_COUNT - 1;
    refuses(&made, "partition");
}

Test(manifest, whose_stage_is_not_keyed_has_whole_or_empty_ranges)
{
    struct made made;
    make(&made);
    made.tasks[1].first_cell = 0;
    made.tasks[2].end_cell   = WR_CELL_COUNT;
    cr_assert(refusal_of_text(wr_manifest_text(&made.manifest), WEIR_OK) == NULL);
    made.tasks[1].end_cell = made.tasks[2].end_cell = 0;
    cr_assert(refusal_of_text(wr_manifest_text(&made.manifest), WEIR_OK) == NULL);
}

Test(manifest, whose_file_is_of_another_checkpoint_epoch_or_task_is_refused)
{
    static const char *const names[] = { "c0000000011-e00003-t00000", "c0000000012-e00002-t00000",
                                         "c0000000012-e00003-t00004", "state" };
    struct made              made;
    for (uint32_t i = 0; i < WR_COUNT_OF(names); i++) {
        make(&made);
        made.tasks[0].file = names[i];
        refuses(&made, "file of a task");
    }
}

Test(manifest, takes_no_text_with_the_end_of_a_line_in_it)
{
    struct made made;
    make(&made);
    made.manifest.job = "two\nlines";
    cr_assert(wr_manifest_text(&made.manifest) == NULL);
}

Test(manifest, is_named_in_one_way_of_writing_it_only)
{
    static const char *const wrong[] = {
        "manifest-12", "manifest-00000000012", "manifest-0000000012.tmp",
        "manifest-",   "manifest.tmp-e00003",  "manifest-99999999999999999999"
    };
    char     name[WR_MANIFEST_NAME_BYTES];
    uint64_t checkpoint;
    wr_manifest_name(12, name);
    cr_assert_str_eq(name, "manifest-0000000012");
    cr_assert(wr_manifest_name_parse(name, &checkpoint) && checkpoint == 12);
    wr_manifest_name(UINT64_MAX, name);
    cr_assert(wr_manifest_name_parse(name, &checkpoint) && checkpoint == UINT64_MAX);
    wr_manifest_name(0, name);
    cr_assert(wr_manifest_name_parse(name, &checkpoint) && checkpoint == 0);
    for (uint32_t i = 0; i < WR_COUNT_OF(wrong); i++) {
        cr_assert(!wr_manifest_name_parse(wrong[i], &checkpoint), "%s", wrong[i]);
    }
}
