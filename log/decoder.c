#include "log/decoder.h"

#include "log/catalog.h"
#include "log/search.h"

#include <string.h>

// ---- versions ----

// Makes version `number` readable, of which the topic says that it is `stored`.
static weir_status version_init(struct wr_decoder *decoder, uint32_t number,
                                const weir_type *stored, struct wr_log_error *error)
{
    struct wr_decoder_version *version    = &decoder->versions[number];
    char                      *sentence   = NULL;
    struct wr_conversion      *conversion = wr_schema_conversion(stored, decoder->type, &sentence);
    if (conversion == NULL) {
        const weir_status status =
            wr_log_fail(error, WEIR_MISMATCH,
                        "log %s: topic %s: version %u of its records cannot "
                        "be read as %s: %s",
                        decoder->log->directory, decoder->topic->settings.name, number + 1,
                        decoder->type->name, sentence);
        wr_free(sentence);
        return status;
    }
    if (wr_conversion_is_identity(conversion)) {
        wr_conversion_close(conversion);
        conversion = NULL;
    }
    version->conversion = conversion;
    wr_row_shape_init(&version->shape, stored, decoder->topic->settings.time);
    decoder->version_count = number + 1;
    return WEIR_OK;
}

// Takes note of the versions the topic has got since.
static weir_status decoder_learn(struct wr_decoder *decoder, struct wr_log_error *error)
{
    (void)pthread_mutex_lock(&decoder->log->lock);
    const uint32_t count   = decoder->topic->schema_count;
    weir_type    **schemas = wr_alloc((count + 1) * sizeof(*schemas));
    if (count > 0) {
        memcpy(schemas, decoder->topic->schemas, count * sizeof(*schemas));
    }
    (void)pthread_mutex_unlock(&decoder->log->lock);

    WR_ASSERT(count > 0); // a topic has a type from its first day
    if (decoder->type == NULL) {
        decoder->type = schemas[count - 1];
    }
    decoder->versions  = wr_realloc(decoder->versions, count * sizeof(*decoder->versions));
    weir_status status = WEIR_OK;
    for (uint32_t i = decoder->version_count; i < count && status == WEIR_OK; i++) {
        status = version_init(decoder, i, schemas[i], error);
    }
    wr_free(schemas);
    return status;
}

weir_status wr_decoder_init(struct wr_decoder *decoder, weir_log *log, struct wr_topic *topic,
                            const weir_type *type, struct wr_log_error *error)
{
    *decoder = (struct wr_decoder){ .log = log, .topic = topic, .type = type };
    return decoder_learn(decoder, error);
}

void wr_decoder_fini(struct wr_decoder *decoder)
{
    for (uint32_t i = 0; i < decoder->version_count; i++) {
        if (decoder->versions[i].conversion != NULL) {
            wr_conversion_close(decoder->versions[i].conversion);
        }
        wr_row_shape_fini(&decoder->versions[i].shape);
    }
    wr_free(decoder->versions);
    wr_free(decoder->unpacked);
    wr_free(decoder->converted);
    wr_free(decoder->deltas);
}

// The version a batch was written in; NULL: the topic has no such version, or it cannot be read.
static struct wr_decoder_version *decoder_version(struct wr_decoder                *decoder,
                                                  const struct wr_log_batch_header *header,
                                                  weir_status *status, struct wr_log_error *error)
{
    *status = WEIR_OK;
    if (header->schema > decoder->version_count) { // written since this reader was opened
        (void)wr_catalog_topic(decoder->log, decoder->topic->settings.name, error);
        *status = decoder_learn(decoder, error);
    }
    if (*status == WEIR_OK && (header->schema == 0 || header->schema > decoder->version_count)) {
        *status = wr_log_fail(error, WEIR_DAMAGED,
                              "version %u of the topic's records is in a "
                              "batch, but its file knows %u",
                              header->schema, decoder->version_count);
    }
    return *status == WEIR_OK ? &decoder->versions[header->schema - 1] : NULL;
}

// ---- rows ----

static bool delta_is_less(const void *deltas, uint32_t i, const void *delta)
{
    return ((const uint32_t *)deltas)[i] < *(const uint64_t *)delta;
}

// The number of the first row whose offset is `offset` or later.
static uint32_t first_row_at(const struct wr_log_batch_header *header, const uint32_t *deltas,
                             uint64_t offset)
{
    if (offset <= header->base_offset) {
        return 0;
    }
    const uint64_t delta = offset - header->base_offset;
    if (deltas == NULL) {
        return delta < header->rows ? (uint32_t)delta : header->rows;
    }
    return wr_count_before(deltas, header->rows, delta_is_less, &delta);
}

static void reserve(char **buffer, size_t *capacity, size_t bytes)
{
    if (bytes > *capacity) {
        wr_free(*buffer);
        *capacity = wr_round_up(bytes + bytes / 4, 4096);
        *buffer   = wr_alloc_aligned(*capacity, 4096); // of any type's alignment
    }
}

// Unpacks the batch; NULL: *status says why not.
static struct wr_decoder_version *decoder_unpack(struct wr_decoder                *decoder,
                                                 const struct wr_log_batch_header *header,
                                                 char *batch, struct wr_unpacked *unpacked,
                                                 weir_status *status, struct wr_log_error *error)
{
    struct wr_decoder_version *version = decoder_version(decoder, header, status, error);
    const char                *reason  = NULL;
    if (version != NULL &&
        !wr_batch_unpack(batch + WR_BATCH_HEADER_BYTES, header, &version->shape, &decoder->unpacked,
                         &decoder->unpacked_capacity, unpacked, &reason)) {
        *status = wr_log_fail(error, WEIR_DAMAGED, "%s", reason);
        version = NULL;
    }
    return version;
}

// Deltas of rows from number `first` on, counted from that row's offset.
static const uint32_t *deltas_from(struct wr_decoder *decoder, const uint32_t *deltas,
                                   uint32_t first, uint32_t count)
{
    if (deltas == NULL || deltas[first] == 0) {
        return deltas;
    }
    if (count > decoder->delta_capacity) {
        wr_free(decoder->deltas);
        decoder->delta_capacity = count + count / 4;
        decoder->deltas         = wr_alloc(decoder->delta_capacity * sizeof(*decoder->deltas));
    }
    for (uint32_t i = 0; i < count; i++) {
        decoder->deltas[i] = deltas[first + i] - deltas[first];
    }
    return decoder->deltas;
}

weir_status wr_decoder_rows(struct wr_decoder *decoder, const struct wr_log_batch_header *header,
                            char *batch, uint64_t from, uint64_t to, weir_log_rows *rows,
                            struct wr_log_error *error)
{
    struct wr_unpacked               unpacked;
    weir_status                      status;
    const struct wr_decoder_version *version =
        decoder_unpack(decoder, header, batch, &unpacked, &status, error);
    if (version == NULL) {
        return status;
    }
    const uint32_t first = first_row_at(header, unpacked.deltas, from);
    const uint32_t end   = first_row_at(header, unpacked.deltas, to);

    *rows = (weir_log_rows){ .type = decoder->type, .appended = header->appended };
    if (first >= end) {
        return WEIR_OK;
    }
    const char *stored = unpacked.rows + (size_t)first * version->shape.type->size;
    rows->count        = end - first;
    rows->offset = header->base_offset + (unpacked.deltas != NULL ? unpacked.deltas[first] : first);
    rows->deltas = deltas_from(decoder, unpacked.deltas, first, rows->count);
    rows->changes = unpacked.changes != NULL ? unpacked.changes + first : NULL;
    rows->rows    = stored;
    if (version->conversion != NULL) {
        reserve(&decoder->converted, &decoder->converted_capacity,
                (size_t)rows->count * decoder->type->size);
        wr_conversion_run(version->conversion, stored, decoder->converted, rows->count);
        rows->rows = decoder->converted;
    }
    return WEIR_OK;
}

bool wr_decoder_find_time(struct wr_decoder *decoder, const struct wr_log_batch_header *header,
                          char *batch, uint64_t from, uint64_t to, weir_time time, uint64_t *offset,
                          weir_status *status, struct wr_log_error *error)
{
    struct wr_unpacked               unpacked;
    const struct wr_decoder_version *version =
        decoder_unpack(decoder, header, batch, &unpacked, status, error);
    if (version == NULL) {
        return false;
    }
    const uint32_t at  = version->shape.time_at;
    const uint32_t end = first_row_at(header, unpacked.deltas, to);
    for (uint32_t i = first_row_at(header, unpacked.deltas, from); i < end; i++) {
        weir_time row_time = header->greatest_time; // without a field, of all rows
        if (at != UINT32_MAX) {
            memcpy(&row_time, unpacked.rows + (size_t)i * version->shape.type->size + at,
                   sizeof(row_time));
        }
        if (row_time >= time) {
            *offset = header->base_offset + (unpacked.deltas != NULL ? unpacked.deltas[i] : i);
            return true;
        }
    }
    return false;
}
