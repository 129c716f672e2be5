// Rows into the payload of a batch, and back. See pack.h for what lies where.
//
//   builder->bytes   [room for the header][rows ...            ][free            ]
//   builder->text    [bytes of long strings, in order of rows  ][free]
//   builder->changes [one a row                                ]
//
// While rows are gathered, a long string says where its bytes begin in `text`; when the batch is
// finished, the text follows the rows and each says where they begin in the payload. Rows of fixed
// size are copied once, into the bytes that are handed out.
//
// Invariants: rows <= row_limit; the room taken is that of rows, and once a batch has the bytes of
// more than target_bytes it has one row only. A builder, like a shape that is being made, belongs
// to one thread; a made shape is only read.
#include "log/pack.h"
#include "log/compress.h"

#include <weir/call.h>

#define BATCH_MEMORY_ALIGN 64u
#define LEAST_CAPACITY     4096u
#define BLOCK_ROOM         4u // in front of a compressed block: its bytes
#define ROW_EXTRAS         5u // bytes of a row's delta and change
#define ROW_BYTES_MAX      (WR_BATCH_BYTES_MAX / 2)

_Static_assert(WR_SCHEMA_ROW_MAX <= ROW_BYTES_MAX, "a row of any type fits into a batch");

// ---- shapes ----

static void shape_add_part(struct wr_row_shape *shape, uint32_t at, uint32_t bytes)
{
    if (shape->part_count > 0) {
        struct wr_row_part *last = &shape->parts[shape->part_count - 1];
        if (last->at + last->bytes == at) {
            last->bytes += bytes;
            return;
        }
    }
    shape->parts =
        wr_realloc(shape->parts, (shape->part_count + (size_t)1) * sizeof(*shape->parts));
    shape->parts[shape->part_count++] = (struct wr_row_part){ at, bytes };
}

static void shape_add_fields(struct wr_row_shape *shape, const weir_type *type, uint32_t base)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const weir_field *field = &type->fields[i];
        if (field->kind == WEIR_KIND_RECORD) {
            shape_add_fields(shape, field->record, base + field->offset);
        } else {
            shape_add_part(shape, base + field->offset, field->size);
        }
    }
}

void wr_row_shape_init(struct wr_row_shape *shape, const weir_type *type, const char *time_field)
{
    *shape                 = (struct wr_row_shape){ .type     = type,
                                                    .strings  = wr_strings_of(type),
                                                    .is_whole = !wr_type_has_padding(type),
                                                    .time_at  = UINT32_MAX };
    const weir_field *time = time_field != NULL ? weir_type_field(type, time_field) : NULL;
    if (time != NULL && time->count == 1 &&
        (time->kind == WEIR_KIND_TIME || time->kind == WEIR_KIND_I64)) {
        shape->time_at = time->offset;
    }
    shape_add_fields(shape, type, 0);
}

void wr_row_shape_fini(struct wr_row_shape *shape)
{
    wr_strings_fini(&shape->strings);
    wr_free(shape->parts);
    *shape = (struct wr_row_shape){ 0 };
}

// ---- rows into rows ----

// Rows of fixed size one after the other; where they come from is all that differs.
struct source {
    const char     *rows;
    const uint8_t  *changes; // NULL: inserts
    const uint32_t *picks;   // NULL: rows 0, 1, 2, ...
};

static inline const char *source_row(const struct source *source, size_t number, size_t size)
{
    return source->rows + (source->picks != NULL ? source->picks[number] : number) * size;
}

static inline void row_copy_parts(const struct wr_row_shape *shape, const char *from, char *to)
{
    memset(to, 0, shape->type->size);
    for (uint32_t i = 0; i < shape->part_count; i++) {
        memcpy(to + shape->parts[i].at, from + shape->parts[i].at, shape->parts[i].bytes);
    }
}

// `bytes` is a constant where it is called, so that the copy of a row is a few moves.
static inline void copy_picked(const struct source *source, size_t count, size_t bytes, char *to)
{
    for (size_t i = 0; i < count; i++) {
        memcpy(to + i * bytes, source->rows + source->picks[i] * bytes, bytes);
    }
}

static void copy_picked_whole(const struct source *source, size_t count, size_t bytes, char *to)
{
    switch (bytes) {
    case 8: copy_picked(source, count, 8, to); break;
    case 16: copy_picked(source, count, 16, to); break;
    case 24: copy_picked(source, count, 24, to); break;
    case 32: copy_picked(source, count, 32, to); break;
    case 40: copy_picked(source, count, 40, to); break;
    case 48: copy_picked(source, count, 48, to); break;
    case 64: copy_picked(source, count, 64, to); break;
    default: copy_picked(source, count, bytes, to); break;
    }
}

static void copy_rows(const struct wr_row_shape *shape, const struct source *source, size_t count,
                      char *to)
{
    const size_t size = shape->type->size;
    if (!shape->is_whole) {
        for (size_t i = 0; i < count; i++) {
            row_copy_parts(shape, source_row(source, i, size), to + i * size);
        }
    } else if (source->picks != NULL) {
        copy_picked_whole(source, count, size, to);
    } else if (count > 0) {
        memcpy(to, source->rows, count * size);
    }
}

// ---- the builder ----

static void builder_begin(struct wr_batch_builder *builder)
{
    builder->rows          = 0;
    builder->text_bytes    = 0;
    builder->deltas        = NULL;
    builder->least_time    = WEIR_TIME_MAX;
    builder->greatest_time = WEIR_TIME_MIN;
    wr_free(builder->changes);
    builder->changes = NULL;
}

void wr_batch_builder_init(struct wr_batch_builder *builder, const struct wr_row_shape *shape,
                           size_t target_bytes)
{
    const size_t row_bytes = shape->type->size + ROW_EXTRAS;
    const size_t target =
        target_bytes < WR_BATCH_BYTES_MAX / 4 ? target_bytes : WR_BATCH_BYTES_MAX / 4;
    *builder = (struct wr_batch_builder){ .shape     = shape,
                                          .row_limit = target > row_bytes ? target / row_bytes : 1,
                                          .target_bytes = target };
    builder_begin(builder);
}

void wr_batch_builder_fini(struct wr_batch_builder *builder)
{
    wr_free(builder->bytes);
    wr_free(builder->changes);
    wr_free(builder->text);
    *builder = (struct wr_batch_builder){ 0 };
}

static size_t builder_used(const struct wr_batch_builder *builder)
{
    return WR_BATCH_HEADER_BYTES + (size_t)builder->rows * builder->shape->type->size;
}

// Makes room for `more` bytes behind the rows. A new batch begins with the room the last one took.
static void builder_reserve(struct wr_batch_builder *builder, size_t more)
{
    const size_t used   = builder->bytes != NULL ? builder_used(builder) : 0;
    const size_t needed = builder_used(builder) + more;
    if (builder->bytes != NULL && needed <= builder->capacity) {
        return;
    }
    size_t capacity   = builder->bytes != NULL ? builder->capacity * 2
                                               : builder->last_bytes + builder->last_bytes / 8;
    capacity          = capacity > needed ? capacity : needed;
    capacity          = wr_round_up(capacity > LEAST_CAPACITY ? capacity : LEAST_CAPACITY, 4096);
    char *const bytes = wr_alloc_unset(capacity, BATCH_MEMORY_ALIGN);
    if (used > 0) {
        memcpy(bytes, builder->bytes, used);
    }
    wr_free(builder->bytes);
    builder->bytes    = bytes;
    builder->capacity = capacity;
}

static void builder_reserve_text(struct wr_batch_builder *builder, size_t more)
{
    const size_t needed = builder->text_bytes + more;
    if (needed > builder->text_capacity) {
        const size_t doubled   = builder->text_capacity * 2;
        builder->text_capacity = needed > doubled ? needed : doubled;
        builder->text          = wr_realloc(builder->text, builder->text_capacity);
    }
}

// How many of the rows fit, and the bytes of their long strings.
static size_t builder_fit(const struct wr_batch_builder *builder, const struct source *source,
                          size_t count, size_t *text_bytes, bool *is_too_long)
{
    const struct wr_row_shape *shape = builder->shape;
    const size_t               size  = shape->type->size;
    const size_t               room  = builder->row_limit - builder->rows;
    const size_t               most  = count < room ? count : room;
    *text_bytes                      = 0;
    *is_too_long                     = false;
    if (shape->strings.count == 0) {
        return most;
    }
    size_t used = builder->rows * (size + ROW_EXTRAS) + builder->text_bytes;
    for (size_t i = 0; i < most; i++) {
        const size_t text = wr_strings_long_bytes(&shape->strings, source_row(source, i, size));
        const size_t row  = size + ROW_EXTRAS + text;
        if (used + row > builder->target_bytes && builder->rows + i > 0) {
            return i;
        }
        if (size + text > ROW_BYTES_MAX) {
            *is_too_long = true;
            return 0;
        }
        used += row;
        *text_bytes += text;
    }
    return most;
}

// Takes the bytes of the rows' long strings; each then says where its begin in the text.
static void builder_take_text(struct wr_batch_builder *builder, char *rows, size_t count,
                              size_t text_bytes)
{
    const struct wr_strings *strings = &builder->shape->strings;
    const size_t             size    = builder->shape->type->size;
    builder_reserve_text(builder, text_bytes);
    size_t at = builder->text_bytes;
    for (size_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < strings->count; j++) {
            char *const to = rows + i * size + strings->offsets[j];
            weir_str    string;
            memcpy(&string, to, sizeof(string));
            if (!weir_str_is_inline(&string)) {
                memcpy(builder->text + at, string.rest.bytes, string.length);
                const uint64_t begin = at;
                memcpy(to + offsetof(weir_str, rest), &begin, sizeof(begin));
                at += string.length;
            }
        }
    }
    WR_ASSERT(at == builder->text_bytes + text_bytes);
    builder->text_bytes = at;
}

static weir_time time_within(weir_time time)
{
    return time < WEIR_TIME_MIN ? WEIR_TIME_MIN : time > WEIR_TIME_MAX ? WEIR_TIME_MAX : time;
}

static void builder_take_times(struct wr_batch_builder *builder, const char *rows, size_t count)
{
    const size_t size     = builder->shape->type->size;
    weir_time    least    = builder->least_time;
    weir_time    greatest = builder->greatest_time;
    const char  *at       = rows + builder->shape->time_at;
    for (size_t i = 0; i < count; i++, at += size) {
        weir_time time;
        memcpy(&time, at, sizeof(time));
        least    = time < least ? time : least;
        greatest = time > greatest ? time : greatest;
    }
    builder->least_time    = time_within(least);
    builder->greatest_time = time_within(greatest);
}

static bool source_has_changes(const struct source *source, size_t count)
{
    for (size_t i = 0; source->changes != NULL && i < count; i++) {
        if (source->changes[source->picks != NULL ? source->picks[i] : i] != WEIR_INSERT) {
            return true;
        }
    }
    return false;
}

static void builder_take_changes(struct wr_batch_builder *builder, const struct source *source,
                                 size_t count)
{
    if (builder->changes == NULL) {
        if (!source_has_changes(source, count)) {
            return;
        }
        builder->changes = wr_alloc(builder->row_limit);
    }
    for (size_t i = 0; source->changes != NULL && i < count; i++) {
        builder->changes[builder->rows + i] =
            source->changes[source->picks != NULL ? source->picks[i] : i];
    }
}

static size_t builder_take(struct wr_batch_builder *builder, const struct source *source,
                           size_t count, bool *is_too_long)
{
    const size_t size = builder->shape->type->size;
    size_t       text_bytes;
    const size_t taken = builder_fit(builder, source, count, &text_bytes, is_too_long);
    if (taken == 0) {
        return 0;
    }
    builder_reserve(builder, taken * size);
    char *const rows = builder->bytes + builder_used(builder);
    copy_rows(builder->shape, source, taken, rows);
    if (builder->shape->time_at != UINT32_MAX) {
        builder_take_times(builder, rows, taken);
    }
    if (builder->shape->strings.count > 0) {
        builder_take_text(builder, rows, taken, text_bytes);
    }
    builder_take_changes(builder, source, taken);
    builder->rows += (uint32_t)taken;
    WR_CHECK(builder->rows <= builder->row_limit);
    return taken;
}

size_t wr_batch_builder_add(struct wr_batch_builder *builder, const void *rows,
                            const uint8_t *changes, size_t count, bool *is_too_long)
{
    const struct source source = { rows, changes, NULL };
    return builder_take(builder, &source, count, is_too_long);
}

size_t wr_batch_builder_add_picked(struct wr_batch_builder *builder, const void *rows,
                                   const uint8_t *changes, const uint32_t *picks, size_t count,
                                   bool *is_too_long)
{
    const struct source source = { rows, changes, picks };
    return builder_take(builder, &source, count, is_too_long);
}

// ---- finishing ----

// Where the parts of an unpacked payload begin.
struct layout {
    size_t deltas, changes, text;
};

static struct layout layout_of(size_t row_bytes, size_t rows, uint32_t flags)
{
    const bool    has_deltas  = (flags & WR_BATCH_HAS_DELTAS) != 0;
    const bool    has_changes = (flags & WR_BATCH_HAS_CHANGES) != 0;
    struct layout layout;
    layout.deltas  = has_deltas ? wr_round_up(rows * row_bytes, 4) : rows * row_bytes;
    layout.changes = layout.deltas + (has_deltas ? rows * 4 : 0);
    layout.text    = layout.changes + (has_changes ? rows : 0);
    return layout;
}

// Long strings say from now on where their bytes begin in the payload, not in the text.
static void builder_place_text(struct wr_batch_builder *builder, size_t text_at)
{
    const struct wr_strings *strings = &builder->shape->strings;
    const size_t             size    = builder->shape->type->size;
    char                    *row     = builder->bytes + WR_BATCH_HEADER_BYTES;
    for (uint32_t i = 0; i < builder->rows; i++, row += size) {
        for (uint32_t j = 0; j < strings->count; j++) {
            char *const at = row + strings->offsets[j];
            uint32_t    length;
            memcpy(&length, at, sizeof(length));
            if (length > WEIR_STR_INLINE) {
                uint64_t begin;
                memcpy(&begin, at + offsetof(weir_str, rest), sizeof(begin));
                begin += text_at;
                memcpy(at + offsetof(weir_str, rest), &begin, sizeof(begin));
            }
        }
    }
}

// Puts deltas, changes and text behind the rows. Returns the bytes of the unpacked payload, behind
// which there is room for the padding.
static size_t builder_join(struct wr_batch_builder *builder, uint32_t flags)
{
    const size_t        size   = builder->shape->type->size;
    const struct layout layout = layout_of(size, builder->rows, flags);
    const size_t        bytes  = layout.text + builder->text_bytes;
    const size_t        rows   = builder->rows * size;
    builder_reserve(builder, bytes - rows + WR_BATCH_ALIGN);
    char *const payload = builder->bytes + WR_BATCH_HEADER_BYTES;
    memset(payload + rows, 0, layout.deltas - rows);
    if ((flags & WR_BATCH_HAS_DELTAS) != 0) {
        memcpy(payload + layout.deltas, builder->deltas, builder->rows * sizeof(uint32_t));
    }
    if ((flags & WR_BATCH_HAS_CHANGES) != 0) {
        memcpy(payload + layout.changes, builder->changes, builder->rows);
    }
    if (builder->text_bytes > 0) {
        builder_place_text(builder, layout.text);
        memcpy(payload + layout.text, builder->text, builder->text_bytes);
    }
    return bytes;
}

// The batch with its payload compressed, or NULL if that does not make it shorter.
static char *compressed_batch(const char *payload, size_t bytes, weir_compression compression,
                              size_t *used)
{
    const size_t plain = wr_round_up(WR_BATCH_HEADER_BYTES + bytes, WR_BATCH_ALIGN);
    if (compression == WEIR_COMPRESSION_NONE ||
        plain < WR_BATCH_HEADER_BYTES + 2 * WR_BATCH_ALIGN) {
        return NULL;
    }
    const size_t before = WR_BATCH_HEADER_BYTES + BLOCK_ROOM;
    const size_t room   = plain - WR_BATCH_ALIGN - before;
    char *const  batch  = wr_alloc_unset(plain, BATCH_MEMORY_ALIGN);
    const size_t made   = wr_compress(compression, payload, bytes, batch + before, room);
    if (made == 0) {
        wr_free(batch);
        return NULL;
    }
    const uint32_t block = (uint32_t)made;
    memcpy(batch + WR_BATCH_HEADER_BYTES, &block, sizeof(block));
    *used = before + made;
    return batch;
}

char *wr_batch_builder_finish(struct wr_batch_builder *builder, weir_compression compression,
                              uint32_t seed, struct wr_log_batch_header *header)
{
    WR_ASSERT(builder->rows > 0);
    const uint32_t *deltas = builder->deltas;
    header->flags          = (deltas != NULL ? (uint32_t)WR_BATCH_HAS_DELTAS : 0) |
                    (builder->changes != NULL ? (uint32_t)WR_BATCH_HAS_CHANGES : 0);
    const size_t unpacked = builder_join(builder, header->flags);
    size_t       used     = WR_BATCH_HEADER_BYTES + unpacked;
    char        *batch =
        compressed_batch(builder->bytes + WR_BATCH_HEADER_BYTES, unpacked, compression, &used);
    header->compression = (uint8_t)(batch != NULL ? compression : WEIR_COMPRESSION_NONE);
    builder->last_bytes = WR_BATCH_HEADER_BYTES + unpacked + WR_BATCH_ALIGN;
    if (batch == NULL) {
        batch          = builder->bytes;
        builder->bytes = NULL;
    }
    const size_t whole = wr_round_up(used, WR_BATCH_ALIGN);
    WR_ASSERT(whole <= WR_BATCH_BYTES_MAX);
    memset(batch + used, 0, whole - used);
    header->kind           = WR_BATCH_ROWS;
    header->bytes          = (uint32_t)whole;
    header->rows           = builder->rows;
    header->span           = deltas != NULL ? deltas[builder->rows - 1] + 1 : builder->rows;
    header->unpacked_bytes = (uint32_t)unpacked;
    header->least_time     = builder->least_time;
    header->greatest_time  = builder->greatest_time;
    header->payload_crc =
        wr_batch_payload_crc(batch + WR_BATCH_HEADER_BYTES, whole - WR_BATCH_HEADER_BYTES, seed);
    builder_begin(builder);
    return batch;
}

// ---- unpacking ----

static char *buffer_of(char **buffer, size_t *capacity, size_t bytes, size_t align)
{
    if (*capacity < bytes || (uintptr_t)*buffer % align != 0) {
        const size_t doubled = *capacity * 2 < WR_BATCH_BYTES_MAX ? *capacity * 2 : 0;
        wr_free(*buffer);
        *capacity = bytes > doubled ? bytes : doubled;
        *buffer   = wr_alloc_unset(*capacity, align);
    }
    return *buffer;
}

// Decompresses into the buffer; NULL: the block is none, or another than the header says.
static char *decompressed(const char *payload, const struct wr_log_batch_header *header,
                          size_t align, char **buffer, size_t *capacity)
{
    const size_t           room        = header->bytes - WR_BATCH_HEADER_BYTES;
    const weir_compression compression = (weir_compression)header->compression;
    uint32_t               block;
    if (room < BLOCK_ROOM) {
        return NULL;
    }
    memcpy(&block, payload, sizeof(block));
    if (block > room - BLOCK_ROOM || room - BLOCK_ROOM - block >= WR_BATCH_ALIGN ||
        !wr_decompress_may_give(compression, payload + BLOCK_ROOM, block, header->unpacked_bytes)) {
        return NULL;
    }
    char *const to = buffer_of(buffer, capacity, header->unpacked_bytes, align);
    return wr_decompress(compression, payload + BLOCK_ROOM, block, to, header->unpacked_bytes)
               ? to
               : NULL;
}

// The unpacked payload, aligned for the rows; NULL: it cannot be had.
static char *unpacked_payload(char *payload, const struct wr_log_batch_header *header,
                              size_t row_align, char **buffer, size_t *capacity)
{
    const size_t align = row_align > BATCH_MEMORY_ALIGN ? row_align : BATCH_MEMORY_ALIGN;
    if (header->compression != WEIR_COMPRESSION_NONE) {
        return decompressed(payload, header, align, buffer, capacity);
    }
    if (header->unpacked_bytes > header->bytes - WR_BATCH_HEADER_BYTES) {
        return NULL;
    }
    if (header->unpacked_bytes > 0 && (uintptr_t)payload % (row_align > 8 ? row_align : 8) != 0) {
        return memcpy(buffer_of(buffer, capacity, header->unpacked_bytes, align), payload,
                      header->unpacked_bytes);
    }
    return payload;
}

// Long strings point to their bytes from now on. False: one would have to point elsewhere.
static bool point_strings(char *payload, size_t bytes, size_t text_at, size_t rows,
                          const struct wr_row_shape *shape)
{
    const size_t size = shape->type->size;
    for (size_t i = 0; i < rows; i++) {
        char *const row = payload + i * size;
        for (uint32_t j = 0; j < shape->strings.count; j++) {
            weir_str *const string = (void *)(row + shape->strings.offsets[j]);
            if (string->length > WEIR_STR_INLINE) {
                uint64_t begin;
                memcpy(&begin, &string->rest, sizeof(begin));
                if (begin < text_at || begin > bytes || string->length > bytes - begin) {
                    return false;
                }
                string->rest.bytes = payload + begin;
            }
        }
    }
    return true;
}

static bool deltas_are_sound(const uint32_t *deltas, uint32_t rows, uint32_t span)
{
    uint64_t least = 0;
    for (uint32_t i = 0; i < rows; i++) {
        if (deltas[i] < least || deltas[i] >= span) {
            return false;
        }
        least = (uint64_t)deltas[i] + 1;
    }
    return true;
}

static bool changes_are_sound(const uint8_t *changes, uint32_t rows)
{
    uint8_t greatest = 0;
    for (uint32_t i = 0; i < rows; i++) {
        greatest = changes[i] > greatest ? changes[i] : greatest;
    }
    return greatest <= WEIR_UPDATE_BEFORE;
}

// Why the payload is not what the header says, or NULL.
static const char *unpack(char *payload, const struct wr_log_batch_header *header,
                          const struct wr_row_shape *stored, struct wr_unpacked *unpacked)
{
    const struct layout layout = layout_of(stored->type->size, header->rows, header->flags);
    const size_t        bytes  = header->unpacked_bytes;
    if (layout.text > bytes || (stored->strings.count == 0 && layout.text != bytes)) {
        return "the batch's rows are not as long as its payload";
    }
    unpacked->rows = payload;
    if ((header->flags & WR_BATCH_HAS_DELTAS) != 0) {
        unpacked->deltas = (const void *)(payload + layout.deltas);
        if (!deltas_are_sound(unpacked->deltas, header->rows, header->span)) {
            return "the offsets of the batch's rows do not rise, or leave its span";
        }
    }
    if ((header->flags & WR_BATCH_HAS_CHANGES) != 0) {
        unpacked->changes = (const uint8_t *)payload + layout.changes;
        if (!changes_are_sound(unpacked->changes, header->rows)) {
            return "the batch has a change that is none";
        }
    }
    if (stored->strings.count > 0 &&
        !point_strings(payload, bytes, layout.text, header->rows, stored)) {
        return "a string of the batch lies outside of it";
    }
    return NULL;
}

bool wr_batch_unpack(char *payload, const struct wr_log_batch_header *header,
                     const struct wr_row_shape *stored, char **buffer, size_t *capacity,
                     struct wr_unpacked *unpacked, const char **reason)
{
    *unpacked         = (struct wr_unpacked){ NULL, NULL, NULL };
    char *const plain = unpacked_payload(payload, header, stored->type->align, buffer, capacity);
    *reason           = header->kind != WR_BATCH_ROWS ? "the batch has no rows"
                        : plain == NULL               ? "the batch cannot be decompressed"
                                                      : unpack(plain, header, stored, unpacked);
    return *reason == NULL;
}
