#include "cli/checkpoint/cells.h"

#include "cli/checkpoint/command.h"
#include "cli/checkpoint/described.h"

#include <inttypes.h>
#include <string.h>

bool wr_cell_partition(const struct wr_index_cell *cell, struct wr_partition_kept *kept)
{
    if (strcmp(cell->name, WR_PARTITION_CELL) != 0 || cell->length != sizeof(*kept)) {
        return false;
    }
    memcpy(kept, cell->bytes, sizeof(*kept));
    return kept->is_known != 0;
}

static void partition_json(FILE *to, const struct wr_partition_kept *kept)
{
    const uint64_t *numbers = kept->position.numbers;
    (void)fprintf(to,
                  "{\"offset\":%" PRIu64 ",\"position\":[%" PRIu64 ",%" PRIu64 ",%" PRIu64
                  ",%" PRIu64 "],\"latest\":",
                  numbers[0], numbers[0], numbers[1], numbers[2], numbers[3]);
    wr_tool_json_time(to, kept->latest);
    (void)fputs(",\"watermark\":", to);
    wr_tool_json_time(to, kept->watermark);
    (void)fprintf(to, ",\"idle\":%s,\"ended\":%s}", kept->is_idle != 0 ? "true" : "false",
                  kept->is_ended != 0 ? "true" : "false");
}

void wr_cell_json(FILE *to, const struct wr_index_cell *cell)
{
    struct wr_partition_kept kept;
    int64_t                  number;
    if (wr_cell_partition(cell, &kept)) {
        partition_json(to, &kept);
    } else if (strcmp(cell->name, WR_PARTITION_CELL) == 0 && cell->length == sizeof(kept)) {
        (void)fputs("null", to);
    } else if (cell->key == NULL && cell->length == sizeof(number)) {
        memcpy(&number, cell->bytes, sizeof(number));
        if (strcmp(cell->name, "fired until") == 0) {
            wr_tool_json_time(to, number);
        } else {
            (void)fprintf(to, "%" PRIi64, number);
        }
    } else {
        char *const hex = wr_described_hex(cell->bytes, cell->length);
        (void)fprintf(to, "\"%s\"", hex);
        wr_free(hex);
    }
}
