// The one file that knows simdjson. Its tree (DOM) is used, not its on-demand walk, because the
// tree is built only of a line that is valid as a whole.

#define SIMDJSON_EXCEPTIONS 0

#include "connectors/jsonl/json_reader.h"

#include "connectors/jsonl/json_scan.h"
#include "connectors/text/text.h"

#include <cstdlib>
#include <new>
#include <simdjson.h>
#include <string_view>

static_assert(WR_JSON_PADDING >= simdjson::SIMDJSON_PADDING, "a line has padding behind it");

namespace dom = simdjson::dom;

namespace
{

struct shape;

struct field {
    const char *name;
    size_t      name_length;
    const char *path; // from the outermost record: "price.cents"
    weir_kind   kind;
    bool        is_optional;
    uint32_t    offset;
    uint32_t    count;
    uint32_t    element_bytes;
    shape      *record; // of a nested record
    // Of the object that is being read: the field's last value, and its member's number from 1; 0
    // where there is none.
    dom::element value;
    uint32_t     member;
};

// A record type as it is read. Each nested record has its own, so that none is in use twice.
struct shape {
    field   *fields;
    uint32_t field_count;
};

constexpr uint32_t MOST_STEPS = 64; // levels of nested records

} // namespace

struct wr_json_reader {
    const weir_type *type;
    shape            root;
    dom::parser      parser;
    dom::document    document;
    wr_text_arena    arena;
    char            *tamed; // a line whose numbers had to be rewritten
    size_t           tamed_bytes;
    // The line being read, and the way to the value being read, for what a reason shows.
    const char *line;
    size_t      length;
    uint32_t    steps[MOST_STEPS + 1];
    uint32_t    step_count;
    char        reason[WR_TEXT_REASON_MAX];
};

namespace
{

// ---- shapes ----

void shape_fini(shape *of)
{
    for (uint32_t i = 0; i < of->field_count; i++) {
        field *const one = &of->fields[i];
        std::free(const_cast<char *>(one->path));
        if (one->record != nullptr) {
            shape_fini(one->record);
            std::free(one->record);
        }
    }
    std::free(of->fields);
}

const char *path_of(const char *outer, const char *name)
{
    const size_t outer_length = outer == nullptr ? 0 : std::strlen(outer) + 1;
    const size_t name_length  = std::strlen(name);
    char *const  path         = static_cast<char *>(std::malloc(outer_length + name_length + 1));
    if (path == nullptr) {
        return nullptr;
    }
    if (outer_length > 0) {
        std::memcpy(path, outer, outer_length - 1);
        path[outer_length - 1] = '.';
    }
    std::memcpy(path + outer_length, name, name_length + 1);
    return path;
}

bool is_listed(const wr_json_options *options, const char *path)
{
    for (uint32_t i = 0; i < options->optional_count; i++) {
        if (std::strcmp(options->optional[i], path) == 0) {
            return true;
        }
    }
    return false;
}

// Makes the shape of `type`; what it made before memory ran out is shape_fini's.
bool shape_init(shape *made, const weir_type *type, const char *outer,
                const wr_json_options *options, uint32_t depth)
{
    made->field_count = 0;
    made->fields      = static_cast<field *>(std::calloc(type->field_count + 1u, sizeof(field)));
    if (made->fields == nullptr || depth >= MOST_STEPS) {
        return false;
    }
    for (uint32_t i = 0; i < type->field_count; i++) {
        const weir_field &declared = type->fields[i];
        field *const      one      = new (&made->fields[i]) field();
        made->field_count++;
        one->name          = declared.name;
        one->name_length   = std::strlen(declared.name);
        one->path          = path_of(outer, declared.name);
        one->kind          = declared.kind;
        one->offset        = declared.offset;
        one->count         = declared.count;
        one->element_bytes = declared.count > 1 ? declared.size / declared.count : declared.size;
        if (one->path == nullptr) {
            return false;
        }
        one->is_optional = is_listed(options, one->path);
        if (declared.kind == WEIR_KIND_RECORD) {
            one->record = static_cast<shape *>(std::calloc(1, sizeof(shape)));
            if (one->record == nullptr ||
                !shape_init(one->record, declared.record, one->path, options, depth + 1)) {
                return false;
            }
        }
    }
    return true;
}

// ---- values ----

bool read_object(wr_json_reader *reader, const shape *of, const dom::object &object, char *record);

// Why the value at the reader's steps does not do for the field.
bool refuse(wr_json_reader *reader, const char *path, const char *expected)
{
    const wr_json_span found =
        wr_json_value_at(reader->line, reader->length, reader->steps, reader->step_count);
    const char *shown  = found.bytes;
    size_t      length = found.length;
    if (length > 0 && (*shown == '{' || *shown == '[')) {
        shown  = *shown == '{' ? "an object" : "an array";
        length = std::strlen(shown);
    }
    wr_text_reason(reader->reason, path, expected, shown, length);
    return false;
}

bool refuse_kind(wr_json_reader *reader, const field *of)
{
    const wr_json_span found =
        wr_json_value_at(reader->line, reader->length, reader->steps, reader->step_count);
    char text[WR_TEXT_REASON_MAX];
    return refuse(reader, of->path,
                  wr_text_expected(of->kind, of->element_bytes, found.bytes, found.length, text));
}

// A whole number, given to an integer's field.
bool read_integer(weir_kind kind, const dom::element &value, void *to)
{
    int64_t  is_signed;
    uint64_t is_unsigned;
    if (value.type() == dom::element_type::INT64) {
        return value.get_int64().get(is_signed) == simdjson::SUCCESS &&
               wr_text_store_i64(kind, is_signed, to);
    }
    return value.type() == dom::element_type::UINT64 &&
           value.get_uint64().get(is_unsigned) == simdjson::SUCCESS &&
           wr_text_store_u64(kind, is_unsigned, to);
}

bool read_time(const std::string_view &text, void *to)
{
    weir_time time;
    if (!weir_time_parse(text.data(), text.size(), &time)) {
        return false;
    }
    std::memcpy(to, &time, sizeof(time));
    return true;
}

// One element of a field, of any kind but a record.
bool read_scalar(wr_json_reader *reader, const field *of, const dom::element &value, char *to)
{
    if (wr_text_is_integer(of->kind)) {
        return read_integer(of->kind, value, to);
    }
    if (of->kind == WEIR_KIND_F32 || of->kind == WEIR_KIND_F64) {
        double number;
        return value.get_double().get(number) == simdjson::SUCCESS &&
               wr_text_store_float(of->kind, number, to);
    }
    if (of->kind == WEIR_KIND_BOOL) {
        bool is_true;
        if (value.get_bool().get(is_true) != simdjson::SUCCESS) {
            return false;
        }
        std::memcpy(to, &is_true, sizeof(is_true));
        return true;
    }
    std::string_view text;
    if (value.get_string().get(text) != simdjson::SUCCESS) {
        return false;
    }
    if (of->kind == WEIR_KIND_TIME) {
        return read_time(text, to);
    }
    if (of->kind == WEIR_KIND_CHARS) {
        return wr_text_store_chars(text.data(), text.size(), to, of->element_bytes);
    }
    const weir_str stored = wr_text_arena_str(&reader->arena, text.data(), text.size());
    std::memcpy(to, &stored, sizeof(stored));
    return true;
}

bool read_array(wr_json_reader *reader, const field *of, char *to)
{
    dom::array array;
    if (of->value.get_array().get(array) != simdjson::SUCCESS) {
        char expected[64];
        std::snprintf(expected, sizeof(expected), "an array of %u", of->count);
        return refuse(reader, of->path, expected);
    }
    uint32_t count = 0;
    for (const dom::element value : array) {
        if (count < of->count &&
            !read_scalar(reader, of, value, to + size_t{ count } * of->element_bytes)) {
            reader->steps[reader->step_count++] = count;
            field element                       = *of;
            char  path[WR_TEXT_REASON_MAX];
            std::snprintf(path, sizeof(path), "%.200s[%u]", of->path, count);
            element.path = path;
            return refuse_kind(reader, &element);
        }
        count++;
    }
    if (count != of->count) {
        wr_text_reason_format(reader->reason, "%.200s: expected an array of %u, found one of %u",
                              of->path, of->count, count);
        return false;
    }
    return true;
}

bool read_field(wr_json_reader *reader, const field *of, char *to)
{
    if (of->kind == WEIR_KIND_RECORD) {
        dom::object object;
        return of->value.get_object().get(object) == simdjson::SUCCESS
                   ? read_object(reader, of->record, object, to)
                   : refuse_kind(reader, of);
    }
    if (of->count > 1) {
        return read_array(reader, of, to);
    }
    return read_scalar(reader, of, of->value, to) || refuse_kind(reader, of);
}

// The field called `key`, or NULL. Keys mostly come in the order of the fields, so that the one
// behind the last found is tried first.
field *find_field(const shape *of, const std::string_view &key, uint32_t *guess)
{
    for (uint32_t tried = 0, i = *guess; tried < of->field_count; tried++, i++) {
        i                = i < of->field_count ? i : 0;
        field *const one = &of->fields[i];
        if (one->name_length == key.size() && std::memcmp(one->name, key.data(), key.size()) == 0) {
            *guess = i + 1;
            return one;
        }
    }
    return nullptr;
}

bool read_object(wr_json_reader *reader, const shape *of, const dom::object &object, char *record)
{
    for (uint32_t i = 0; i < of->field_count; i++) {
        of->fields[i].member = 0;
    }
    // Values are only noted here: of a key that comes twice, the first may be of any type.
    uint32_t member = 0;
    uint32_t guess  = 0;
    for (const dom::key_value_pair pair : object) {
        member++;
        field *const found = find_field(of, pair.key, &guess);
        if (found != nullptr) {
            found->value  = pair.value;
            found->member = member;
        }
    }
    const uint32_t depth = reader->step_count;
    for (uint32_t i = 0; i < of->field_count; i++) {
        const field *const one = &of->fields[i];
        if (one->member != 0) {
            reader->steps[depth] = one->member - 1;
            reader->step_count   = depth + 1;
            if (!read_field(reader, one, record + one->offset)) {
                return false;
            }
        } else if (!one->is_optional) {
            wr_text_reason_format(reader->reason, "field %.200s is missing", one->path);
            return false;
        }
    }
    reader->step_count = depth;
    return true;
}

// ---- lines ----

const char *error_sentence(simdjson::error_code error)
{
    switch (static_cast<int>(error)) {
    case simdjson::UTF8_ERROR: return "not valid UTF-8";
    case simdjson::EMPTY: return "not valid JSON: the line is empty";
    case simdjson::UNCLOSED_STRING: return "not valid JSON: a string is not closed";
    case simdjson::UNESCAPED_CHARS: return "not valid JSON: a control character inside a string";
    case simdjson::STRING_ERROR: return "not valid JSON: a wrong escape inside a string";
    case simdjson::NUMBER_ERROR: return "not valid JSON: a malformed number";
    case simdjson::T_ATOM_ERROR:
    case simdjson::F_ATOM_ERROR:
    case simdjson::N_ATOM_ERROR: return "not valid JSON: a word that is not true, false or null";
    case simdjson::INCOMPLETE_ARRAY_OR_OBJECT:
        return "not valid JSON: the line ends inside a value";
    case simdjson::MEMALLOC:
    case simdjson::CAPACITY: return "not enough memory to read the line";
    default: return "not valid JSON: a bracket, comma, colon or value out of place";
    }
}

// Makes room for a line; by doubling, since the parser itself would allocate for each longer one.
simdjson::error_code reserve(wr_json_reader *reader, size_t length, size_t depth)
{
    size_t capacity = reader->parser.capacity() > 0 ? reader->parser.capacity() : 4096;
    while (capacity < length) {
        capacity *= 2;
    }
    if (capacity > reader->document.capacity()) {
        const simdjson::error_code error = reader->document.allocate(capacity);
        if (error != simdjson::SUCCESS) {
            return error;
        }
    }
    if (capacity > reader->parser.capacity() || depth > reader->parser.max_depth()) {
        return reader->parser.allocate(capacity, depth);
    }
    return simdjson::SUCCESS;
}

// Builds the tree of a line that is valid but for numbers, at any depth.
simdjson::error_code parse_plain(wr_json_reader *reader, const char *line, size_t length,
                                 dom::element *root)
{
    simdjson::error_code error = reserve(reader, length, reader->parser.max_depth());
    if (error == simdjson::SUCCESS) {
        error =
            reader->parser.parse_into_document(reader->document, line, length, false).get(*root);
    }
    if (error == simdjson::DEPTH_ERROR) {
        error = reserve(reader, length, length + 2);
        if (error == simdjson::SUCCESS) {
            error = reader->parser.parse_into_document(reader->document, line, length, false)
                        .get(*root);
        }
    }
    return error;
}

simdjson::error_code parse(wr_json_reader *reader, const char *line, size_t length,
                           dom::element *root)
{
    const simdjson::error_code error = parse_plain(reader, line, length, root);
    if (error != simdjson::NUMBER_ERROR) {
        return error;
    }
    const size_t needed = wr_json_tamed_bound(length) + WR_JSON_PADDING;
    if (needed > reader->tamed_bytes) {
        std::free(reader->tamed);
        reader->tamed       = static_cast<char *>(std::calloc(1, needed));
        reader->tamed_bytes = reader->tamed != nullptr ? needed : 0;
        if (reader->tamed == nullptr) {
            return simdjson::MEMALLOC;
        }
    }
    size_t tamed_length = 0;
    return wr_json_tame_numbers(line, length, reader->tamed, &tamed_length)
               ? parse_plain(reader, reader->tamed, tamed_length, root)
               : simdjson::NUMBER_ERROR;
}

const weir_field *field_of(const weir_type *type, const char *name, size_t length)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const char *const one = type->fields[i].name;
        if (std::strlen(one) == length && std::memcmp(one, name, length) == 0) {
            return &type->fields[i];
        }
    }
    return nullptr;
}

} // namespace

wr_json_reader *wr_json_reader_open(const weir_type *type, const wr_json_options *options)
{
    wr_json_reader *const reader = new (std::nothrow) wr_json_reader();
    if (reader == nullptr) {
        return nullptr;
    }
    const wr_json_options none = {};
    reader->type               = type;
    if (!shape_init(&reader->root, type, nullptr, options != nullptr ? options : &none, 0)) {
        wr_json_reader_close(reader);
        return nullptr;
    }
    return reader;
}

void wr_json_reader_close(wr_json_reader *reader)
{
    if (reader == nullptr) {
        return;
    }
    shape_fini(&reader->root);
    wr_text_arena_fini(&reader->arena);
    std::free(reader->tamed);
    delete reader;
}

bool wr_json_read(wr_json_reader *reader, const char *line, size_t length, void *record,
                  const char **reason)
{
    reader->line       = line;
    reader->length     = length;
    reader->step_count = 0;
    dom::element               root;
    const simdjson::error_code error = parse(reader, line, length, &root);
    if (error != simdjson::SUCCESS) {
        *reason = error_sentence(error);
        return false;
    }
    *reason = reader->reason;
    dom::object object;
    if (root.get_object().get(object) != simdjson::SUCCESS) {
        return refuse(reader, "the line", "a JSON object");
    }
    std::memset(record, 0, reader->type->size);
    return read_object(reader, &reader->root, object, static_cast<char *>(record));
}

void wr_json_reader_reset(wr_json_reader *reader) { wr_text_arena_reset(&reader->arena); }

bool wr_json_has_field(const weir_type *type, const char *name)
{
    for (const char *dot = std::strchr(name, '.'); dot != nullptr; dot = std::strchr(name, '.')) {
        const weir_field *const outer = field_of(type, name, static_cast<size_t>(dot - name));
        if (outer == nullptr || outer->record == nullptr) {
            return false;
        }
        type = outer->record;
        name = dot + 1;
    }
    return field_of(type, name, std::strlen(name)) != nullptr;
}
