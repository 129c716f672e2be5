// Record types, and the walks that depend on a record's shape only: its strings, its keys'
// encoding, its keys' hashes.
//
// The encoding of a key (WR_KEY_BYTES): its fields in order, nested records unfolded; a string as
// its length in 4 bytes, in the machine's order, and its bytes; anything else as it lies in memory.
// What lies between fields is not part of it. The hash of such a key is wr_hash_bytes of its
// encoding.
#include "runtime/base/type.h"

#include <stdlib.h>

// ---- kinds ----

struct kind_shape {
    const char *name;
    uint32_t    size; // of one element; 0: the field says
    uint32_t    align;
};

static const struct kind_shape kind_shapes[] = {
    [0]                = { "unknown", 0, 0 },
    [WEIR_KIND_BOOL]   = { "bool", 1, 1 },
    [WEIR_KIND_I8]     = { "i8", 1, 1 },
    [WEIR_KIND_I16]    = { "i16", 2, 2 },
    [WEIR_KIND_I32]    = { "i32", 4, 4 },
    [WEIR_KIND_I64]    = { "i64", 8, 8 },
    [WEIR_KIND_U8]     = { "u8", 1, 1 },
    [WEIR_KIND_U16]    = { "u16", 2, 2 },
    [WEIR_KIND_U32]    = { "u32", 4, 4 },
    [WEIR_KIND_U64]    = { "u64", 8, 8 },
    [WEIR_KIND_F32]    = { "f32", 4, 4 },
    [WEIR_KIND_F64]    = { "f64", 8, 8 },
    [WEIR_KIND_TIME]   = { "time", 8, 8 },
    [WEIR_KIND_STR]    = { "str", 16, 8 },
    [WEIR_KIND_CHARS]  = { "chars", 0, 1 },
    [WEIR_KIND_RECORD] = { "record", 0, 0 },
};

uint32_t wr_kind_bytes(weir_kind kind) { return kind_shapes[kind].size; }

static bool kind_is_known(weir_kind kind)
{
    return (uint32_t)kind >= 1 && (uint32_t)kind < WR_COUNT_OF(kind_shapes);
}

const char *weir_kind_name(weir_kind kind)
{
    return kind_shapes[kind_is_known(kind) ? (uint32_t)kind : 0].name;
}

// ---- types made at run time ----

static bool field_is_sound(const weir_field *field)
{
    if (field->name == NULL || !kind_is_known(field->kind) || field->count == 0) {
        return false;
    }
    if (field->kind == WEIR_KIND_RECORD) {
        const weir_type *record = field->record;
        return record != NULL && field->count == 1 && field->size == record->size &&
               record->align > 0 && field->offset % record->align == 0;
    }
    if (field->kind == WEIR_KIND_CHARS) {
        return field->count == 1 && field->size > 0;
    }
    const struct kind_shape *shape = &kind_shapes[field->kind];
    return field->size == (uint64_t)shape->size * field->count && field->offset % shape->align == 0;
}

static bool fields_are_sound(uint32_t size, const weir_field *fields, uint32_t field_count)
{
    uint64_t end = 0;
    for (uint32_t i = 0; i < field_count; i++) {
        if (!field_is_sound(&fields[i]) || fields[i].offset < end) {
            return false;
        }
        end = (uint64_t)fields[i].offset + fields[i].size;
    }
    return end <= size;
}

static size_t names_bytes(const char *name, const weir_field *fields, uint32_t field_count)
{
    size_t bytes = strlen(name) + 1;
    for (uint32_t i = 0; i < field_count; i++) {
        bytes += strlen(fields[i].name) + 1;
        bytes += fields[i].formerly != NULL ? strlen(fields[i].formerly) + 1 : 0;
    }
    return bytes;
}

// Copies `name` to *at, moves *at past it and returns the copy.
static const char *name_copy(char **at, const char *name)
{
    const size_t bytes = strlen(name) + 1;
    char        *copy  = memcpy(*at, name, bytes);
    *at += bytes;
    return copy;
}

weir_type *weir_type_open(const char *name, uint32_t size, uint32_t align, const weir_field *fields,
                          uint32_t field_count)
{
    const bool is_shaped = size > 0 && align > 0 && (align & (align - 1)) == 0 && size % align == 0;
    if (name == NULL || !is_shaped || (field_count > 0 && fields == NULL) ||
        !fields_are_sound(size, fields, field_count)) {
        return NULL;
    }
    // One block: the type, its fields, their names.
    const size_t fields_bytes = field_count * sizeof(weir_field);
    weir_type   *type =
        calloc(1, sizeof(*type) + fields_bytes + names_bytes(name, fields, field_count));
    if (type == NULL) {
        return NULL;
    }
    weir_field *copies = (weir_field *)(type + 1);
    char       *at     = (char *)copies + fields_bytes;
    *type              = (weir_type){ name_copy(&at, name), copies, field_count, size, align };
    for (uint32_t i = 0; i < field_count; i++) {
        copies[i]      = fields[i];
        copies[i].name = name_copy(&at, fields[i].name);
        if (fields[i].formerly != NULL) {
            copies[i].formerly = name_copy(&at, fields[i].formerly);
        }
    }
    return type;
}

void weir_type_close(weir_type *type) { free(type); }

const weir_field *weir_type_field(const weir_type *type, const char *name)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (strcmp(type->fields[i].name, name) == 0) {
            return &type->fields[i];
        }
    }
    return NULL;
}

// ---- names of before ----

bool wr_field_was_named(const weir_field *field, const char *name)
{
    static const char between[] = ", ";
    const size_t      length    = strlen(name);
    const char       *at        = field->formerly != NULL ? field->formerly : "";
    for (at += strspn(at, between); *at != 0; at += strspn(at, between)) {
        const size_t bytes = strcspn(at, between);
        if (bytes == length && memcmp(at, name, length) == 0) {
            return true;
        }
        at += bytes;
    }
    return false;
}

const weir_field *wr_field_before(const weir_type *stored, const weir_field *field)
{
    const weir_field *before = weir_type_field(stored, field->name);
    for (uint32_t i = 0; i < stored->field_count && before == NULL; i++) {
        if (wr_field_was_named(field, stored->fields[i].name)) {
            before = &stored->fields[i];
        }
    }
    return before;
}

// ---- strings ----

// Counts the strings of a record that lies `base` bytes into the row and, with `offsets`, notes
// where they are. Returns the count, `count` of which were there before.
static uint32_t strings_walk(const weir_type *type, uint32_t base, uint32_t *offsets,
                             uint32_t count)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const weir_field *field = &type->fields[i];
        if (field->kind == WEIR_KIND_RECORD) {
            count = strings_walk(field->record, base + field->offset, offsets, count);
        } else if (field->kind == WEIR_KIND_STR) {
            for (uint32_t j = 0; j < field->count; j++, count++) {
                if (offsets != NULL) {
                    offsets[count] = base + field->offset + j * (uint32_t)sizeof(weir_str);
                }
            }
        }
    }
    return count;
}

struct wr_strings wr_strings_of(const weir_type *type)
{
    const uint32_t    count   = strings_walk(type, 0, NULL, 0);
    struct wr_strings strings = { NULL, count };
    if (count > 0) {
        strings.offsets = wr_alloc(count * sizeof(uint32_t));
        strings_walk(type, 0, strings.offsets, 0);
    }
    return strings;
}

void wr_strings_fini(struct wr_strings *strings)
{
    wr_free(strings->offsets);
    *strings = (struct wr_strings){ NULL, 0 };
}

void wr_strings_add(struct wr_strings *strings, const struct wr_strings *inner, uint32_t at)
{
    if (inner->count == 0) {
        return;
    }
    strings->offsets =
        wr_realloc(strings->offsets, sizeof(*strings->offsets) * (strings->count + inner->count));
    for (uint32_t i = 0; i < inner->count; i++) {
        strings->offsets[strings->count++] = inner->offsets[i] + at;
    }
}

size_t wr_strings_long_bytes(const struct wr_strings *strings, const void *row)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < strings->count; i++) {
        const weir_str *string = (const void *)((const char *)row + strings->offsets[i]);
        bytes += weir_str_is_inline(string) ? 0 : string->length;
    }
    return bytes;
}

size_t wr_strings_move(const struct wr_strings *strings, void *row, char *to)
{
    char *at = to;
    for (uint32_t i = 0; i < strings->count; i++) {
        weir_str *string = (void *)((char *)row + strings->offsets[i]);
        if (!weir_str_is_inline(string)) {
            memcpy(at, string->rest.bytes, string->length);
            string->rest.bytes = at;
            at += string->length;
        }
    }
    return (size_t)(at - to);
}

// ---- keys ----

// Bytes of the record that belong to a field.
static uint64_t type_field_bytes(const weir_type *type)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const weir_field *field = &type->fields[i];
        bytes += field->kind == WEIR_KIND_RECORD ? type_field_bytes(field->record) : field->size;
    }
    return bytes;
}

bool wr_type_has_padding(const weir_type *type) { return type_field_bytes(type) != type->size; }

// Padding may hold anything, so that a type with some is compared by its encoding.
static enum wr_key_kind key_kind_of(const weir_type *type, uint32_t string_count)
{
    if (string_count > 0 || type->size > 16 || wr_type_has_padding(type)) {
        return WR_KEY_BYTES;
    }
    return type->size <= 4 ? WR_KEY_4 : type->size <= 8 ? WR_KEY_8 : WR_KEY_16;
}

struct wr_key_codec wr_key_codec_of(const weir_type *type)
{
    const struct wr_strings strings = wr_strings_of(type);
    return (struct wr_key_codec){ type, key_kind_of(type, strings.count), strings };
}

void wr_key_codec_fini(struct wr_key_codec *codec) { wr_strings_fini(&codec->strings); }

// A string counts 16 bytes as a field and 4 encoded, before its own bytes.
size_t wr_key_encoded_bytes(const struct wr_key_codec *codec, const void *key)
{
    const struct wr_strings *strings = &codec->strings;
    size_t bytes = type_field_bytes(codec->type) - strings->count * (sizeof(weir_str) - 4);
    for (uint32_t i = 0; i < strings->count; i++) {
        bytes +=
            ((const weir_str *)(const void *)((const char *)key + strings->offsets[i]))->length;
    }
    return bytes;
}

static char *encode_strings(const weir_str *strings, uint32_t count, char *at)
{
    for (uint32_t i = 0; i < count; i++) {
        memcpy(at, &strings[i].length, 4);
        memcpy(at + 4, weir_str_bytes(&strings[i]), strings[i].length);
        at += 4 + strings[i].length;
    }
    return at;
}

static char *encode_record(const weir_type *type, const char *record, char *at)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const weir_field *field = &type->fields[i];
        const void       *value = record + field->offset;
        if (field->kind == WEIR_KIND_RECORD) {
            at = encode_record(field->record, value, at);
        } else if (field->kind == WEIR_KIND_STR) {
            at = encode_strings(value, field->count, at);
        } else {
            memcpy(at, value, field->size);
            at += field->size;
        }
    }
    return at;
}

size_t wr_key_encode(const struct wr_key_codec *codec, const void *key, char *bytes)
{
    WR_ASSERT(codec->kind == WR_KEY_BYTES);
    return (size_t)(encode_record(codec->type, key, bytes) - bytes);
}

// Takes `bytes` bytes of the encoding, which ends at `end`.
static const char *decode_take(const char **at, const char *end, size_t bytes)
{
    WR_ASSERT(bytes <= (size_t)(end - *at));
    const char *taken = *at;
    *at += bytes;
    return taken;
}

static void decode_strings(const char **at, const char *end, uint32_t count, weir_str *strings)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length;
        memcpy(&length, decode_take(at, end, 4), 4);
        strings[i] = weir_str_of(decode_take(at, end, length), length);
    }
}

static void decode_record(const weir_type *type, const char **at, const char *end, char *record)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const weir_field *field = &type->fields[i];
        void             *value = record + field->offset;
        if (field->kind == WEIR_KIND_RECORD) {
            decode_record(field->record, at, end, value);
        } else if (field->kind == WEIR_KIND_STR) {
            decode_strings(at, end, field->count, value);
        } else {
            memcpy(value, decode_take(at, end, field->size), field->size);
        }
    }
}

void wr_key_decode(const struct wr_key_codec *codec, const char *bytes, size_t length, void *key)
{
    WR_ASSERT(codec->kind == WR_KEY_BYTES);
    const char *at = bytes;
    memset(key, 0, codec->type->size);
    decode_record(codec->type, &at, bytes + length, key);
    WR_ASSERT(at == bytes + length);
}

// ---- hashes of keys ----
//
// One loop a width, the width a constant in it: keys do not depend on each other, so that their
// multiplications overlap.

static inline uint64_t hash_of_16(uint64_t low, uint64_t high, uint64_t seed)
{
    return wr_mix64(high, wr_mix64(low, seed));
}

static void hash_many_4(const char *keys, uint32_t count, uint64_t seed, uint64_t *hashes)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t value;
        memcpy(&value, keys + (size_t)i * 4, 4);
        hashes[i] = wr_mix64(value, seed);
    }
}

static void hash_many_8(const char *keys, uint32_t count, uint64_t seed, uint64_t *hashes)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t value;
        memcpy(&value, keys + (size_t)i * 8, 8);
        hashes[i] = wr_mix64(value, seed);
    }
}

static void hash_many_16(const char *keys, uint32_t count, uint64_t seed, uint64_t *hashes)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t halves[2];
        memcpy(halves, keys + (size_t)i * 16, 16);
        hashes[i] = hash_of_16(halves[0], halves[1], seed);
    }
}

// Keys of another size below 16 bytes, as if padded with zeros to the next of 4, 8 and 16.
static void hash_many_padded(const char *keys, uint32_t size, uint32_t count, uint64_t seed,
                             uint64_t *hashes)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t halves[2] = { 0, 0 };
        memcpy(halves, keys + (size_t)i * size, size);
        hashes[i] = size <= 8 ? wr_mix64(halves[0], seed) : hash_of_16(halves[0], halves[1], seed);
    }
}

static uint64_t hash_of_encoded(const struct wr_key_codec *codec, const void *key, uint64_t seed)
{
    char         small[256];
    const size_t length = wr_key_encoded_bytes(codec, key);
    char        *bytes  = length <= sizeof(small) ? small : wr_alloc(length);
    const size_t used   = wr_key_encode(codec, key, bytes);
    WR_ASSERT(used == length);
    const uint64_t hash = wr_hash_bytes(bytes, length, seed);
    if (bytes != small) {
        wr_free(bytes);
    }
    return hash;
}

void wr_key_hash_many(const struct wr_key_codec *codec, const void *keys, uint32_t count,
                      uint64_t seed, uint64_t *hashes)
{
    const uint32_t size = codec->type->size;
    if (codec->kind == WR_KEY_BYTES) {
        for (uint32_t i = 0; i < count; i++) {
            hashes[i] = hash_of_encoded(codec, (const char *)keys + (size_t)i * size, seed);
        }
        return;
    }
    switch (size) {
    case 4: hash_many_4(keys, count, seed, hashes); break;
    case 8: hash_many_8(keys, count, seed, hashes); break;
    case 16: hash_many_16(keys, count, seed, hashes); break;
    default: hash_many_padded(keys, size, count, seed, hashes);
    }
}
