#include "runtime/run/leaves.h"

#include <string.h>

void wr_leaves_add(struct wr_leaves *leaves, const char *part, uint32_t base,
                   const struct wr_types_line *line)
{
    const uint32_t end          = base + line->at + line->bytes;
    leaves->at                  = wr_realloc(leaves->at, (leaves->count + 1) * sizeof(*leaves->at));
    leaves->at[leaves->count++] = (struct wr_leaf){
        .path   = wr_format("%s%s%.*s", part, part[0] != 0 ? "." : "", (int)line->name_length,
                            line->name),
        .kind   = line->kind,
        .offset = base + line->at,
        .bytes  = line->bytes,
    };
    leaves->bytes = end > leaves->bytes ? end : leaves->bytes;
}

static void *leaves_alloc(struct wr_leaves *leaves, size_t bytes)
{
    leaves->memory =
        wr_realloc((void *)leaves->memory, (leaves->memory_count + 1) * sizeof(void *));
    leaves->memory[leaves->memory_count] = wr_alloc(bytes);
    return leaves->memory[leaves->memory_count++];
}

static bool is_within(const struct wr_leaf *leaf, size_t from, const char *name, size_t length)
{
    return strncmp(leaf->path + from, name, length) == 0 && leaf->path[from + length] == '.';
}

static weir_field field_of(const struct wr_leaf *leaf, const char *name)
{
    const uint32_t element = wr_kind_bytes(leaf->kind);
    return (weir_field){
        .name   = name,
        .offset = leaf->offset,
        .size   = leaf->bytes,
        .kind   = leaf->kind,
        .count  = element > 0 ? leaf->bytes / element : 1,
    };
}

// Of leaves [first, end), whose paths are the same up to `from`.
static const weir_type *type_of(struct wr_leaves *leaves, uint32_t first, uint32_t end, size_t from)
{
    weir_type  *type   = leaves_alloc(leaves, sizeof(*type));
    weir_field *fields = leaves_alloc(leaves, (end - first + 1) * sizeof(*fields));
    uint32_t    count  = 0;
    for (uint32_t i = first, next; i < end; i = next, count++) {
        const char  *name   = leaves->at[i].path + from;
        const size_t length = strcspn(name, ".");
        char        *copy   = leaves_alloc(leaves, length + 1);
        memcpy(copy, name, length);
        next = i + 1;
        if (name[length] == 0) {
            fields[count] = field_of(&leaves->at[i], copy);
            continue;
        }
        while (next < end && is_within(&leaves->at[next], from, name, length)) {
            next++;
        }
        fields[count] = (weir_field){
            .name   = copy,
            .record = type_of(leaves, i, next, from + length + 1),
            .size   = leaves->bytes,
            .kind   = WEIR_KIND_RECORD,
            .count  = 1,
        };
    }
    *type = (weir_type){ "described", fields, count, leaves->bytes, 1 };
    return type;
}

const weir_type *wr_leaves_type(struct wr_leaves *leaves)
{
    return type_of(leaves, 0, leaves->count, 0);
}

void wr_leaves_fini(struct wr_leaves *leaves)
{
    for (uint32_t i = 0; i < leaves->count; i++) {
        wr_free(leaves->at[i].path);
    }
    for (uint32_t i = 0; i < leaves->memory_count; i++) {
        wr_free(leaves->memory[i]);
    }
    wr_free(leaves->at);
    wr_free((void *)leaves->memory);
}
