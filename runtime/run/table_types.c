#include "runtime/run/table_types.h"

#include <stdio.h>
#include <string.h>

struct text {
    char  *bytes;
    size_t length, capacity;
};

static void text_add(struct text *text, const char *line)
{
    const size_t length = strlen(line);
    if (text->length + length + 1 > text->capacity) {
        text->capacity = (text->length + length + 1) * 2;
        text->bytes    = wr_realloc(text->bytes, text->capacity);
    }
    memcpy(text->bytes + text->length, line, length + 1);
    text->length += length;
}

static void text_add_fields(struct text *text, const weir_type *type, const char *path,
                            uint32_t at);

static void text_add_field(struct text *text, const weir_field *field, const char *path,
                           uint32_t at)
{
    if (field->kind != WEIR_KIND_RECORD) {
        char *line = wr_format("%s%s %s %u %u\n", path, field->name, weir_kind_name(field->kind),
                               at + field->offset, field->size);
        text_add(text, line);
        wr_free(line);
        return;
    }
    for (uint32_t i = 0; i < field->count; i++) {
        char *inner = field->count == 1 ? wr_format("%s%s.", path, field->name)
                                        : wr_format("%s%s[%u].", path, field->name, i);
        text_add_fields(text, field->record, inner,
                        at + field->offset + i * (field->size / field->count));
        wr_free(inner);
    }
}

static void text_add_fields(struct text *text, const weir_type *type, const char *path, uint32_t at)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        text_add_field(text, &type->fields[i], path, at);
    }
}

// Each a line of its own, its fields behind it. Of keys the last number is the record's bytes, of
// values where it is.
static void text_add_parts(struct text *text, const char *word, const struct wr_value_part *parts,
                           uint32_t count, bool is_key)
{
    const char *mark = word[0] == '+' ? "+" : "";
    for (uint32_t i = 0; i < count && parts[i].name != NULL; i++) {
        const weir_type *type = parts[i].type;
        char            *line = wr_format("%s %s %s %u\n", word, parts[i].name, type->name,
                               is_key ? type->size : parts[i].at);
        text_add(text, line);
        wr_free(line);
        text_add_fields(text, type, mark, is_key ? 0 : parts[i].at);
    }
}

char *wr_table_types(const struct wr_table_shape *shape)
{
    struct text text = { .bytes = NULL };
    text_add(&text, "");
    if (shape->key != NULL) {
        char *line = wr_format("key %s\n", shape->key->name);
        text_add(&text, line);
        wr_free(line);
        text_add_fields(&text, shape->key, "", 0);
    }
    text_add_parts(&text, "part", shape->parts, WR_VALUE_PARTS, false);
    text_add_parts(&text, "+key", shape->own_key, WR_OWN_PARTS, true);
    text_add_parts(&text, "+own", shape->own, WR_OWN_PARTS, false);
    return text.bytes;
}

// The first line at `text` or behind it that is compared.
static const char *skip_own(const char *text)
{
    while (*text == '+') {
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return text;
}

char *wr_table_types_compare(const char *stored, const char *own)
{
    stored = skip_own(stored);
    own    = skip_own(own);
    while (*stored != 0 && *own != 0) {
        const size_t length = strcspn(stored, "\n");
        const size_t wanted = strcspn(own, "\n");
        if (length != wanted || memcmp(stored, own, length) != 0) {
            return wr_format("it was stored as \"%.*s\", and is \"%.*s\" in this program",
                             (int)length, stored, (int)wanted, own);
        }
        stored = skip_own(stored + length + (stored[length] == '\n'));
        own    = skip_own(own + wanted + (own[wanted] == '\n'));
    }
    if (*stored == 0 && *own == 0) {
        return NULL;
    }
    const char *rest = *stored != 0 ? stored : own;
    return wr_format(*stored != 0 ? "\"%.*s\", which was stored, is not in this program"
                                  : "\"%.*s\" of this program was not stored",
                     (int)strcspn(rest, "\n"), rest);
}
