// Writes what fuzz_checkpoint starts from: a manifest, indexes of tasks with and without tables, a
// block and a trailer.
//
// usage: seeds_checkpoint DIRECTORY
#include "tests/support/checkpoint_life.h"
#include "tests/support/trial.h"

static uint32_t    seed_count;
static const char *directory;

static void put(uint8_t what, const void *bytes, size_t length)
{
    char *const path = wr_format("%s/seed-%u", directory, seed_count++);
    FILE *const file = fopen(path, "wb");
    TRIAL_CHECK(file != NULL, "%s", path);
    TRIAL_CHECK(fwrite(&what, 1, 1, file) == 1, "%s", path);
    TRIAL_CHECK(fwrite(bytes, 1, length, file) == length, "%s", path);
    TRIAL_CHECK(fclose(file) == 0, "%s", path);
    wr_free(path);
}

static void put_manifest(void)
{
    struct wr_manifest            manifest = life_manifest();
    const struct wr_manifest_task tasks[]  = {
         { 0, 0, 0, 0, WR_CELL_COUNT, 800, 1, "c0000000012-e00003-t00000" },
         { 1, 1, 0, 0, 100, 808, 2, "c0000000012-e00003-t00001" },
         { 2, 1, 1, 100, WR_CELL_COUNT, 816, 3, "c0000000012-e00003-t00002" }
    };
    manifest.checkpoint = 12;
    manifest.epoch      = 3;
    manifest.version    = "0.1.0";
    manifest.tasks      = tasks;
    manifest.task_count = 3;
    char *const text    = wr_manifest_text(&manifest);
    put(0, text, strlen(text));
    wr_free(text);
}

static void put_index(uint32_t task)
{
    static struct life_index of;
    struct wr_index_file     files[] = { { 5, "c0000000011-e00003-t00001", 1000, 0 },
                                         { 6, "c0000000012-e00003-t00001", 1000, 0 } };
    uint32_t                 number;
    size_t                   length;
    life_fill_index(&of, task, 12);
    of.index.id = (struct wr_file_id){ 12, 3, 1 };
    for (uint32_t i = 0; i < LIFE_TABLES; i++) {
        for (uint32_t j = 0; j < LIFE_SEGMENTS; j++) {
            of.segments[i][j].place = (struct wr_block_place){
                .file = 5 + i, .bytes = 100, .offset = 200 * j, .entries = 7, .crc = j
            };
        }
        of.tables[i].entries = 7 * LIFE_SEGMENTS;
    }
    of.index.files      = files;
    of.index.file_count = 2;
    TRIAL_CHECK(wr_index_count_used(&of.index, &number), "a file is missing");
    char *const bytes = wr_index_encode(&of.index, &length);
    put(1, bytes, length);
    wr_free(bytes);
}

int main(int argc, char **argv)
{
    const struct wr_file_id id    = { 12, 3, 1 };
    struct wr_block_header header = { .prefix = 5ull << 61, .depth = 3, .entries = 4, .bytes = 70 };
    const struct wr_trailer trailer    = { 2000, 2090, 9, 77 };
    char                    block[256] = { 0 };
    TRIAL_CHECK(argc == 2, "usage: seeds_checkpoint DIRECTORY");
    directory = argv[1];
    put_manifest();
    for (uint32_t task = 0; task < LIFE_TASKS; task++) {
        put_index(task);
    }
    wr_block_seal(block, &id, 4096, &header);
    put(2, block, wr_block_bytes(header.bytes));
    wr_trailer_encode(&trailer, &id, 4096, block);
    put(3, block, WR_TRAILER_BYTES);
    return 0;
}
