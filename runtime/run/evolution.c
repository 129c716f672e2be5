#include "runtime/run/evolution.h"

#include "runtime/run/leaves.h"

#include <stdio.h>
#include <string.h>

#define VALUE_FIELDS_MAX 64u // parts, and the fields of what the operator keeps beside them

struct wr_evolution {
    struct wr_evolution         *next;
    const char                  *operator_name;
    const struct wr_index_table *table;      // one of those that were stored so
    struct wr_conversion        *conversion; // NULL: values are what they were
    struct wr_strings            strings;    // of a stored value; the index's
    struct wr_packed_values      values;
};

// What a stored text says, as types; valid as long as the leaves.
struct stored {
    struct wr_leaves key_leaves[1 + WR_OWN_PARTS], value_leaves;
    const weir_type *key; // of the table; NULL: it was not told
    const weir_type *own_key[WR_OWN_PARTS];
    const weir_type *value;
};

// ---- reading ----

static void stored_fini(struct stored *stored)
{
    for (uint32_t i = 0; i < WR_COUNT_OF(stored->key_leaves); i++) {
        wr_leaves_fini(&stored->key_leaves[i]);
    }
    wr_leaves_fini(&stored->value_leaves);
}

// False: a line of it says nothing that is known.
static bool stored_read(struct stored *stored, const struct wr_index_table *table)
{
    struct wr_types_line line;
    struct wr_leaves    *key      = NULL; // the record at hand; NULL: one of the value
    uint32_t             own_key  = 0;
    char                 part[64] = "";
    bool                 has_key  = false;
    *stored                       = (struct stored){ .key = NULL };
    for (const char *text = table->types; wr_types_next(&text, &line);) {
        switch (line.word) {
        case WR_TYPES_KEY:
            if (line.is_own && own_key == WR_OWN_PARTS) {
                return false;
            }
            key = &stored->key_leaves[line.is_own ? 1 + own_key++ : 0];
            has_key |= !line.is_own;
            break;
        case WR_TYPES_PART:
            key = NULL;
            (void)snprintf(part, sizeof(part), "%.*s", (int)line.name_length, line.name);
            break;
        case WR_TYPES_FIELD:
            if (key == NULL && !wr_types_line_fits(&line, table)) {
                return false;
            }
            wr_leaves_add(key != NULL ? key : &stored->value_leaves, key != NULL ? "" : part, 0,
                          &line);
            break;
        case WR_TYPES_NONE: return false;
        }
    }
    stored->key = has_key ? wr_leaves_type(&stored->key_leaves[0]) : NULL;
    for (uint32_t i = 0; i < own_key; i++) {
        stored->own_key[i] = wr_leaves_type(&stored->key_leaves[1 + i]);
    }
    stored->value = wr_leaves_type(&stored->value_leaves);
    return true;
}

// ---- keys ----

static char *key_refuse(const char *path, const weir_field *stored, const weir_field *own)
{
    static const char stays[] = "keys stay as they are, because they say where state lies";
    if (own == NULL) {
        return wr_format("key field %s%s is not in this program; %s", path, stored->name, stays);
    }
    if (stored == NULL) {
        return wr_format("key field %s%s of this program was not stored; %s", path, own->name,
                         stays);
    }
    if (strcmp(stored->name, own->name) != 0 && !wr_field_was_named(own, stored->name)) {
        return wr_format("key field %s%s is %s in this program; %s. If it is the same one, say "
                         "WEIR_FORMERLY(%s, %s)",
                         path, stored->name, own->name, stays, own->name, stored->name);
    }
    return wr_format("key field %s%s is stored as %s of %u bytes and is %s of %u bytes, or at "
                     "another place, in this program; %s",
                     path, own->name, weir_kind_name(stored->kind), stored->size,
                     weir_kind_name(own->kind), own->size, stays);
}

// NULL: the same fields in the same places, but for declared names. The stored record lies `at`
// bytes into what the offsets of its fields count from.
static char *key_compare(const weir_type *stored, const weir_type *own, uint32_t at,
                         const char *path)
{
    const uint32_t most =
        stored->field_count > own->field_count ? stored->field_count : own->field_count;
    char *why = NULL;
    for (uint32_t i = 0; i < most && why == NULL; i++) {
        const weir_field *was = i < stored->field_count ? &stored->fields[i] : NULL;
        const weir_field *is  = i < own->field_count ? &own->fields[i] : NULL;
        const bool        is_named =
            was != NULL && is != NULL &&
            (strcmp(was->name, is->name) == 0 || wr_field_was_named(is, was->name));
        if (is_named && was->kind == WEIR_KIND_RECORD && is->kind == WEIR_KIND_RECORD) {
            char *inner = wr_format("%s%s.", path, is->name);
            why         = key_compare(was->record, is->record, at + is->offset, inner);
            wr_free(inner);
        } else if (!is_named || was->kind != is->kind || was->size != is->size ||
                   was->offset != at + is->offset) {
            why = key_refuse(path, was, is);
        }
    }
    return why;
}

static char *keys_compare(const struct stored *stored, const struct wr_table_shape *shape)
{
    if (shape->key != NULL && stored->key != NULL) {
        char *why = key_compare(stored->key, shape->key, 0, "");
        if (why != NULL) {
            return why;
        }
    }
    for (uint32_t i = 0; i < WR_OWN_PARTS; i++) {
        if (shape->own_key[i].name != NULL && stored->own_key[i] != NULL) {
            char *why = key_compare(stored->own_key[i], shape->own_key[i].type, 0, "");
            if (why != NULL) {
                return why;
            }
        }
    }
    return NULL;
}

// ---- values ----

// A name that fields of a stored record cannot be told apart by.
static char *names_check(const weir_type *type)
{
    char *why = NULL;
    for (uint32_t i = 0; i < type->field_count && why == NULL; i++) {
        const weir_field *field = &type->fields[i];
        if (strchr(field->name, '.') != NULL || weir_type_field(type, field->name) != field) {
            why = wr_format("field \"%s\" of %s has a point in its name, or the name of another "
                            "one, so that the record cannot change",
                            field->name, type->name);
        } else if (field->kind == WEIR_KIND_RECORD) {
            why = names_check(field->record);
        }
    }
    return why;
}

static bool takes_up_any(const weir_type *stored, const weir_type *own)
{
    for (uint32_t i = 0; i < own->field_count; i++) {
        if (wr_field_before(stored, &own->fields[i]) != NULL) {
            return true;
        }
    }
    return stored->field_count == 0 || own->field_count == 0;
}

static uint32_t stored_part_at(const struct wr_index_table *table, const char *name)
{
    struct wr_types_line line;
    for (const char *text = table->types; wr_types_next(&text, &line);) {
        if (line.word == WR_TYPES_PART && !line.is_own && line.name_length == strlen(name) &&
            memcmp(line.name, name, line.name_length) == 0) {
            return line.at;
        }
    }
    return 0;
}

// What is wrong with a part as a whole.
static char *part_check(const struct stored *stored, const struct wr_index_table *table,
                        const struct wr_value_part *part)
{
    const weir_field *was = weir_type_field(stored->value, part->name);
    char             *why = names_check(part->type);
    if (why != NULL) {
        return why;
    }
    if (was == NULL || was->kind != WEIR_KIND_RECORD) {
        return wr_format("the %s of this program was not stored", part->name);
    }
    if (strcmp(part->name, "key") == 0) {
        return key_compare(was->record, part->type, stored_part_at(table, part->name), "");
    }
    return takes_up_any(was->record, part->type)
               ? NULL
               : wr_format("no field of the stored %s is in %s; if they have been renamed, say so "
                           "with WEIR_FORMERLY",
                           part->name, part->type->name);
}

static bool shape_has_part(const struct wr_table_shape *shape, const char *name, size_t length)
{
    for (uint32_t i = 0; i < WR_VALUE_PARTS && shape->parts[i].name != NULL; i++) {
        if (strlen(shape->parts[i].name) == length &&
            memcmp(shape->parts[i].name, name, length) == 0) {
            return true;
        }
    }
    return false;
}

static char *parts_check(const struct stored *stored, const struct wr_index_table *table,
                         const struct wr_table_shape *shape)
{
    struct wr_types_line line;
    char                *why = NULL;
    for (uint32_t i = 0; i < WR_VALUE_PARTS && shape->parts[i].name != NULL && why == NULL; i++) {
        why = part_check(stored, table, &shape->parts[i]);
    }
    for (const char *text = table->types; why == NULL && wr_types_next(&text, &line);) {
        if (line.word == WR_TYPES_PART && !line.is_own &&
            !shape_has_part(shape, line.name, line.name_length)) {
            why = wr_format("its %.*s, which was stored, is not in this program",
                            (int)line.name_length, line.name);
        }
    }
    return why;
}

static void field_add(weir_field *fields, uint32_t *count, weir_field field, uint32_t at)
{
    WR_CHECK(*count < VALUE_FIELDS_MAX);
    field.offset += at;
    fields[(*count)++] = field;
}

// A value as one record: a field a part; and the fields, or the record, of each own part.
static uint32_t value_fields(const struct wr_table_shape *shape, weir_field *fields)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < WR_VALUE_PARTS + WR_OWN_PARTS; i++) {
        const bool                  is_own = i >= WR_VALUE_PARTS;
        const struct wr_value_part *part =
            is_own ? &shape->own[i - WR_VALUE_PARTS] : &shape->parts[i];
        if (part->name == NULL) {
            continue;
        }
        if (strcmp(part->name, "-") == 0) {
            for (uint32_t k = 0; k < part->type->field_count; k++) {
                field_add(fields, &count, part->type->fields[k], part->at);
            }
            continue;
        }
        const weir_field record = { part->name,       part->type, 0,   part->type->size,
                                    WEIR_KIND_RECORD, 1,          NULL };
        field_add(fields, &count, record, part->at);
    }
    return count;
}

// A stored field that the other type takes nothing of; NULL: there is none.
static const weir_field *field_lost(const weir_type *stored, const weir_type *own)
{
    for (uint32_t i = 0; i < stored->field_count; i++) {
        bool is_taken = false;
        for (uint32_t k = 0; k < own->field_count && !is_taken; k++) {
            is_taken = wr_field_before(stored, &own->fields[k]) == &stored->fields[i];
        }
        if (!is_taken) {
            return &stored->fields[i];
        }
    }
    return NULL;
}

static const weir_field *field_gained(const weir_type *stored, const weir_type *own)
{
    for (uint32_t i = 0; i < own->field_count; i++) {
        if (wr_field_before(stored, &own->fields[i]) == NULL) {
            return &own->fields[i];
        }
    }
    return NULL;
}

// One field goes and another one comes: that may be a rename which nobody declared.
static void renames_suspect(const struct wr_evolution *evolution, const weir_type *stored,
                            const weir_type *own)
{
    const weir_field *lost   = field_lost(stored, own);
    const weir_field *gained = field_gained(stored, own);
    if (lost != NULL && gained != NULL) {
        (void)fprintf(stderr,
                      "weir: %s: %s: %s is forgotten and %s begins at zero; if it is a new name, "
                      "say so with WEIR_FORMERLY\n",
                      evolution->operator_name, evolution->table->name, lost->name, gained->name);
    }
    for (uint32_t i = 0; i < own->field_count; i++) {
        const weir_field *before = wr_field_before(stored, &own->fields[i]);
        if (before != NULL && own->fields[i].kind == WEIR_KIND_RECORD) {
            renames_suspect(evolution, before->record, own->fields[i].record);
        }
    }
}

static char *value_plan(struct wr_evolution *evolution, const struct stored *stored,
                        const struct wr_table_shape *shape, uint32_t value_bytes)
{
    weir_field      fields[VALUE_FIELDS_MAX];
    const uint32_t  count = value_fields(shape, fields);
    const weir_type to    = { "value", fields, count, value_bytes, 8 };
    weir_type       from  = *stored->value;
    char           *why   = NULL;
    from.size             = evolution->table->value_bytes;
    from.align            = 8;
    evolution->conversion = wr_conversion_open(&from, &to, WR_GAPS_ANY, &why);
    if (evolution->conversion != NULL) {
        renames_suspect(evolution, &from, &to);
    }
    if (evolution->conversion != NULL && wr_conversion_is_identity(evolution->conversion)) {
        wr_conversion_close(evolution->conversion);
        evolution->conversion = NULL;
    }
    return why;
}

// ---- which tables ----

static struct wr_evolution *evolution_of(const struct wr_evolutions  *evolutions,
                                         const char                  *operator_name,
                                         const struct wr_index_table *table)
{
    struct wr_evolution *evolution = evolutions->first;
    while (evolution != NULL && (strcmp(evolution->operator_name, operator_name) != 0 ||
                                 strcmp(evolution->table->name, table->name) != 0 ||
                                 evolution->table->has_member != table->has_member ||
                                 evolution->table->value_bytes != table->value_bytes ||
                                 strcmp(evolution->table->types, table->types) != 0)) {
        evolution = evolution->next;
    }
    return evolution;
}

// Plans what is changed, if anything is.
static char *evolution_plan(struct wr_evolution *evolution, const struct wr_table_shape *shape,
                            const char *change, uint32_t value_bytes)
{
    const struct wr_index_table *table = evolution->table;
    struct stored                stored;
    char                        *why = NULL;
    if (!stored_read(&stored, table)) {
        why = wr_copy_text("what is stored of its types is not understood: a later version of "
                           "weir may have written it");
    } else if ((stored.key != NULL) != (shape->key != NULL)) {
        why = wr_copy_text(change);
    } else {
        why = keys_compare(&stored, shape);
    }
    const bool is_resized = table->value_bytes != value_bytes;
    if (why == NULL && is_resized && shape->parts[0].name == NULL) {
        why = wr_format("its values have %u bytes, and those of this program %u",
                        table->value_bytes, value_bytes);
    } else if (why == NULL && (is_resized || change != NULL)) {
        why = parts_check(&stored, table, shape);
        why = why != NULL ? why : value_plan(evolution, &stored, shape, value_bytes);
    }
    stored_fini(&stored);
    return why;
}

static void evolution_close(struct wr_evolution *evolution)
{
    wr_conversion_close(evolution->conversion);
    wr_free(evolution);
}

static struct wr_evolution *evolution_open(const char                  *operator_name,
                                           const struct wr_index_table *table)
{
    struct wr_evolution *evolution = wr_alloc(sizeof(*evolution));
    evolution->operator_name       = operator_name;
    evolution->table               = table;
    evolution->strings.offsets     = (uint32_t *)(uintptr_t)table->string_offsets;
    evolution->strings.count       = table->string_count;
    return evolution;
}

char *wr_evolutions_add(struct wr_evolutions *evolutions, const char *operator_name,
                        const struct wr_index_table *table, const struct wr_table_shape *shape,
                        uint32_t value_bytes)
{
    char *own = wr_table_types(shape);
    char *why = NULL;
    if ((strcmp(table->types, own) != 0 || table->value_bytes != value_bytes) &&
        evolution_of(evolutions, operator_name, table) == NULL) {
        struct wr_evolution *evolution = evolution_open(operator_name, table);
        char                *change    = wr_table_types_compare(table->types, own);
        why                            = evolution_plan(evolution, shape, change, value_bytes);
        wr_free(change);
        if (why == NULL) {
            evolution->values = (struct wr_packed_values){ table->value_bytes, &evolution->strings,
                                                           evolution->conversion };
            evolution->next   = evolutions->first;
            evolutions->first = evolution;
        } else {
            evolution_close(evolution);
        }
    }
    wr_free(own);
    return why;
}

const struct wr_packed_values *wr_evolutions_find(const struct wr_evolutions  *evolutions,
                                                  const char                  *operator_name,
                                                  const struct wr_index_table *table)
{
    const struct wr_evolution *evolution = evolution_of(evolutions, operator_name, table);
    return evolution != NULL && evolution->conversion != NULL ? &evolution->values : NULL;
}

void wr_evolutions_fini(struct wr_evolutions *evolutions)
{
    for (struct wr_evolution *next; evolutions->first != NULL; evolutions->first = next) {
        next = evolutions->first->next;
        evolution_close(evolutions->first);
    }
}
