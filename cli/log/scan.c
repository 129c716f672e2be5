#include "cli/log/scan.h"

#include "cli/progress.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define SLICE_US  200000
#define COMMIT_US 1000000
#define SHOW_US   200000

struct scan {
    struct wr_scan          *of;
    const struct wr_command *command;
    weir_log                *log;
    weir_topic               topic;
    weir_reader             *reader;
    struct wr_print          print;
    uint32_t                *partitions; // those that are read
    uint32_t                 partition_count;
    uint64_t                *next;          // of each partition: behind the last record printed
    uint64_t                 total, passed; // offsets
    uint64_t                 farthest;      // end of a partition
    uint64_t                *damaged_at; // of each partition: batches taken when its damage was met
    uint64_t                 taken;      // batches, and one
    int64_t                  committed_us, shown_us;
    bool                     has_uncommitted, is_bar, is_over;
    int                      code;
};

// ---- partitions and places ----

static bool select_partitions(struct scan *scan)
{
    const struct wr_command *command = scan->command;
    scan->partitions = wr_alloc((scan->topic.partitions + 1) * sizeof(*scan->partitions));
    scan->next       = wr_alloc((scan->topic.partitions + 1) * sizeof(*scan->next));
    scan->damaged_at = wr_alloc((scan->topic.partitions + 1) * sizeof(*scan->damaged_at));
    for (uint32_t i = 0; i < WR_VALUE_PARTITIONS_MAX; i++) {
        const bool is_wanted = wr_command_has_partition(command, i);
        if (is_wanted && i < scan->topic.partitions) {
            scan->partitions[scan->partition_count++] = i;
        } else if (is_wanted && wr_command_has(command, WR_OPTION_PARTITION)) {
            char *sentence =
                wr_format("log %s: topic %s has no partition %u; it has %u", command->directory,
                          command->topic, i, scan->topic.partitions);
            scan->code = wr_command_failed(WEIR_NOT_FOUND, sentence);
            wr_free(sentence);
            return false;
        }
    }
    return true;
}

static bool reader_failed(struct scan *scan, weir_status status)
{
    scan->code = wr_command_failed(status, weir_reader_error(scan->reader));
    return false;
}

static bool open_reader(struct scan *scan)
{
    const struct wr_command *command = scan->command;
    const struct wr_place   *place   = &command->place;
    weir_reader_options      options = { .consumer          = command->consumer,
                                         .type              = scan->topic.type,
                                         .partitions        = scan->partitions,
                                         .partition_count   = scan->partition_count,
                                         .is_bounded        = !scan->of->follows,
                                         .reads_uncommitted = command->reads_uncommitted };
    switch (place->kind) {
    case WR_PLACE_NONE:
    case WR_PLACE_STORED: options.start = WEIR_START_DEFAULT; break;
    case WR_PLACE_END: options.start = WEIR_START_LATEST; break;
    case WR_PLACE_BEGINNING:
    case WR_PLACE_BACK: options.start = WEIR_START_EARLIEST; break;
    case WR_PLACE_OFFSET:
        options.start  = WEIR_START_OFFSET;
        options.offset = place->offset;
        break;
    case WR_PLACE_TIME:
    case WR_PLACE_UNTIL:
        options.start = WEIR_START_TIME;
        options.time  = place->time;
        break;
    }
    if (wr_command_has(command, WR_OPTION_FROM)) {
        options.start = WEIR_START_TIME;
        options.time  = command->from;
    }
    const weir_status status = weir_reader_open(scan->log, command->topic, &options, &scan->reader);
    if (status != WEIR_OK) {
        scan->reader = NULL;
        scan->code   = wr_command_log_failed(command, scan->log, status);
    }
    return status == WEIR_OK;
}

// Tells of records that were asked for and are gone.
static void check_offset(struct scan *scan, uint32_t partition, uint64_t offset, uint64_t end)
{
    const uint64_t wanted = scan->command->place.offset;
    if (wanted < offset) {
        scan->code = weir_status_exit_code(WEIR_NOT_FOUND);
        (void)fprintf(stderr,
                      "log %s: topic %s partition %u: offsets %" PRIu64 " to %" PRIu64
                      " are gone; reading on from %" PRIu64 "\n",
                      scan->command->directory, scan->command->topic, partition, wanted, offset - 1,
                      offset);
    }
    scan->farthest = end > scan->farthest ? end : scan->farthest;
}

// Tells of an offset that is in none of the partitions yet.
static bool check_farthest(struct scan *scan)
{
    const struct wr_place *place = &scan->command->place;
    if (place->kind != WR_PLACE_OFFSET || place->offset <= scan->farthest) {
        return true;
    }
    char *which    = scan->partition_count == 1 ? wr_format(" partition %u", scan->partitions[0])
                                                : wr_copy_text("");
    char *sentence = wr_format("log %s: topic %s%s: there is no offset %llu yet: %s ends at %llu",
                               scan->command->directory, scan->command->topic, which,
                               (unsigned long long)place->offset,
                               scan->partition_count == 1 ? "it" : "the longest partition",
                               (unsigned long long)scan->farthest);
    scan->code     = wr_command_failed(WEIR_NOT_FOUND, sentence);
    wr_free(sentence);
    wr_free(which);
    return false;
}

static bool place_partition(struct scan *scan, uint32_t partition)
{
    const struct wr_place *place = &scan->command->place;
    uint64_t               offset, lag;
    weir_status            status = weir_reader_position(scan->reader, partition, &offset, &lag);
    const uint64_t         end    = offset + lag;
    if (status == WEIR_OK && place->kind == WR_PLACE_OFFSET) {
        check_offset(scan, partition, offset, end);
    }
    if (status == WEIR_OK && place->kind == WR_PLACE_BACK && lag > place->offset) {
        status = weir_reader_seek(scan->reader, partition, end - place->offset);
        offset = end - place->offset;
    }
    if (status != WEIR_OK) {
        return reader_failed(scan, status);
    }
    scan->next[partition] = offset;
    scan->total += end - offset;
    return true;
}

// ---- progress ----

static void show_bar(struct scan *scan)
{
    const int64_t now = wr_command_now_us();
    if (scan->is_bar && now - scan->shown_us >= SHOW_US) {
        (void)fputs("\r\033[K", stderr);
        wr_progress_bar(stderr, scan->passed, scan->total);
        (void)fprintf(stderr, "%.2f M records", (double)scan->of->records / 1e6);
        (void)fflush(stderr);
        scan->shown_us = now;
    }
}

// ---- rows ----

// The consumer's places are those behind what was written.
static void commit(struct scan *scan, bool is_last)
{
    const int64_t now = wr_command_now_us();
    if (scan->command->consumer == NULL || !scan->has_uncommitted || scan->print.io_error != 0 ||
        (!is_last && now - scan->committed_us < COMMIT_US)) {
        return;
    }
    weir_status status = WEIR_OK;
    if (is_last) { // it may have ended in the midst of rows
        for (uint32_t i = 0; i < scan->partition_count && status == WEIR_OK; i++) {
            const uint32_t partition = scan->partitions[i];
            uint64_t       offset, lag;
            status = weir_reader_position(scan->reader, partition, &offset, &lag);
            if (status == WEIR_OK && offset != scan->next[partition]) {
                status = weir_reader_seek(scan->reader, partition, scan->next[partition]);
            }
        }
    }
    if (status == WEIR_OK) {
        status = weir_reader_commit(scan->reader);
    }
    if (status != WEIR_OK) {
        (void)reader_failed(scan, status);
        scan->is_over = true;
    }
    scan->has_uncommitted = false;
    scan->committed_us    = now;
}

static void flush(struct scan *scan)
{
    if (!wr_print_flush(&scan->print)) {
        scan->is_over        = true;
        scan->of->is_cut_off = true;
        if (scan->print.io_error != EPIPE) {
            char *sentence =
                wr_format("%s: cannot write: %s",
                          scan->command->output != NULL ? scan->command->output : "stdout",
                          strerror(scan->print.io_error));
            scan->code = wr_command_failed(wr_log_status_of(scan->print.io_error), sentence);
            wr_free(sentence);
        }
    }
}

static void take_rows(struct scan *scan, const weir_log_rows *rows)
{
    const struct wr_command *command   = scan->command;
    const bool               has_until = wr_command_has(command, WR_OPTION_UNTIL);
    const bool               has_limit = wr_command_has(command, WR_OPTION_COUNT);
    const uint64_t           before    = scan->next[rows->partition];
    for (uint32_t i = 0; i < rows->count && !scan->is_over; i++) {
        if (has_limit && scan->of->records == command->limit) {
            scan->is_over = true;
            break;
        }
        scan->next[rows->partition] = wr_rows_offset(rows, i) + 1;
        if (has_until && wr_print_time(&scan->print, rows, i) >= command->until) {
            continue;
        }
        wr_print_row(&scan->print, rows, i);
        scan->of->records++;
        if (command->is_unbuffered || scan->print.io_error != 0) {
            flush(scan);
        }
    }
    scan->taken++;
    scan->passed += scan->next[rows->partition] - before;
    scan->has_uncommitted = true;
    if (has_limit && scan->of->records == command->limit) {
        scan->is_over = true;
    }
}

// Whether nobody will read what is written: noticed also while there is nothing to write.
static bool is_unread(int file)
{
    struct pollfd look = { .fd = file, .events = 0 };
    return poll(&look, 1, 0) > 0 && (look.revents & POLLERR) != 0;
}

// A damaged partition is told once, and the others go on until a round gives nothing more.
static void meet_damage(struct scan *scan, uint32_t partition)
{
    if (scan->damaged_at[partition] == 0) {
        flush(scan);
        (void)reader_failed(scan, WEIR_DAMAGED);
    } else if (scan->damaged_at[partition] == scan->taken) {
        scan->is_over = true;
    }
    scan->damaged_at[partition] = scan->taken;
}

// One call of the reader; without waiting if nothing has been flushed yet.
static void scan_step(struct scan *scan)
{
    weir_log_rows rows;
    weir_status   status = weir_reader_next(scan->reader, 0, &rows);
    if (status == WEIR_TIMED_OUT) {
        flush(scan);
        commit(scan, false);
        if (is_unread(scan->of->file)) {
            scan->is_over = scan->of->is_cut_off = true;
        }
        if (scan->is_over) {
            return;
        }
        status = weir_reader_next(scan->reader, SLICE_US, &rows);
    }
    switch (status) {
    case WEIR_OK:
        take_rows(scan, &rows);
        if (scan->print.filled >= (32u << 10)) {
            flush(scan);
            commit(scan, false);
        }
        show_bar(scan);
        return;
    case WEIR_TIMED_OUT: return;
    case WEIR_AT_END: scan->is_over = true; return;
    case WEIR_NOT_FOUND: // told once; it goes on at what is left
    case WEIR_CONFLICT: (void)reader_failed(scan, status); return;
    case WEIR_DAMAGED: meet_damage(scan, rows.partition); return;
    default: (void)reader_failed(scan, status); scan->is_over = true;
    }
}

static void scan_rows(struct scan *scan)
{
    scan->committed_us = wr_command_now_us();
    while (!scan->is_over) {
        if (wr_command_is_interrupted()) {
            scan->of->is_cut_off = true;
            scan->code = scan->of->follows ? scan->code : weir_status_exit_code(WEIR_INTERRUPTED);
            break;
        }
        scan_step(scan);
    }
    flush(scan);
    commit(scan, true);
    if (scan->is_bar) {
        (void)fputs("\r\033[K", stderr);
    }
}

static void scan_open_log(struct scan *scan)
{
    char *error    = NULL;
    bool  is_right = select_partitions(scan);
    if (is_right && scan->command->place.kind == WR_PLACE_STORED &&
        scan->command->consumer == NULL) {
        scan->code = wr_command_misused(scan->command, "\"stored\" needs --consumer");
        is_right   = false;
    }
    if (is_right && scan->of->print.mode == WR_PRINT_RAW &&
        !wr_schema_is_same(scan->topic.type, weir_log_text_type())) {
        scan->code = wr_command_misused(scan->command,
                                        "raw is for topics of text; %s has the type %s: take jsonl "
                                        "or csv",
                                        scan->command->topic, scan->topic.type->name);
        is_right   = false;
    }
    if (!is_right) {
        return;
    }
    if (!wr_print_init(&scan->print, scan->of->file, &scan->topic, scan->topic.type,
                       &scan->of->print, &error)) {
        scan->code = wr_command_misused(scan->command, "%s", error);
        wr_free(error);
        return;
    }
    is_right = open_reader(scan);
    for (uint32_t i = 0; is_right && i < scan->partition_count; i++) {
        is_right = place_partition(scan, scan->partitions[i]);
    }
    if (is_right && check_farthest(scan)) {
        scan_rows(scan);
    }
    scan->of->bytes = scan->print.bytes;
    weir_reader_close(scan->reader);
    wr_print_fini(&scan->print);
}

int wr_scan_run(struct wr_scan *of)
{
    const weir_log_options reading = { 0 };
    struct scan            scan    = { .of = of, .command = of->command, .taken = 1 };
    scan.code                      = wr_command_open(of->command, &reading, &scan.log, &scan.topic);
    if (scan.code != 0) {
        return scan.code;
    }
    scan.is_bar = of->shows_bar && !of->command->is_quiet && isatty(STDERR_FILENO);
    scan_open_log(&scan);
    wr_free(scan.partitions);
    wr_free(scan.next);
    wr_free(scan.damaged_at);
    return wr_command_close(scan.log, scan.code);
}
