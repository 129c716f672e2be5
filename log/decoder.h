// decoder: batches of a topic, whatever version of its schema they were written in, as rows of one
// type. Rows that lie in the log as the reader wants them are not copied: they point into the
// batch (or into what it was decompressed to).
//
// Thread rule: belongs to one thread.
#ifndef WR_LOG_DECODER_H
#define WR_LOG_DECODER_H

#include "log/log.h"
#include "log/pack.h"

struct wr_decoder {
    weir_log        *log;
    struct wr_topic *topic;
    const weir_type *type; // what rows become

    struct wr_decoder_version { // version v of the schema is versions[v - 1]
        struct wr_row_shape   shape;
        struct wr_conversion *conversion; // NULL: rows are taken as they are
    } * versions;
    uint32_t version_count;

    char     *unpacked, *converted;
    size_t    unpacked_capacity, converted_capacity;
    uint32_t *deltas; // of rows whose first is not the batch's base offset
    uint32_t  delta_capacity;
};

// `type` NULL: the topic's newest. WEIR_MISMATCH: what is stored cannot be read as it; the sentence
// names the field. Finish it in either case.
weir_status wr_decoder_init(struct wr_decoder *decoder, weir_log *log, struct wr_topic *topic,
                            const weir_type *type, struct wr_log_error *error);
void        wr_decoder_fini(struct wr_decoder *decoder);

// The rows of a valid batch whose offsets lie in [from, to); none: rows->count is 0. They are valid
// until the next call, or until the batch's memory is used again. A batch is decoded once, for it
// is changed.
weir_status wr_decoder_rows(struct wr_decoder *decoder, const struct wr_log_batch_header *header,
                            char *batch, uint64_t from, uint64_t to, weir_log_rows *rows,
                            struct wr_log_error *error);
// The offset of the first row of a valid batch that lies in [from, to) and whose time is `time` or
// later; false: none, or the batch cannot be decoded (*status is WEIR_OK or why).
bool wr_decoder_find_time(struct wr_decoder *decoder, const struct wr_log_batch_header *header,
                          char *batch, uint64_t from, uint64_t to, weir_time time, uint64_t *offset,
                          weir_status *status, struct wr_log_error *error);

#endif // WR_LOG_DECODER_H
