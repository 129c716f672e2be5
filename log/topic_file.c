#include "log/topic_file.h"

#include "log/small_file.h"

#include <inttypes.h>
#include <string.h>

#define TOPIC_FORMAT 1u
#define NONE         "-" // no field has such a name

static const char *const compressions[] = { [WEIR_COMPRESSION_NONE] = "none",
                                            [WEIR_COMPRESSION_LZ4]  = "lz4",
                                            [WEIR_COMPRESSION_ZSTD] = "zstd" };

// ---- writing ----

static const char *text_or_none(const char *text) { return text != NULL ? text : NONE; }

static char *settings_text(const struct wr_log_id *id, const weir_topic *settings)
{
    char digits[WR_LOG_ID_TEXT];
    wr_log_id_text(id, digits);
    return wr_format("weir topic %u\n"
                     "id %s\n"
                     "name %s\n"
                     "partitions %" PRIu32 "\n"
                     "key %s\n"
                     "time %s\n"
                     "compression %s\n"
                     "segment_bytes %" PRIu64 "\n"
                     "retain_age %lld\n"
                     "retain_bytes %" PRIu64 "\n"
                     "compacted %d\n"
                     "tombstone_age %lld\n",
                     TOPIC_FORMAT, digits, settings->name, settings->partitions,
                     text_or_none(settings->key), text_or_none(settings->time),
                     compressions[settings->compression], settings->segment_bytes,
                     settings->retain_age, settings->retain_bytes, settings->is_compacted,
                     settings->tombstone_age);
}

char *wr_topic_text(const struct wr_log_id *id, const weir_topic *settings,
                    const weir_type *const *schemas, uint32_t schema_count)
{
    char *text = settings_text(id, settings);
    for (uint32_t i = 0; i < schema_count; i++) {
        char *schema = wr_schema_text(schemas[i]);
        char *longer =
            wr_format("%sschema %" PRIu32 " %zu\n%s", text, i + 1, strlen(schema), schema);
        wr_free(schema);
        wr_free(text);
        text = longer;
    }
    return text;
}

// ---- reading ----

static char *field_parse(const char *text)
{
    return strcmp(text, NONE) == 0 ? NULL : wr_copy_text(text);
}

static bool compression_parse(const char *text, weir_compression *compression)
{
    for (uint32_t i = 0; text != NULL && i < WR_COUNT_OF(compressions); i++) {
        if (strcmp(text, compressions[i]) == 0) {
            *compression = (weir_compression)i;
            return true;
        }
    }
    return false;
}

static bool strings_parse(struct wr_text_lines *lines, struct wr_topic *topic)
{
    weir_topic       *settings = &topic->settings;
    uint64_t          partitions;
    const char *const id   = wr_text_lines_take(lines, "id");
    const char *const name = wr_text_lines_take(lines, "name");
    if (id == NULL || name == NULL || !wr_log_id_parse(id, &topic->id) ||
        !wr_text_lines_number(lines, "partitions", UINT32_MAX, &partitions) || partitions == 0) {
        return false;
    }
    const char *const key  = wr_text_lines_take(lines, "key");
    const char *const time = wr_text_lines_take(lines, "time");
    if (key == NULL || time == NULL) {
        return false;
    }
    settings->name       = wr_copy_text(name);
    settings->partitions = (uint32_t)partitions;
    settings->key        = field_parse(key);
    settings->time       = field_parse(time);
    return true;
}

static bool numbers_parse(struct wr_text_lines *lines, weir_topic *settings)
{
    uint64_t retain_age, tombstone_age, is_compacted;
    if (!compression_parse(wr_text_lines_take(lines, "compression"), &settings->compression) ||
        !wr_text_lines_number(lines, "segment_bytes", INT64_MAX, &settings->segment_bytes) ||
        !wr_text_lines_number(lines, "retain_age", WEIR_TIME_MAX, &retain_age) ||
        !wr_text_lines_number(lines, "retain_bytes", UINT64_MAX, &settings->retain_bytes) ||
        !wr_text_lines_number(lines, "compacted", 1, &is_compacted) ||
        !wr_text_lines_number(lines, "tombstone_age", WEIR_TIME_MAX, &tombstone_age)) {
        return false;
    }
    settings->retain_age    = (weir_time)retain_age;
    settings->tombstone_age = (weir_time)tombstone_age;
    settings->is_compacted  = is_compacted != 0;
    return true;
}

// The next "schema VERSION BYTES" and its text.
static bool schema_parse(struct wr_text_lines *lines, const char *end, struct wr_topic *topic)
{
    uint64_t    version, bytes;
    const char *line     = wr_text_lines_take(lines, "schema");
    char       *sentence = NULL;
    if (line == NULL || !wr_text_take_number(&line, UINT16_MAX, &version) ||
        version != topic->schema_count + 1 || !wr_text_take_word(&line, " ") ||
        !wr_text_take_number(&line, (uint64_t)(end - lines->at), &bytes) || *line != 0) {
        return false;
    }
    weir_type *type = wr_schema_parse(lines->at, bytes, &sentence);
    wr_free(sentence);
    lines->at += bytes;
    if (type == NULL) {
        return false;
    }
    topic->schemas =
        wr_realloc(topic->schemas, (topic->schema_count + 1) * sizeof(*topic->schemas));
    topic->schemas[topic->schema_count++] = type;
    topic->settings.type                  = type;
    return true;
}

weir_status wr_topic_parse(const char *path, const char *text, struct wr_topic *topic,
                           struct wr_log_error *error)
{
    char *const          copy = wr_copy_text(text);
    const char *const    end  = copy + strlen(copy);
    struct wr_text_lines lines;
    weir_status          status = WEIR_OK;
    topic->text                 = wr_copy_text(text);
    if (!wr_lines_begin(&lines, copy, "weir topic", TOPIC_FORMAT, path, error)) {
        status = error->status;
    } else {
        bool is_right = strings_parse(&lines, topic) && numbers_parse(&lines, &topic->settings);
        do {
            is_right = is_right && schema_parse(&lines, end, topic);
        } while (is_right && *lines.at != 0);
        status = is_right ? WEIR_OK : wr_lines_fail(path, error);
    }
    if (status != WEIR_OK) {
        wr_topic_text_fini(topic);
    }
    wr_free(copy);
    return status;
}

void wr_topic_text_fini(struct wr_topic *topic)
{
    for (uint32_t i = 0; i < topic->schema_count; i++) {
        wr_schema_type_close(topic->schemas[i]);
    }
    wr_free(topic->schemas);
    wr_free(topic->text);
    // They are the topic's own; weir_topic calls them const for its other users.
    wr_free((char *)(uintptr_t)topic->settings.name);
    wr_free((char *)(uintptr_t)topic->settings.key);
    wr_free((char *)(uintptr_t)topic->settings.time);
    topic->schemas      = NULL;
    topic->schema_count = 0;
    topic->text         = NULL;
    topic->settings     = (weir_topic){ 0 };
}
