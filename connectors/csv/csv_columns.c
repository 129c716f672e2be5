#include "connectors/csv/csv_columns.h"

#include "runtime/base/base.h"

// Takes over the name.
static void columns_add(struct wr_csv_columns *columns, struct wr_csv_column column)
{
    if (columns->count == columns->capacity) {
        columns->capacity = columns->capacity * 2 + 8;
        columns->at       = wr_realloc(columns->at, columns->capacity * sizeof(column));
    }
    columns->at[columns->count++] = column;
}

static void columns_add_record(struct wr_csv_columns *columns, const weir_type *type,
                               uint32_t offset, const char *outer)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const weir_field *const field = &type->fields[i];
        char *const          name = wr_format("%s%s%s", outer, *outer != 0 ? "." : "", field->name);
        const uint32_t       count  = field->count > 1 ? field->count : 1;
        struct wr_csv_column column = {
            .name   = name,
            .kind   = field->kind,
            .offset = offset + field->offset,
            .size   = field->size / count,
        };
        if (field->kind == WEIR_KIND_RECORD) {
            columns_add_record(columns, field->record, column.offset, name);
            wr_free(name);
        } else if (count == 1) {
            columns_add(columns, column);
        } else {
            for (uint32_t j = 0; j < count; j++) {
                column.name = wr_format("%s[%u]", name, j);
                columns_add(columns, column);
                column.offset += column.size;
            }
            wr_free(name);
        }
    }
}

struct wr_csv_columns wr_csv_columns_of(const weir_type *type)
{
    struct wr_csv_columns columns = { 0 };
    columns_add_record(&columns, type, 0, "");
    return columns;
}

void wr_csv_columns_fini(struct wr_csv_columns *columns)
{
    for (uint32_t i = 0; i < columns->count; i++) {
        wr_free(columns->at[i].name);
    }
    wr_free(columns->at);
    *columns = (struct wr_csv_columns){ 0 };
}
