#include "log/key.h"

#include <string.h>

#define KEY_SEED 0 // fixed for ever

// Adds the field called the first `length` bytes of `name`.
static bool key_add(struct wr_log_key *key, weir_field *fields, uint32_t *size, uint32_t *align,
                    const weir_type *type, const char *name, size_t length, char **error)
{
    char             *copy  = wr_format("%.*s", (int)length, name);
    const weir_field *field = weir_type_field(type, copy);
    if (field == NULL) {
        *error = wr_format("%s has no field \"%s\" for its key", type->name, copy);
        wr_free(copy);
        return false;
    }
    wr_free(copy);
    if (field->kind == WEIR_KIND_RECORD || field->kind == WEIR_KIND_F32 ||
        field->kind == WEIR_KIND_F64) {
        *error =
            wr_format("%s: field \"%s\" cannot be part of a key: it is %s", type->name, field->name,
                      field->kind == WEIR_KIND_RECORD ? "a record" : "a floating-point number");
        return false;
    }
    const uint32_t field_align = field->kind == WEIR_KIND_STR     ? 8
                                 : field->kind == WEIR_KIND_CHARS ? 1
                                                                  : field->size / field->count;
    *size                      = (uint32_t)wr_round_up(*size, field_align);
    *align                     = field_align > *align ? field_align : *align;
    key->parts[key->part_count] =
        (struct wr_log_key_part){ .from = field->offset, .to = *size, .size = field->size };
    fields[key->part_count]        = *field;
    fields[key->part_count].offset = *size;
    key->part_count++;
    *size += field->size;
    return true;
}

static uint32_t count_names(const char *fields)
{
    uint32_t count = 1;
    for (; *fields != '\0'; fields++) {
        count += *fields == ',';
    }
    return count;
}

bool wr_log_key_init(struct wr_log_key *key, const weir_type *type, const char *fields,
                     char **error)
{
    const uint32_t count  = count_names(fields);
    weir_field    *of_key = wr_alloc(count * sizeof(*of_key));
    uint32_t       size = 0, align = 1;
    bool           is_right = true;
    *key                    = (struct wr_log_key){ .parts = wr_alloc(count * sizeof(*key->parts)) };
    for (const char *name = fields; is_right && name != NULL;) {
        const char  *comma  = strchr(name, ',');
        const size_t length = comma != NULL ? (size_t)(comma - name) : strlen(name);
        is_right            = key_add(key, of_key, &size, &align, type, name, length, error);
        name                = comma != NULL ? comma + 1 : NULL;
    }
    if (is_right) {
        key->type = weir_type_open("key", (uint32_t)wr_round_up(size, align), align, of_key, count);
        is_right  = key->type != NULL;
        if (is_right) {
            key->codec = wr_key_codec_of(key->type);
        } else {
            *error = wr_format("%s: the key \"%s\" names a field twice", type->name, fields);
        }
    }
    wr_free(of_key);
    if (!is_right) {
        wr_free(key->parts);
        *key = (struct wr_log_key){ .type = NULL };
    }
    return is_right;
}

void wr_log_key_fini(struct wr_log_key *key)
{
    if (key->type != NULL) {
        wr_key_codec_fini(&key->codec);
        weir_type_close(key->type);
    }
    wr_free(key->parts);
}

void wr_log_key_gather(const struct wr_log_key *key, const void *rows, uint32_t row_bytes,
                       uint32_t count, void *keys)
{
    const uint32_t key_bytes = key->type->size;
    memset(keys, 0, (size_t)count * key_bytes);
    for (uint32_t i = 0; i < count; i++) {
        const char *row = (const char *)rows + (size_t)i * row_bytes;
        char       *to  = (char *)keys + (size_t)i * key_bytes;
        for (uint32_t part = 0; part < key->part_count; part++) {
            memcpy(to + key->parts[part].to, row + key->parts[part].from, key->parts[part].size);
        }
    }
}

void wr_log_key_partitions(const struct wr_log_key *key, const void *keys, uint32_t count,
                           uint32_t partitions, uint64_t *hashes, uint32_t *numbers)
{
    wr_key_hash_many(&key->codec, keys, count, KEY_SEED, hashes);
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = (uint32_t)(((hashes[i] >> 32) * partitions) >> 32);
    }
}
