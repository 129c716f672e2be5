// Prints the records of a topic as JSON Lines, as the log keeps them; a deletion has
// "retracted":true.
//
//   export_log [--changes] DIRECTORY TOPIC PARTITION|all [NULLABLE]
//
// NULLABLE names an integer field in which the least number stands for null. With --changes the
// word "insert", "update" or "delete" and a blank come before each record. A topic that is not
// there prints nothing.
#include "connectors/jsonl/json_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/call.h>
#include <weir/log.h>

static const char *change_of(const weir_log_rows *rows, uint32_t i)
{
    const uint8_t change = rows->changes != NULL ? rows->changes[i] : WEIR_INSERT;
    return change == WEIR_INSERT ? "insert " : change == WEIR_DELETE ? "delete " : "update ";
}

static bool print_rows(struct wr_json_plan *plan, const weir_log_rows *rows, bool shows_changes)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        const char *row  = (const char *)rows->rows + (size_t)i * rows->type->size;
        char       *line = malloc(wr_json_bound(plan, row));
        if (line == NULL) {
            return false;
        }
        const bool   is_deletion = rows->changes != NULL && rows->changes[i] == WEIR_DELETE;
        const size_t length      = wr_json_write(plan, row, is_deletion, line);
        const bool   is_printed  = (!shows_changes || fputs(change_of(rows, i), stdout) >= 0) &&
                                fwrite(line, 1, length, stdout) == length;
        free(line);
        if (!is_printed) {
            return false;
        }
    }
    return true;
}

static int fail(const char *sentence)
{
    (void)fprintf(stderr, "export_log: %s\n", sentence);
    return 1;
}

static int print_topic(weir_log *log, const char *topic, const uint32_t *partition,
                       const char *nullable, bool shows_changes)
{
    weir_topic                stored;
    weir_reader              *reader  = NULL;
    const weir_reader_options options = {
        .start           = WEIR_START_EARLIEST,
        .partitions      = partition,
        .partition_count = partition != NULL ? 1 : 0,
        .is_bounded      = true,
    };
    const weir_status found = weir_log_topic(log, topic, &stored);
    if (found != WEIR_OK) {
        return found == WEIR_NOT_FOUND ? 0 : fail(weir_log_error(log));
    }
    if (weir_reader_open(log, topic, &options, &reader) != WEIR_OK) {
        return fail(weir_log_error(log));
    }
    const struct wr_json_plan_options json = { &nullable, nullable != NULL ? 1 : 0 };
    struct wr_json_plan              *plan = wr_json_plan_open(stored.type, &json);
    weir_log_rows                     rows;
    weir_status                       status;
    while ((status = weir_reader_next(reader, -1, &rows)) == WEIR_OK) {
        if (!print_rows(plan, &rows, shows_changes)) {
            return fail("standard output cannot be written");
        }
    }
    const int code = status == WEIR_AT_END ? 0 : fail(weir_reader_error(reader));
    wr_json_plan_close(plan);
    weir_reader_close(reader);
    return code;
}

int main(int argc, char **argv)
{
    weir_log              *log           = NULL;
    const weir_log_options reading       = { .writes = false };
    const bool             shows_changes = argc > 1 && strcmp(argv[1], "--changes") == 0;
    argc -= shows_changes;
    argv += shows_changes;
    if (argc < 4) {
        return fail("give [--changes] DIRECTORY TOPIC PARTITION|all [NULLABLE]");
    }
    const uint32_t partition = (uint32_t)strtoul(argv[3], NULL, 10);
    if (weir_log_open(argv[1], &reading, &log) != WEIR_OK) {
        return fail(log != NULL ? weir_log_error(log) : "out of memory");
    }
    const int code = print_topic(log, argv[2], strcmp(argv[3], "all") == 0 ? NULL : &partition,
                                 argc > 4 ? argv[4] : NULL, shows_changes);
    (void)weir_log_close(log);
    return fflush(stdout) == 0 ? code : fail("standard output cannot be written");
}
