// Writes what fuzz_log_segment starts from: whole segments, of random types and of the target's
// own.
//
// usage: seeds_log_segment DIRECTORY
#include "log/format.h"
#include "log/pack.h"
#include "log/schema.h"
#include "tests/support/random_schema.h"

#define SEEDS       48u
#define ROWS_MOST   12u
#define HEADER_KEPT 76u

static const struct wr_log_place place = { { { 1, 2, 3 } }, { { 4 } }, 5 };

static struct trial_random random_of_run = { 1 };
static struct schema_arena arena;
static uint32_t            seed;
static FILE               *file;
static uint64_t            position, base;

static uint32_t below(uint32_t limit) { return trial_below(&random_of_run, limit); }

static void put(const void *bytes, size_t length)
{
    TRIAL_CHECK(fwrite(bytes, 1, length, file) == length, "cannot write");
}

static void put_batch(char *batch, struct wr_log_batch_header *header,
                      struct wr_segment_index *index)
{
    header->base_offset  = base;
    header->epoch        = 2;
    header->durable_upto = base;
    header->transaction  = header->kind == WR_BATCH_ROWS && below(2) == 0 ? 9 : 0;
    wr_batch_header_encode(header, seed, batch);
    put(batch, header->bytes);
    wr_segment_index_add(index, header, position);
    position += header->bytes;
    base += header->span;
}

static void put_rows(const weir_type *type, struct wr_segment_index *index)
{
    static const uint32_t      deltas[ROWS_MOST] = { 0, 2, 3, 5, 8, 9, 10, 11, 15, 20, 21, 40 };
    static uint8_t             changes[ROWS_MOST];
    struct wr_row_shape        shape;
    struct wr_batch_builder    builder;
    struct wr_log_batch_header header = { 0 };
    bool                       is_too_long;
    wr_row_shape_init(&shape, type, "at");
    wr_batch_builder_init(&builder, &shape, 1 << 20);
    const uint32_t wanted = 1 + below(ROWS_MOST);
    char *const    rows   = wr_alloc_aligned((size_t)wanted * type->size, 512);
    const uint32_t count  = schema_random_rows(&arena, type, &random_of_run, rows, wanted);
    for (uint32_t i = 0; i < count; i++) {
        changes[i] = (uint8_t)below(4);
    }
    const uint8_t *const given = below(2) == 0 ? changes : NULL;
    TRIAL_CHECK(wr_batch_builder_add(&builder, rows, given, count, &is_too_long) == count, "rows");
    builder.deltas = below(2) == 0 ? deltas : NULL;
    char *const batch =
        wr_batch_builder_finish(&builder, (weir_compression)below(3), seed, &header);
    put_batch(batch, &header, index);
    wr_free(batch);
    wr_free(rows);
    wr_batch_builder_fini(&builder);
    wr_row_shape_fini(&shape);
}

static void put_segment(uint8_t mode)
{
    struct wr_segment_index index;
    char                    header[WR_SEGMENT_HEADER_BYTES];
    arena.type_count         = 0;
    const weir_type *type    = schema_random(&arena, &random_of_run, SCHEMA_DEPTH);
    char *const      text    = wr_schema_text(type);
    uint8_t          head[2] = { mode, 0 };
    for (const char *at = text; *at != 0; at++) {
        head[1] = (uint8_t)(head[1] + (*at == '\n'));
    }
    put(head, sizeof(head));
    put(text, strlen(text));
    wr_free(text);
    wr_segment_header_encode(&(struct wr_segment_header){ .format    = WR_LOG_FORMAT,
                                                          .log       = place.log,
                                                          .topic     = place.topic,
                                                          .partition = place.partition },
                             seed, header);
    put(header, HEADER_KEPT);
    position = WR_SEGMENT_HEADER_BYTES;
    base     = 0;
    wr_segment_index_init(&index, base);
    for (uint32_t i = below(3); i > 0; i--) {
        put_rows(type, &index);
    }
    char mark[WR_BATCH_HEADER_BYTES];
    put_batch(mark,
              &(struct wr_log_batch_header){
                  .bytes = sizeof(mark), .kind = WR_BATCH_MARK, .flags = WR_BATCH_IS_CLEAN },
              &index);
    size_t      bytes;
    char *const footer =
        wr_footer_encode(&index, &(struct wr_log_batch_header){ .epoch = 2 }, seed, &bytes);
    put(footer, bytes);
    wr_segment_index_fini(&index);
    wr_free(footer);
}

int main(int argc, char **argv)
{
    TRIAL_CHECK(argc == 2, "usage: seeds_log_segment DIRECTORY");
    seed = wr_log_crc_seed(&place);
    for (uint32_t i = 0; i < SEEDS; i++) {
        char *const path = wr_format("%s/seed-%u", argv[1], i);
        file             = fopen(path, "wb");
        TRIAL_CHECK(file != NULL, "%s", path);
        put_segment((uint8_t)(i % 8));
        TRIAL_CHECK(fclose(file) == 0, "%s", path);
        wr_free(path);
    }
    return 0;
}
