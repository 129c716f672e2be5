#include "cli/log/print.h"

#include "cli/log/values.h"
#include "connectors/csv/csv_writer.h"
#include "connectors/jsonl/json_writer.h"
#include "connectors/text/text.h"
#include "log/schema.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <weir/call.h>

#define BUFFER_BYTES (64u << 10)

// The object around a record. Of a text topic it has key and value; of any other, "record" follows.
typedef struct envelope {
    weir_str  topic;
    uint32_t  partition;
    uint64_t  offset;
    weir_time time;
    weir_str  key, value;
} envelope;
WEIR_RECORD(envelope, topic, partition, offset, time, key, value);
#define ENVELOPE_HEAD_FIELDS 4u

// ---- output ----

bool wr_print_flush(struct wr_print *print)
{
    size_t done = 0;
    while (done < print->filled && print->io_error == 0) {
        const ssize_t put = write(print->file, print->buffer + done, print->filled - done);
        if (put >= 0) {
            done += (size_t)put;
        } else if (errno != EINTR) {
            print->io_error = errno;
        }
    }
    print->bytes += done;
    print->filled = 0;
    return print->io_error == 0;
}

static char *print_room(struct wr_print *print, size_t bytes)
{
    if (print->capacity - print->filled < bytes) {
        (void)wr_print_flush(print);
        if (print->capacity < bytes) {
            print->capacity = bytes + BUFFER_BYTES;
            print->buffer   = wr_realloc(print->buffer, print->capacity);
        }
    }
    return print->buffer + print->filled;
}

static void print_bytes(struct wr_print *print, const char *bytes, size_t length)
{
    if (length > 0) {
        memcpy(print_room(print, length), bytes, length);
        print->filled += length;
    }
}

static void print_number(struct wr_print *print, int64_t number)
{
    print->filled += wr_text_write_i64(number, print_room(print, WR_TEXT_NUMBER_MAX));
}

// ---- parts of a record ----

static const char *row_at(const weir_log_rows *rows, uint32_t i)
{
    return (const char *)rows->rows + (size_t)i * rows->type->size;
}

static weir_change change_of(const weir_log_rows *rows, uint32_t i)
{
    return rows->changes != NULL ? (weir_change)rows->changes[i] : WEIR_INSERT;
}

static bool is_retracted(const weir_log_rows *rows, uint32_t i)
{
    const weir_change change = change_of(rows, i);
    return change == WEIR_DELETE || change == WEIR_UPDATE_BEFORE;
}

weir_time wr_print_time(const struct wr_print *print, const weir_log_rows *rows, uint32_t i)
{
    weir_time time = rows->appended;
    if (print->time_at != UINT32_MAX) {
        memcpy(&time, row_at(rows, i) + print->time_at, sizeof(time));
    }
    return time;
}

// A record by a plan, without its newline; lives in the scratch.
static weir_str json_of(struct wr_print *print, const struct wr_json_plan *plan, const void *row,
                        bool retracted)
{
    const size_t bound = wr_json_bound(plan, row);
    if (bound > print->scratch_capacity) {
        print->scratch_capacity = bound * 2;
        print->scratch          = wr_realloc(print->scratch, print->scratch_capacity);
    }
    return weir_str_of(print->scratch, wr_json_write(plan, row, retracted, print->scratch) - 1);
}

static void print_str(struct wr_print *print, const weir_str *text)
{
    print_bytes(print, weir_str_bytes(text), text->length);
}

static weir_str value_of(struct wr_print *print, const weir_log_rows *rows, uint32_t i)
{
    if (print->shows_null && is_retracted(rows, i)) {
        return weir_str_from("NULL");
    }
    if (print->is_text) {
        return ((const weir_log_text *)rows->rows)[i].value;
    }
    return json_of(print, print->json, row_at(rows, i), is_retracted(rows, i));
}

// A key of one text field is its text, of one other field its JSON value, of several an object.
static weir_str key_of(struct wr_print *print, const weir_log_rows *rows, uint32_t i)
{
    const weir_field *field = print->key_field;
    if (print->key_json == NULL) {
        return weir_str_of("", 0);
    }
    if (field != NULL && field->kind == WEIR_KIND_STR && field->count == 1) {
        weir_str text;
        memcpy(&text, row_at(rows, i) + field->offset, sizeof(text));
        return text;
    }
    const weir_str object = json_of(print, print->key_json, row_at(rows, i), false);
    if (field == NULL) {
        return object;
    }
    const size_t skip = strlen("{\"\":") + strlen(field->name);
    return weir_str_of(print->scratch + skip, object.length - skip - 1);
}

// ---- modes ----

static void print_big_endian(struct wr_print *print, uint32_t number)
{
    const char bytes[4] = { (char)(number >> 24), (char)(number >> 16), (char)(number >> 8),
                            (char)number };
    print_bytes(print, bytes, sizeof(bytes));
}

static void print_token(struct wr_print *print, char token, const weir_log_rows *rows, uint32_t i)
{
    static const char *const changes[] = { [WEIR_INSERT]        = "insert",
                                           [WEIR_UPDATE_AFTER]  = "update-after",
                                           [WEIR_DELETE]        = "delete",
                                           [WEIR_UPDATE_BEFORE] = "update-before" };
    char                     text[WEIR_TIME_TEXT_MAX];
    const weir_str           value   = strchr("sSR", token) != NULL   ? value_of(print, rows, i)
                                       : token == 'k' || token == 'K' ? key_of(print, rows, i)
                                                                      : weir_str_of("", 0);
    const weir_time          time    = wr_print_time(print, rows, i);
    const bool               is_null = change_of(rows, i) == WEIR_DELETE;
    switch (token) {
    case 's':
    case 'k': print_str(print, &value); return;
    case 'S': print_number(print, is_null ? -1 : (int64_t)value.length); return;
    case 'R': print_big_endian(print, is_null ? UINT32_MAX : value.length); return;
    case 'K': print_number(print, print->key_json == NULL ? -1 : (int64_t)value.length); return;
    case 't': print_bytes(print, print->topic.name, strlen(print->topic.name)); return;
    case 'p': print_number(print, rows->partition); return;
    case 'o': print_number(print, (int64_t)wr_rows_offset(rows, i)); return;
    case 'T': print_number(print, weir_time_floor(time, 1000, 0) / 1000); return;
    case 'I': print_bytes(print, text, weir_time_format(time, text)); return;
    case 'C':
        print_bytes(print, changes[change_of(rows, i)], strlen(changes[change_of(rows, i)]));
        return;
    default: return; // %h: there are none
    }
}

static void print_template(struct wr_print *print, const weir_log_rows *rows, uint32_t i)
{
    for (uint32_t part = 0; part < print->template.count; part++) {
        const struct wr_template_part *at = &print->template.parts[part];
        if (at->token == 0) {
            print_bytes(print, at->bytes, at->length);
        } else {
            print_token(print, at->token, rows, i);
        }
    }
}

static void print_envelope(struct wr_print *print, const weir_log_rows *rows, uint32_t i)
{
    envelope around = { .topic     = weir_str_from(print->topic.name),
                        .partition = rows->partition,
                        .offset    = wr_rows_offset(rows, i),
                        .time      = wr_print_time(print, rows, i) };
    if (print->is_text) {
        around.key   = ((const weir_log_text *)rows->rows)[i].key;
        around.value = ((const weir_log_text *)rows->rows)[i].value;
    }
    const weir_str head =
        json_of(print, print->envelope, &around, print->is_text && is_retracted(rows, i));
    print_bytes(print, weir_str_bytes(&head), head.length - (print->is_text ? 0 : 1));
    if (!print->is_text) {
        const weir_str record = json_of(print, print->json, row_at(rows, i), is_retracted(rows, i));
        print_bytes(print, ",\"record\":", strlen(",\"record\":"));
        print_str(print, &record);
        print_bytes(print, "}", 1);
    }
    print_bytes(print, "\n", 1);
}

static void print_csv(struct wr_print *print, const weir_log_rows *rows, uint32_t i)
{
    char *to = print_room(print, wr_csv_bound(print->csv, row_at(rows, i)));
    print->filled += wr_csv_write(print->csv, row_at(rows, i), is_retracted(rows, i), to);
}

static void print_raw(struct wr_print *print, const weir_log_rows *rows, uint32_t i)
{
    if (print->has_key_delimiter) {
        const weir_str key = key_of(print, rows, i);
        print_str(print, &key);
        print_bytes(print, print->key_delimiter, print->key_delimiter_bytes);
    }
    const weir_str value = value_of(print, rows, i);
    print_str(print, &value);
    print_bytes(print, print->delimiter, print->delimiter_bytes);
}

void wr_print_row(struct wr_print *print, const weir_log_rows *rows, uint32_t i)
{
    switch (print->mode) {
    case WR_PRINT_RAW: print_raw(print, rows, i); return;
    case WR_PRINT_CSV: print_csv(print, rows, i); return;
    case WR_PRINT_ENVELOPE: print_envelope(print, rows, i); return;
    case WR_PRINT_TEMPLATE: print_template(print, rows, i); return;
    case WR_PRINT_JSONL: break;
    }
    char *to = print_room(print, wr_json_bound(print->json, row_at(rows, i)));
    print->filled += wr_json_write(print->json, row_at(rows, i), is_retracted(rows, i), to);
}

// ---- opening ----

static char *bytes_of(const char *text, const char *otherwise, size_t *length, char **error)
{
    text        = text != NULL ? text : otherwise;
    char *bytes = wr_alloc(strlen(text) + 1);
    if (!wr_value_bytes(text, bytes, length) && *error == NULL) {
        *error = wr_format("\"%s\" has an escape that is none of \\n \\r \\t \\0 \\\\ \\xNN", text);
    }
    return bytes;
}

// A plan of the key's fields alone.
static void key_init(struct wr_print *print)
{
    const weir_type *type   = print->type;
    weir_field      *fields = wr_alloc((type->field_count + 1) * sizeof(*fields));
    uint32_t         count  = 0;
    for (const char *name = print->topic.key; name != NULL && count < type->field_count;) {
        const char       *comma = strchr(name, ',');
        const size_t      bytes = comma != NULL ? (size_t)(comma - name) : strlen(name);
        char             *copy  = wr_format("%.*s", (int)bytes, name);
        const weir_field *field = weir_type_field(type, copy);
        if (field != NULL) {
            print->key_field = field;
            fields[count++]  = *field;
        }
        wr_free(copy);
        name = comma != NULL ? comma + 1 : NULL;
    }
    if (count > 0) {
        const weir_type key = { "key", fields, count, type->size, type->align };
        print->key_json     = wr_json_plan_open(&key, NULL);
    }
    print->key_field = count == 1 ? print->key_field : NULL;
    wr_free(fields);
}

bool wr_print_init(struct wr_print *print, int file, const weir_topic *topic, const weir_type *type,
                   const struct wr_print_options *options, char **error)
{
    *print =
        (struct wr_print){ .file = file, .topic = *topic, .type = type, .mode = options->mode };
    *error                   = NULL;
    print->is_text           = wr_schema_is_same(type, weir_log_text_type());
    print->shows_null        = options->shows_null;
    print->has_key_delimiter = options->key_delimiter != NULL;
    print->key_delimiter = bytes_of(options->key_delimiter, "", &print->key_delimiter_bytes, error);
    print->delimiter     = bytes_of(options->delimiter, "\\n", &print->delimiter_bytes, error);
    const weir_field *time = topic->time != NULL ? weir_type_field(type, topic->time) : NULL;
    print->time_at         = time != NULL ? time->offset : UINT32_MAX;
    if (*error == NULL && options->mode == WR_PRINT_TEMPLATE) {
        (void)wr_template_init(&print->template, options->template, error);
    }
    const weir_type head = { "envelope", envelope_type.fields,
                             print->is_text ? envelope_type.field_count : ENVELOPE_HEAD_FIELDS,
                             envelope_type.size, envelope_type.align };
    print->json          = wr_json_plan_open(type, NULL);
    print->envelope      = wr_json_plan_open(&head, NULL);
    print->csv           = wr_csv_plan_open(
                  type, &(struct wr_csv_plan_options){ .has_retracted = topic->is_compacted });
    key_init(print);
    if (*error == NULL && options->mode == WR_PRINT_CSV) {
        size_t      length;
        const char *header = wr_csv_header(print->csv, &length);
        print_bytes(print, header, length);
    }
    if (*error != NULL) {
        wr_print_fini(print);
        return false;
    }
    return true;
}

void wr_print_fini(struct wr_print *print)
{
    wr_template_fini(&print->template);
    if (print->key_json != NULL) {
        wr_json_plan_close(print->key_json);
    }
    wr_json_plan_close(print->json);
    wr_json_plan_close(print->envelope);
    wr_csv_plan_close(print->csv);
    wr_free(print->key_delimiter);
    wr_free(print->delimiter);
    wr_free(print->scratch);
    wr_free(print->buffer);
}
