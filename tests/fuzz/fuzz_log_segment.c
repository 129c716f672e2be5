// Any bytes as a segment: its header, the schema its rows have, its batches, unpacked and read as
// another type, and its footer. Nothing may step outside of them, and what is taken is what would
// have been written.
//
//   input   [u8 mode][u8 lines of schema text][the lines][segment header, 76 bytes][batches]
//
// So that mutations get past the checksums, MODE_MENDS puts magic numbers and right checksums where
// they belong before anything is decoded.
#include "log/format.h"
#include "log/pack.h"
#include "log/schema.h"

#include <stdlib.h>

#define MODE_MENDS     1u
#define MODE_HEADER    2u // the segment header too, which takes long
#define MODE_UNEVEN    4u // payloads that are not aligned
#define HEADER_GIVEN   76u
#define BYTES_MOST     (1u << 20) // of an unpacked batch
#define ROW_MOST       4096u
#define CONVERTED_MOST 64u // rows of a batch

typedef struct inner {
    int32_t  i32;
    weir_str text;
} inner;
WEIR_RECORD(inner, i32, text);

typedef struct stored {
    weir_time at;
    uint32_t  count;
    char      name[20];
    weir_str  text;
    inner     in;
    int16_t   small[3];
    bool      is_set;
} stored;
WEIR_RECORD(stored, at, count, name, text, (in, inner), small, is_set);

typedef struct wanted {
    weir_str name;
    int64_t  at;
    int64_t  count;
    inner    in;
    weir_str text;
    int32_t  small[3];
    double   added;
    uint8_t  is_set;
} wanted;
WEIR_RECORD(wanted, name, at, count, (in, inner), text, small, added, is_set);

static const struct wr_log_place place = { { { 1, 2, 3 } }, { { 4 } }, 5 };

static volatile uint64_t seen; // so that every byte is really read

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void touch(const void *bytes, size_t length)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        sum += ((const uint8_t *)bytes)[i];
    }
    seen += sum;
}

static void touch_rows(const struct wr_row_shape *shape, const char *rows, size_t count)
{
    touch(rows, count * shape->type->size);
    for (size_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < shape->strings.count; j++) {
            weir_str string;
            memcpy(&string, rows + i * shape->type->size + shape->strings.offsets[j],
                   sizeof(string));
            touch(weir_str_bytes(&string), string.length);
        }
    }
}

static void convert(const struct wr_row_shape *shape, const weir_type *to, const char *rows,
                    size_t count)
{
    char                 *error;
    struct wr_conversion *conversion = wr_schema_conversion(shape->type, to, &error);
    WR_ASSERT((conversion == NULL) == (error != NULL));
    wr_free(error);
    if (conversion == NULL) {
        return;
    }
    struct wr_row_shape made;
    char *const         out = wr_alloc_aligned(count * to->size, 4096);
    wr_row_shape_init(&made, to, NULL);
    wr_conversion_run(conversion, rows, out, count);
    touch_rows(&made, out, count);
    wr_row_shape_fini(&made);
    wr_free(out);
    wr_conversion_close(conversion);
}

// Packs what was unpacked: the rows are as many and the payload is read again.
static void pack_again(const struct wr_row_shape *shape, const struct wr_unpacked *unpacked,
                       const struct wr_log_batch_header *header)
{
    struct wr_batch_builder    builder;
    struct wr_log_batch_header again = { 0 };
    struct wr_unpacked         twice;
    bool                       is_too_long;
    char                      *buffer   = NULL;
    size_t                     capacity = 0;
    const char                *reason;
    wr_batch_builder_init(&builder, shape, 2 * BYTES_MOST);
    const size_t taken = wr_batch_builder_add(&builder, unpacked->rows, unpacked->changes,
                                              header->rows, &is_too_long);
    if (taken > 0) {
        builder.deltas    = unpacked->deltas;
        char *const batch = wr_batch_builder_finish(&builder, WEIR_COMPRESSION_NONE, 1, &again);
        WR_ASSERT(wr_batch_unpack(batch + WR_BATCH_HEADER_BYTES, &again, shape, &buffer, &capacity,
                                  &twice, &reason));
        touch_rows(shape, twice.rows, again.rows);
        wr_free(batch);
    }
    WR_ASSERT(!is_too_long);
    wr_batch_builder_fini(&builder);
    wr_free(buffer);
}

static void read_rows(const char *batch, const struct wr_log_batch_header *header,
                      const struct wr_row_shape *shape, uint8_t mode)
{
    const size_t       payload_bytes = header->bytes - WR_BATCH_HEADER_BYTES;
    const size_t       shift         = (mode & MODE_UNEVEN) != 0 ? 4 : 0;
    char *const        memory        = aligned_alloc(64, wr_round_up(payload_bytes + shift, 64));
    char *const        payload       = memory + shift;
    char              *buffer        = NULL;
    size_t             capacity      = 0;
    const char        *reason;
    struct wr_unpacked unpacked;
    memcpy(payload, batch + WR_BATCH_HEADER_BYTES, payload_bytes);
    if (wr_batch_unpack(payload, header, shape, &buffer, &capacity, &unpacked, &reason)) {
        touch_rows(shape, unpacked.rows, header->rows);
        if (unpacked.deltas != NULL) {
            touch(unpacked.deltas, header->rows * sizeof(uint32_t));
        }
        if (unpacked.changes != NULL) {
            touch(unpacked.changes, header->rows);
        }
        if (header->rows <= CONVERTED_MOST) {
            convert(shape, &wanted_type, unpacked.rows, header->rows);
            pack_again(shape, &unpacked, header);
        }
    } else {
        WR_ASSERT(reason != NULL);
    }
    wr_free(buffer);
    free(memory);
}

// A footer that is taken is one that the index in it makes.
static void read_footer(const char *batch, const struct wr_log_batch_header *header, uint32_t seed)
{
    struct wr_segment_index index;
    if (!wr_footer_decode(batch, header, &index)) {
        return;
    }
    size_t      bytes;
    char *const again = wr_footer_encode(&index, header, seed, &bytes);
    WR_ASSERT(bytes == header->bytes &&
              memcmp(batch + WR_BATCH_HEADER_BYTES, again + WR_BATCH_HEADER_BYTES,
                     bytes - WR_BATCH_HEADER_BYTES) == 0);
    wr_segment_index_fini(&index);
    wr_free(again);
}

static void put_u32(char *to, uint32_t value) { memcpy(to, &value, sizeof(value)); }

// Makes the checksums of a batch right, as far as its length lets them be.
static void mend_batch(char *batch, size_t length, uint32_t seed)
{
    uint32_t bytes;
    memcpy(&bytes, batch + 8, sizeof(bytes));
    if (bytes >= WR_BATCH_HEADER_BYTES && bytes <= length) {
        put_u32(batch + 12, wr_batch_payload_crc(batch + WR_BATCH_HEADER_BYTES,
                                                 bytes - WR_BATCH_HEADER_BYTES, seed));
    }
    put_u32(batch, 0x31627277u);
    put_u32(batch + 4, wr_crc32c(seed, batch + 8, WR_BATCH_HEADER_BYTES - 8));
}

static void read_batches(char *at, size_t length, const struct wr_row_shape *shape, uint8_t mode,
                         uint32_t seed)
{
    for (uint32_t i = 0; i < 32; i++) {
        struct wr_log_batch_header header;
        const char                *reason;
        if ((mode & MODE_MENDS) != 0 && length >= WR_BATCH_HEADER_BYTES) {
            mend_batch(at, length, seed);
        }
        const enum wr_batch_check check =
            wr_batch_header_decode(at, length, seed, &header, &reason);
        WR_ASSERT((check == WR_BATCH_VALID) == (reason == NULL));
        if (check != WR_BATCH_VALID || !wr_batch_payload_is_valid(at, &header, seed)) {
            return;
        }
        char again[WR_BATCH_HEADER_BYTES];
        wr_batch_header_encode(&header, seed, again);
        WR_ASSERT(memcmp(at, again, sizeof(again)) == 0);
        if (header.kind == WR_BATCH_ROWS && header.unpacked_bytes <= BYTES_MOST) {
            read_rows(at, &header, shape, mode);
        } else if (header.kind == WR_BATCH_FOOTER) {
            read_footer(at, &header, seed);
        }
        at += header.bytes;
        length -= header.bytes;
    }
}

static void read_segment_header(const char *given, size_t length, uint8_t mode, uint32_t seed)
{
    static char              bytes[WR_SEGMENT_HEADER_BYTES], again[WR_SEGMENT_HEADER_BYTES];
    struct wr_segment_header header;
    const char              *reason;
    memcpy(bytes, given, length < HEADER_GIVEN ? length : HEADER_GIVEN);
    if ((mode & MODE_MENDS) != 0) {
        put_u32(bytes + 8, wr_crc32c(seed, bytes + 12, WR_SEGMENT_HEADER_BYTES - 12));
    }
    const bool is_right = wr_segment_header_decode(bytes, seed, &header, &reason);
    WR_ASSERT(is_right == (reason == NULL));
    if (is_right) {
        wr_segment_header_encode(&header, seed, again);
        WR_ASSERT(memcmp(bytes, again, sizeof(again)) == 0);
    }
}

// The schema in the first `lines` lines, and where they end; NULL: they are none.
static weir_type *read_schema(const char *text, size_t length, uint8_t lines, size_t *end)
{
    *end = 0;
    for (uint8_t i = 0; i < lines && *end < length; i++) {
        const char *newline = memchr(text + *end, '\n', length - *end);
        *end                = newline != NULL ? (size_t)(newline - text) + 1 : length;
    }
    char            *error;
    weir_type *const type = wr_schema_parse(text, *end, &error);
    WR_ASSERT((type == NULL) == (error != NULL));
    wr_free(error);
    return type;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static uint32_t seed;
    seed = seed != 0 ? seed : wr_log_crc_seed(&place);
    if (length < 2) {
        return 0;
    }
    const uint8_t mode  = bytes[0];
    const uint8_t lines = bytes[1];
    char *const   copy  = malloc(length - 2);
    size_t        end   = 0;
    memcpy(copy, bytes + 2, length - 2);
    length -= 2;
    weir_type *const    type = lines > 0 ? read_schema(copy, length, lines, &end) : NULL;
    struct wr_row_shape shape;
    wr_row_shape_init(&shape, type != NULL && type->size <= ROW_MOST ? type : &stored_type, "at");
    if ((mode & MODE_HEADER) != 0) {
        read_segment_header(copy + end, length - end, mode, seed);
    }
    end += length - end < HEADER_GIVEN ? length - end : HEADER_GIVEN;
    read_batches(copy + end, length - end, &shape, mode, seed);
    wr_row_shape_fini(&shape);
    wr_schema_type_close(type);
    free(copy);
    return 0;
}
