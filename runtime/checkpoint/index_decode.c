// Bytes to an index: nothing is taken that index.h's invariants do not allow.
#include "runtime/checkpoint/index.h"

#include "runtime/checkpoint/index_bytes.h"

#include <stdlib.h>
#include <string.h>

// Reads on until something is wrong; from then on everything is zero or empty.
struct reader {
    const char      *bytes;
    size_t           at, length;
    struct wr_index *index;
    char            *reason; // NULL: nothing is wrong so far
};

static void fail(struct reader *reader, const char *what)
{
    if (reader->reason == NULL) {
        reader->reason = wr_format("at byte %zu of the index %s", reader->at, what);
        reader->at     = reader->length;
    }
}

static void require(struct reader *reader, bool claim, const char *what)
{
    if (!claim) {
        fail(reader, what);
    }
}

static void get(struct reader *reader, void *to, size_t length)
{
    memset(to, 0, length);
    require(reader, reader->length - reader->at >= length, "it ends too soon");
    if (reader->reason == NULL) {
        memcpy(to, reader->bytes + reader->at, length);
        reader->at += length;
    }
}

static uint8_t get_u8(struct reader *reader)
{
    uint8_t value;
    get(reader, &value, sizeof(value));
    return value;
}

static uint32_t get_u32(struct reader *reader)
{
    uint32_t value;
    get(reader, &value, sizeof(value));
    return value;
}

static uint64_t get_u64(struct reader *reader)
{
    uint64_t value;
    get(reader, &value, sizeof(value));
    return value;
}

static bool get_bool(struct reader *reader)
{
    const uint8_t value = get_u8(reader);
    require(reader, value <= 1, "a yes or no is neither");
    return value == 1;
}

// A count of things of which each takes at least so many bytes.
static uint32_t get_count(struct reader *reader, uint32_t least_bytes)
{
    const uint32_t count = get_u32(reader);
    require(reader, count <= (reader->length - reader->at) / least_bytes,
            "there is a greater count than the bytes behind it can hold");
    return reader->reason == NULL ? count : 0;
}

// Points into the bytes.
static const char *get_text(struct reader *reader)
{
    const uint32_t length = get_u32(reader);
    require(reader, length < reader->length - reader->at, "a text does not end");
    if (reader->reason == NULL) {
        const char *const text = reader->bytes + reader->at;
        require(reader, memchr(text, 0, (size_t)length + 1) == text + length,
                "a text does not end where it should");
        if (reader->reason == NULL) {
            reader->at += (size_t)length + 1;
            return text;
        }
    }
    return "";
}

static const char *get_name(struct reader *reader)
{
    const char *const name = get_text(reader);
    require(reader, name[0] != 0, "there is an empty name");
    return name;
}

// Zeroed memory for `count` things; NULL for none.
static void *get_room(uint32_t count, size_t each)
{
    return count == 0 ? NULL : wr_alloc(count * each);
}

// ---- what must differ ----

// Whether all `count` things differ: sorted pointers to them, compared with their neighbours.
static bool are_distinct(const void *things, uint32_t count, size_t each,
                         int (*compare)(const void *one, const void *other))
{
    if (count < 2) {
        return true;
    }
    const void **order = wr_alloc(count * sizeof(*order));
    bool         is    = true;
    for (uint32_t i = 0; i < count; i++) {
        order[i] = (const char *)things + i * each;
    }
    qsort(order, count, sizeof(*order), compare);
    for (uint32_t i = 1; i < count && is; i++) {
        is = compare(&order[i - 1], &order[i]) != 0;
    }
    wr_free(order);
    return is;
}

static int file_compare(const void *one, const void *other)
{
    const struct wr_index_file *a = *(const struct wr_index_file *const *)one;
    const struct wr_index_file *b = *(const struct wr_index_file *const *)other;
    return strcmp(a->name, b->name);
}

static int counter_compare(const void *one, const void *other)
{
    const struct wr_index_counter *a = *(const struct wr_index_counter *const *)one;
    const struct wr_index_counter *b = *(const struct wr_index_counter *const *)other;
    return strcmp(a->name, b->name);
}

static int cell_compare(const void *one, const void *other)
{
    const struct wr_index_cell *a     = *(const struct wr_index_cell *const *)one;
    const struct wr_index_cell *b     = *(const struct wr_index_cell *const *)other;
    const int                   names = strcmp(a->name, b->name);
    if (names != 0 || a->key == NULL || b->key == NULL) {
        return names != 0 ? names : (a->key != NULL) - (b->key != NULL);
    }
    return strcmp(a->key, b->key);
}

static int table_compare(const void *one, const void *other)
{
    const struct wr_index_table *a     = *(const struct wr_index_table *const *)one;
    const struct wr_index_table *b     = *(const struct wr_index_table *const *)other;
    const int                    names = strcmp(a->name, b->name);
    if (names != 0 || a->has_member != b->has_member) {
        return names != 0 ? names : a->has_member - b->has_member;
    }
    return a->member < b->member ? -1 : a->member > b->member;
}

static int operator_compare(const void *one, const void *other)
{
    const struct wr_index_operator *a = *(const struct wr_index_operator *const *)one;
    const struct wr_index_operator *b = *(const struct wr_index_operator *const *)other;
    return strcmp(a->name, b->name);
}

static int number_compare(const void *one, const void *other)
{
    const uint32_t a = **(const uint32_t *const *)one, b = **(const uint32_t *const *)other;
    return a < b ? -1 : a > b;
}

// ---- the parts ----

static void get_segment(struct reader *reader, struct wr_index_segment *segment)
{
    segment->place.file                = get_u32(reader);
    segment->place.bytes               = get_u32(reader);
    segment->place.offset              = get_u64(reader);
    segment->place.entries             = get_u32(reader);
    segment->place.crc                 = get_u32(reader);
    segment->prefix                    = get_u64(reader);
    segment->depth                     = get_u32(reader);
    const struct wr_block_place *place = &segment->place;
    const struct wr_index_file  *file  = wr_index_find_file(reader->index, place->file);
    require(reader, file != NULL, "a segment lies in a file that is not in the list");
    require(reader, place->bytes <= WR_BLOCK_PAYLOAD_MAX && place->offset % WR_BLOCK_ALIGN == 0,
            "a segment is too long or lies between two blocks");
    if (reader->reason == NULL && file != NULL) {
        const uint64_t bytes = wr_block_bytes(place->bytes);
        require(reader, bytes <= file->bytes && place->offset <= file->bytes - bytes,
                "a segment ends behind its file");
    }
    require(reader,
            segment->depth <= 64 &&
                (segment->depth == 64 || segment->prefix << segment->depth == 0),
            "the prefix of a segment is longer than its bits");
}

// The last hash that begins with the prefix.
static uint64_t last_hash(const struct wr_index_segment *segment)
{
    return segment->depth >= 64 ? segment->prefix : segment->prefix | UINT64_MAX >> segment->depth;
}

static void get_segments(struct reader *reader, struct wr_index_table *table)
{
    const struct wr_index *index   = reader->index;
    uint64_t               entries = 0;
    table->segment_count           = get_count(reader, WR_INDEX_SEGMENT_BYTES);
    struct wr_index_segment *const segments =
        get_room(table->segment_count, sizeof(struct wr_index_segment));
    table->segments = segments;
    for (uint32_t i = 0; i < table->segment_count && reader->reason == NULL; i++) {
        get_segment(reader, &segments[i]);
        require(reader, i == 0 || segments[i].prefix > last_hash(&segments[i - 1]),
                "two segments of a table overlap, or come in another order than by prefix");
        require(reader,
                segments[i].prefix >> 48 < index->end_cell &&
                    last_hash(&segments[i]) >> 48 >= index->first_cell,
                "a segment lies outside of the task's key range");
        entries += segments[i].place.entries;
    }
    require(reader, entries == table->entries,
            "the entries of a table's segments are not as many as the table has");
}

static void get_strings(struct reader *reader, struct wr_index_table *table)
{
    table->string_count     = get_count(reader, sizeof(uint32_t));
    uint32_t *const offsets = get_room(table->string_count, sizeof(uint32_t));
    table->string_offsets   = offsets;
    for (uint32_t i = 0; i < table->string_count && reader->reason == NULL; i++) {
        offsets[i] = get_u32(reader);
        require(reader,
                offsets[i] <= table->value_bytes &&
                    table->value_bytes - offsets[i] >= sizeof(weir_str) &&
                    (i == 0 || offsets[i] - offsets[i - 1] >= sizeof(weir_str)) &&
                    (i == 0 || offsets[i] > offsets[i - 1]),
                "the strings of a value overlap, or lie outside of it");
    }
}

static void get_table(struct reader *reader, struct wr_index_table *table)
{
    table->name            = get_name(reader);
    table->has_member      = get_bool(reader);
    table->member          = (int64_t)get_u64(reader);
    table->number          = get_u32(reader);
    const uint8_t key_kind = get_u8(reader);
    require(reader, table->has_member || table->member == 0, "a table of no family has a member");
    require(reader, key_kind <= WR_KEY_BYTES, "the keys of a table are of no known kind");
    table->key_kind    = reader->reason == NULL ? (enum wr_key_kind)key_kind : WR_KEY_4;
    table->stores_hash = get_bool(reader);
    table->value_bytes = get_u32(reader);
    get_strings(reader, table);
    table->types   = get_text(reader);
    table->entries = get_u64(reader);
    get_segments(reader, table);
}

static void get_counters(struct reader *reader, struct wr_index_operator *owner)
{
    owner->counter_count                    = get_count(reader, WR_INDEX_COUNTER_LEAST);
    struct wr_index_counter *const counters = get_room(owner->counter_count, sizeof(*counters));
    owner->counters                         = counters;
    for (uint32_t i = 0; i < owner->counter_count; i++) {
        counters[i].name  = get_name(reader);
        counters[i].value = get_u64(reader);
    }
    require(reader,
            reader->reason != NULL ||
                are_distinct(counters, owner->counter_count, sizeof(*counters), counter_compare),
            "an operator has two counters of one name");
}

static void get_cell(struct reader *reader, struct wr_index_cell *cell)
{
    cell->name   = get_name(reader);
    cell->key    = get_bool(reader) ? get_text(reader) : NULL;
    cell->length = get_count(reader, 1);
    cell->bytes  = reader->bytes + reader->at;
    reader->at += cell->length;
}

static void get_cells(struct reader *reader, struct wr_index_operator *owner)
{
    owner->cell_count                 = get_count(reader, WR_INDEX_CELL_LEAST);
    struct wr_index_cell *const cells = get_room(owner->cell_count, sizeof(*cells));
    owner->cells                      = cells;
    for (uint32_t i = 0; i < owner->cell_count; i++) {
        get_cell(reader, &cells[i]);
    }
    require(reader,
            reader->reason != NULL ||
                are_distinct(cells, owner->cell_count, sizeof(*cells), cell_compare),
            "an operator has two cells of one name and key");
}

static void get_tables(struct reader *reader, struct wr_index_operator *owner)
{
    owner->table_count                  = get_count(reader, WR_INDEX_TABLE_LEAST);
    struct wr_index_table *const tables = get_room(owner->table_count, sizeof(*tables));
    owner->tables                       = tables;
    for (uint32_t i = 0; i < owner->table_count; i++) {
        get_table(reader, &tables[i]);
    }
    require(reader,
            reader->reason != NULL ||
                are_distinct(tables, owner->table_count, sizeof(*tables), table_compare),
            "an operator has two tables of one name and member");
}

static void get_operators(struct reader *reader)
{
    struct wr_index *const index           = reader->index;
    index->operator_count                  = get_count(reader, WR_INDEX_OPERATOR_LEAST);
    struct wr_index_operator *const owners = get_room(index->operator_count, sizeof(*owners));
    index->operators                       = owners;
    for (uint32_t i = 0; i < index->operator_count; i++) {
        owners[i].name      = get_name(reader);
        owners[i].watermark = (int64_t)get_u64(reader);
        get_counters(reader, &owners[i]);
        get_cells(reader, &owners[i]);
        get_tables(reader, &owners[i]);
    }
    require(reader,
            reader->reason != NULL ||
                are_distinct(owners, index->operator_count, sizeof(*owners), operator_compare),
            "two operators have one name");
}

static void get_files(struct reader *reader)
{
    struct wr_index *const index = reader->index;
    index->file_count            = get_count(reader, WR_INDEX_FILE_LEAST);
    index->files                 = get_room(index->file_count, sizeof(struct wr_index_file));
    for (uint32_t i = 0; i < index->file_count && reader->reason == NULL; i++) {
        struct wr_index_file *file = &index->files[i];
        struct wr_file_id     id   = { .checkpoint = 0 };
        file->number               = get_u32(reader);
        file->name                 = get_name(reader);
        file->bytes                = get_u64(reader);
        file->used                 = get_u64(reader);
        require(reader, i == 0 || file->number > file[-1].number,
                "the numbers of the files do not rise");
        require(reader, wr_state_name_parse(file->name, &id), "a file is no state file");
        require(reader,
                wr_file_id_is(&id, &index->id) ||
                    (id.checkpoint < index->id.checkpoint && id.epoch <= index->id.epoch),
                "a file is of a later checkpoint");
        require(reader, file->used > 0 && file->used <= file->bytes,
                "more of a file is used than it has, or nothing");
    }
    require(reader,
            reader->reason != NULL || are_distinct(index->files, index->file_count,
                                                   sizeof(struct wr_index_file), file_compare),
            "a file is in the list twice");
}

// ---- the whole ----

static void check_used(struct reader *reader)
{
    struct wr_index *const index = reader->index;
    uint64_t *const        said  = get_room(index->file_count, sizeof(uint64_t));
    uint32_t               number;
    for (uint32_t i = 0; i < index->file_count; i++) {
        said[i] = index->files[i].used;
    }
    const bool is_complete = wr_index_count_used(index, &number);
    WR_ASSERT(is_complete);
    for (uint32_t i = 0; i < index->file_count; i++) {
        require(reader, said[i] == index->files[i].used,
                "the blocks that are used of a file are not as long as it says");
    }
    wr_free(said);
}

static void check_table_numbers(struct reader *reader)
{
    const struct wr_index *index = reader->index;
    uint32_t               count = 0;
    for (uint32_t i = 0; i < index->operator_count; i++) {
        count += index->operators[i].table_count;
    }
    uint32_t *const numbers = get_room(count, sizeof(uint32_t));
    for (uint32_t i = 0, n = 0; i < index->operator_count; i++) {
        for (uint32_t j = 0; j < index->operators[i].table_count; j++) {
            numbers[n++] = index->operators[i].tables[j].number;
        }
    }
    require(reader, are_distinct(numbers, count, sizeof(uint32_t), number_compare),
            "two tables have one number");
    wr_free(numbers);
}

static void get_index(struct reader *reader)
{
    struct wr_index *const index  = reader->index;
    const uint32_t         magic  = get_u32(reader);
    const uint32_t         format = get_u32(reader);
    require(reader, magic == WR_INDEX_MAGIC, "the magic number is another");
    require(reader, format == WR_INDEX_FORMAT, "the format is another: use a newer program");
    index->id.checkpoint = get_u64(reader);
    index->id.epoch      = get_u32(reader);
    index->id.task       = get_u32(reader);
    index->stage         = get_u32(reader);
    index->stage_name    = get_text(reader);
    index->instance      = get_u32(reader);
    index->first_cell    = get_u32(reader);
    index->end_cell      = get_u32(reader);
    require(reader, index->first_cell <= index->end_cell && index->end_cell <= WR_CELL_COUNT,
            "the key range is none");
    get_files(reader);
    get_operators(reader);
    require(reader, reader->at == reader->length || reader->reason != NULL,
            "there are more bytes than an index has");
    if (reader->reason == NULL) {
        check_used(reader);
        check_table_numbers(reader);
    }
}

bool wr_index_decode(char *bytes, size_t length, struct wr_index *index, char **reason)
{
    *index               = (struct wr_index){ .memory = NULL };
    struct reader reader = { .bytes = bytes, .length = length, .index = index };
    get_index(&reader);
    *reason = reader.reason;
    if (reader.reason != NULL) {
        wr_index_fini(index);
        return false;
    }
    index->memory = bytes;
    return true;
}
