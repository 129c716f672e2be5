// An index as a tree, and its way to bytes; index_decode.c is the way back.
#include "runtime/checkpoint/index.h"

#include "runtime/checkpoint/index_bytes.h"

#include <stdlib.h>
#include <string.h>

// ---- the tree ----

const struct wr_index_operator *wr_index_find_operator(const struct wr_index *index,
                                                       const char            *name)
{
    for (uint32_t i = 0; i < index->operator_count; i++) {
        if (strcmp(index->operators[i].name, name) == 0) {
            return &index->operators[i];
        }
    }
    return NULL;
}

struct wr_index_file *wr_index_find_file(const struct wr_index *index, uint32_t number)
{
    uint32_t low = 0, high = index->file_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (index->files[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < index->file_count && index->files[low].number == number ? &index->files[low]
                                                                         : NULL;
}

bool wr_index_count_used(struct wr_index *index, uint32_t *number)
{
    for (uint32_t i = 0; i < index->file_count; i++) {
        index->files[i].used = 0;
    }
    for (uint32_t i = 0; i < index->operator_count; i++) {
        for (uint32_t j = 0; j < index->operators[i].table_count; j++) {
            const struct wr_index_table *table = &index->operators[i].tables[j];
            for (uint32_t k = 0; k < table->segment_count; k++) {
                const struct wr_block_place *place = &table->segments[k].place;
                struct wr_index_file        *file  = wr_index_find_file(index, place->file);
                if (file == NULL) {
                    *number = place->file;
                    return false;
                }
                file->used += wr_block_bytes(place->bytes);
            }
        }
    }
    return true;
}

void wr_index_fini(struct wr_index *index)
{
    for (uint32_t i = 0; i < index->operator_count; i++) {
        const struct wr_index_operator *owner = &index->operators[i];
        for (uint32_t j = 0; j < owner->table_count; j++) {
            wr_free((void *)(uintptr_t)owner->tables[j].string_offsets);
            wr_free((void *)(uintptr_t)owner->tables[j].segments);
        }
        wr_free((void *)(uintptr_t)owner->counters);
        wr_free((void *)(uintptr_t)owner->cells);
        wr_free((void *)(uintptr_t)owner->tables);
    }
    wr_free((void *)(uintptr_t)index->operators);
    wr_free(index->files);
    wr_free(index->memory);
    *index = (struct wr_index){ .memory = NULL };
}

// ---- encoding ----

struct writer {
    char  *bytes;
    size_t length, capacity;
};

static void put(struct writer *writer, const void *bytes, size_t length)
{
    if (writer->capacity - writer->length < length) {
        writer->capacity = 2 * (writer->length + length) + 4096;
        writer->bytes    = wr_realloc(writer->bytes, writer->capacity);
    }
    if (length > 0) {
        memcpy(writer->bytes + writer->length, bytes, length);
    }
    writer->length += length;
}

static void put_u8(struct writer *writer, uint8_t value) { put(writer, &value, sizeof(value)); }
static void put_u32(struct writer *writer, uint32_t value) { put(writer, &value, sizeof(value)); }
static void put_u64(struct writer *writer, uint64_t value) { put(writer, &value, sizeof(value)); }

static void put_text(struct writer *writer, const char *text)
{
    const size_t length = text == NULL ? 0 : strlen(text);
    WR_ASSERT(length < UINT32_MAX);
    put_u32(writer, (uint32_t)length);
    put(writer, text == NULL ? "" : text, length + 1);
}

static int segment_compare(const void *one, const void *other)
{
    const struct wr_index_segment *a = one, *b = other;
    return a->prefix < b->prefix ? -1 : a->prefix > b->prefix;
}

static void put_segments(struct writer *writer, const struct wr_index_table *table)
{
    const size_t             bytes = table->segment_count * sizeof(struct wr_index_segment);
    struct wr_index_segment *order = wr_alloc(bytes + 1);
    if (bytes > 0) {
        memcpy(order, table->segments, bytes);
        qsort(order, table->segment_count, sizeof(*order), segment_compare);
    }
    put_u32(writer, table->segment_count);
    for (uint32_t i = 0; i < table->segment_count; i++) {
        put_u32(writer, order[i].place.file);
        put_u32(writer, order[i].place.bytes);
        put_u64(writer, order[i].place.offset);
        put_u32(writer, order[i].place.entries);
        put_u32(writer, order[i].place.crc);
        put_u64(writer, order[i].prefix);
        put_u32(writer, order[i].depth);
    }
    wr_free(order);
}

static void put_table(struct writer *writer, const struct wr_index_table *table)
{
    put_text(writer, table->name);
    put_u8(writer, table->has_member);
    put_u64(writer, table->has_member ? (uint64_t)table->member : 0);
    put_u32(writer, table->number);
    put_u8(writer, (uint8_t)table->key_kind);
    put_u8(writer, table->stores_hash);
    put_u32(writer, table->value_bytes);
    put_u32(writer, table->string_count);
    put(writer, table->string_offsets, table->string_count * sizeof(uint32_t));
    put_text(writer, table->types);
    put_u64(writer, table->entries);
    put_segments(writer, table);
}

static void put_operator(struct writer *writer, const struct wr_index_operator *owner)
{
    put_text(writer, owner->name);
    put_u64(writer, (uint64_t)owner->watermark);
    put_u32(writer, owner->counter_count);
    for (uint32_t i = 0; i < owner->counter_count; i++) {
        put_text(writer, owner->counters[i].name);
        put_u64(writer, owner->counters[i].value);
    }
    put_u32(writer, owner->cell_count);
    for (uint32_t i = 0; i < owner->cell_count; i++) {
        const struct wr_index_cell *cell = &owner->cells[i];
        put_text(writer, cell->name);
        put_u8(writer, cell->key != NULL);
        if (cell->key != NULL) {
            put_text(writer, cell->key);
        }
        put_u32(writer, cell->length);
        put(writer, cell->bytes, cell->length);
    }
    put_u32(writer, owner->table_count);
    for (uint32_t i = 0; i < owner->table_count; i++) {
        put_table(writer, &owner->tables[i]);
    }
}

static void put_files(struct writer *writer, const struct wr_index *index)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < index->file_count; i++) {
        count += index->files[i].used > 0;
    }
    put_u32(writer, count);
    for (uint32_t i = 0; i < index->file_count; i++) {
        const struct wr_index_file *file = &index->files[i];
        if (file->used > 0) {
            put_u32(writer, file->number);
            put_text(writer, file->name);
            put_u64(writer, file->bytes);
            put_u64(writer, file->used);
        }
    }
}

char *wr_index_encode(const struct wr_index *index, size_t *length)
{
    struct writer writer = { .length = 0 };
    put_u32(&writer, WR_INDEX_MAGIC);
    put_u32(&writer, WR_INDEX_FORMAT);
    put_u64(&writer, index->id.checkpoint);
    put_u32(&writer, index->id.epoch);
    put_u32(&writer, index->id.task);
    put_u32(&writer, index->stage);
    put_text(&writer, index->stage_name);
    put_u32(&writer, index->instance);
    put_u32(&writer, index->first_cell);
    put_u32(&writer, index->end_cell);
    put_files(&writer, index);
    put_u32(&writer, index->operator_count);
    for (uint32_t i = 0; i < index->operator_count; i++) {
        put_operator(&writer, &index->operators[i]);
    }
    *length = writer.length;
    return writer.bytes;
}
