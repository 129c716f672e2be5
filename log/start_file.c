// DIR/topics/NAME/P/start: where a partition begins, and what was cut off it.
#include "log/small_file.h"

#include "log/catalog.h"

#include <inttypes.h>
#include <string.h>

#define START_FORMAT 1u

// "1 epoch 3 offset 900"
static bool cut_parse(const char *text, struct wr_partition_cut *cut)
{
    uint64_t   epoch  = 0;
    const bool is_cut = wr_text_take_number(&text, UINT64_MAX, &cut->number) &&
                        wr_text_take_word(&text, " epoch ") &&
                        wr_text_take_number(&text, UINT32_MAX, &epoch) &&
                        wr_text_take_word(&text, " offset ") &&
                        wr_text_take_number(&text, UINT64_MAX, &cut->offset) && *text == 0;
    cut->epoch = (uint32_t)epoch;
    return is_cut;
}

// "none" or a number.
static bool base_parse(const char *text, uint64_t *base)
{
    *base = UINT64_MAX;
    return text != NULL && (strcmp(text, "none") == 0 ||
                            (wr_text_take_number(&text, UINT64_MAX - 1, base) && *text == 0));
}

static weir_status start_parse(const char *path, char *text, struct wr_partition_start *start,
                               struct wr_log_error *error)
{
    struct wr_text_lines lines;
    if (!wr_lines_begin(&lines, text, "weir start", START_FORMAT, path, error)) {
        return error->status;
    }
    if (!wr_text_lines_number(&lines, "first_offset", UINT64_MAX, &start->first_offset) ||
        !base_parse(wr_text_lines_take(&lines, "newest_base"), &start->newest_base) ||
        !wr_text_lines_number(&lines, "durable", UINT64_MAX, &start->durable)) {
        return wr_lines_fail(path, error);
    }
    for (const char *line; (line = wr_text_lines_take(&lines, "cut")) != NULL;) {
        start->cuts = wr_realloc(start->cuts, (start->cut_count + 1) * sizeof(*start->cuts));
        if (!cut_parse(line, &start->cuts[start->cut_count])) {
            return wr_lines_fail(path, error);
        }
        start->cut_count++;
    }
    return *lines.at == 0 ? WEIR_OK : wr_lines_fail(path, error);
}

weir_status wr_partition_start_read(struct wr_environment *environment, const char *directory,
                                    struct wr_partition_start *start, struct wr_log_error *error)
{
    size_t      length;
    char *const path   = wr_format("%s/start", directory);
    char *const text   = wr_small_file_read(environment, path, &length, error);
    weir_status status = WEIR_OK;
    *start             = (struct wr_partition_start){ .newest_base = UINT64_MAX };
    if (text != NULL) {
        status = start_parse(path, text, start, error);
    } else if (error->status == WEIR_NOT_FOUND) {
        wr_log_error_fini(error);
    } else {
        status = error->status;
    }
    if (status != WEIR_OK) {
        wr_partition_start_fini(start);
    }
    wr_free(text);
    wr_free(path);
    return status;
}

weir_status wr_partition_start_write(struct wr_environment *environment, const char *directory,
                                     const struct wr_partition_start *start,
                                     struct wr_log_error             *error)
{
    char *const path = wr_format("%s/start", directory);
    char       *base = start->newest_base == UINT64_MAX ? wr_copy_text("none")
                                                        : wr_format("%" PRIu64, start->newest_base);
    char       *text = wr_format("weir start %u\nfirst_offset %" PRIu64 "\nnewest_base %s\n"
                                       "durable %" PRIu64 "\n",
                                 START_FORMAT, start->first_offset, base, start->durable);
    for (uint32_t i = 0; i < start->cut_count; i++) {
        const struct wr_partition_cut *cut = &start->cuts[i];
        char *longer = wr_format("%scut %" PRIu64 " epoch %" PRIu32 " offset %" PRIu64 "\n", text,
                                 cut->number, cut->epoch, cut->offset);
        wr_free(text);
        text = longer;
    }
    const weir_status status = wr_small_file_write(environment, path, text, error);
    wr_free(text);
    wr_free(base);
    wr_free(path);
    return status;
}

void wr_partition_start_fini(struct wr_partition_start *start)
{
    wr_free(start->cuts);
    *start = (struct wr_partition_start){ .newest_base = UINT64_MAX };
}
