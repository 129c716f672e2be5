#include "connectors/outbox/file_progress.h"

#include <stdio.h>
#include <string.h>

#define KIND   "weir outbox"
#define FORMAT 1u

typedef unsigned long long shown; // as %llu

void wr_file_progress_init(struct wr_file_progress *progress, uint32_t partitions)
{
    *progress       = (struct wr_file_progress){ .partition_count = partitions };
    progress->nexts = wr_alloc((partitions + 1) * sizeof(*progress->nexts));
    for (uint32_t i = 0; i < partitions; i++) {
        progress->nexts[i] = UINT64_MAX;
    }
}

void wr_file_progress_fini(struct wr_file_progress *progress)
{
    wr_free(progress->nexts);
    progress->nexts = NULL;
}

// ---- reading ----

// A line whose rest is text of at most `bytes` - 1 bytes.
static bool take_text(struct wr_text_lines *lines, const char *word, char *to, size_t bytes)
{
    const char *rest   = wr_text_lines_take(lines, word);
    const int   length = rest != NULL ? snprintf(to, bytes, "%s", rest) : -1;
    return length > 0 && (size_t)length < bytes;
}

static bool take_publisher(struct wr_text_lines *lines, uint64_t *publisher)
{
    const char *rest = wr_text_lines_take(lines, "publisher");
    return rest != NULL && wr_text_take_hex(&rest, 16, publisher) && *rest == 0;
}

static bool take_part(struct wr_text_lines *lines, struct wr_file_progress *progress)
{
    uint64_t    partition = 0;
    const char *rest      = progress->number > 0 ? wr_text_lines_take(lines, "part") : NULL;
    if (progress->number == 0) {
        return true;
    }
    const bool is_part =
        rest != NULL && wr_text_take_number(&rest, UINT64_MAX, &progress->part_epoch) &&
        wr_text_take_word(&rest, " ") && wr_text_take_number(&rest, UINT32_MAX, &partition) &&
        wr_text_take_word(&rest, " ") &&
        wr_text_take_number(&rest, UINT64_MAX, &progress->part_from) && *rest == 0;
    progress->part_partition = (uint32_t)partition;
    return is_part;
}

static bool take_nexts(struct wr_text_lines *lines, struct wr_file_progress *progress)
{
    const char *rest;
    while ((rest = wr_text_lines_take(lines, "next")) != NULL) {
        uint64_t partition = 0, next = 0;
        if (!wr_text_take_number(&rest, UINT32_MAX, &partition) ||
            partition >= progress->partition_count || !wr_text_take_word(&rest, " ") ||
            !wr_text_take_number(&rest, UINT64_MAX - 1, &next) || *rest != 0) {
            return false;
        }
        progress->nexts[partition] = next;
    }
    return *lines->at == 0;
}

weir_status wr_file_progress_read(struct wr_environment *environment, const char *path,
                                  uint32_t partitions, struct wr_file_progress *progress,
                                  struct wr_error *error)
{
    struct wr_text_lines lines;
    size_t               length = 0;
    wr_file_progress_init(progress, partitions);
    char *text = wr_text_file_read(environment, path, &length, error);
    if (text == NULL) {
        return error->status;
    }
    weir_status status = WEIR_OK;
    if (!wr_text_lines_begin(&lines, text, KIND, FORMAT, path, error)) {
        status = error->status;
    } else if (!take_text(&lines, "name", progress->name, sizeof(progress->name)) ||
               !take_text(&lines, "id", progress->id, sizeof(progress->id)) ||
               !wr_text_lines_number(&lines, "epoch", UINT64_MAX, &progress->epoch) ||
               !take_publisher(&lines, &progress->publisher) ||
               !wr_text_lines_number(&lines, "number", UINT64_MAX, &progress->number) ||
               !take_part(&lines, progress) || !take_nexts(&lines, progress)) {
        status = wr_text_lines_fail(path, error);
    }
    wr_free(text);
    return status;
}

// ---- writing ----

weir_status wr_file_progress_write(struct wr_environment *environment, const char *path,
                                   const struct wr_file_progress *progress, struct wr_error *error)
{
    const size_t capacity = 512 + (size_t)progress->partition_count * 48;
    char *const  text     = wr_alloc(capacity);
    int          length   = snprintf(text, capacity,
                                     KIND " %u\nname %s\nid %s\nepoch %llu\n"
                                                     "publisher %016llx\nnumber %llu\n",
                                     FORMAT, progress->name, progress->id, (shown)progress->epoch,
                                     (shown)progress->publisher, (shown)progress->number);
    if (progress->number > 0) {
        length += snprintf(text + length, capacity - (size_t)length, "part %llu %u %llu\n",
                           (shown)progress->part_epoch, progress->part_partition,
                           (shown)progress->part_from);
    }
    for (uint32_t i = 0; i < progress->partition_count; i++) {
        if (progress->nexts[i] != UINT64_MAX) {
            length += snprintf(text + length, capacity - (size_t)length, "next %u %llu\n", i,
                               (shown)progress->nexts[i]);
        }
    }
    WR_ASSERT((size_t)length < capacity);
    const weir_status status = wr_text_file_write(environment, path, text, error);
    wr_free(text);
    return status;
}
