// Any bytes as what a store of checkpoints reads: a manifest's text, an index, a block, a trailer.
// Nothing may step outside of them, and what is taken is what would have been written.
//
//   input   [u8 what][bytes]
//
// So that mutations get past them, the checksums of a block and a trailer are made right first.
#include "runtime/base/checksum.h"
#include "runtime/checkpoint/index.h"
#include "runtime/checkpoint/manifest.h"

#include <stdlib.h>
#include <string.h>

enum what { MANIFEST, INDEX, BLOCK, TRAILER, WHATS };

#define OFFSET 4096u

static const struct wr_file_id id = { 12, 3, 1 };

static volatile uint64_t seen; // so that every byte is really read

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void touch(const void *bytes, size_t length)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        sum += ((const uint8_t *)bytes)[i];
    }
    seen += sum;
}

static void touch_text(const char *text) { touch(text, strlen(text)); }

// ---- manifests ----

static void read_manifest(const uint8_t *bytes, size_t length)
{
    struct wr_manifest manifest;
    struct wr_error    error = { .status = WEIR_OK };
    char *const        text  = wr_alloc(length + 1);
    char *const        copy  = wr_alloc(length + 1);
    if (length > 0) {
        memcpy(text, bytes, length);
        memcpy(copy, bytes, length);
    }
    const weir_status status = wr_manifest_parse(text, "/fuzz", &manifest, &error);
    WR_ASSERT((status == WEIR_OK) == (error.sentence == NULL) && status == error.status);
    if (status == WEIR_OK) {
        char *const again = wr_manifest_text(&manifest);
        WR_ASSERT(again != NULL && strcmp(again, copy) == 0);
        wr_free(again);
        for (uint32_t i = 0; i < manifest.task_count; i++) {
            struct wr_file_id file;
            WR_ASSERT(wr_state_name_parse(manifest.tasks[i].file, &file));
        }
        wr_manifest_fini(&manifest);
    }
    wr_error_fini(&error);
    wr_free(copy);
}

// ---- indexes ----

static void touch_table(const struct wr_index *index, const struct wr_index_table *table)
{
    touch_text(table->name);
    touch_text(table->types);
    touch(table->string_offsets, table->string_count * sizeof(uint32_t));
    for (uint32_t i = 0; i < table->segment_count; i++) {
        const struct wr_block_place *place = &table->segments[i].place;
        const struct wr_index_file  *file  = wr_index_find_file(index, place->file);
        WR_ASSERT(file != NULL && place->offset + wr_block_bytes(place->bytes) <= file->bytes);
    }
}

static void touch_index(const struct wr_index *index)
{
    touch_text(index->stage_name);
    for (uint32_t i = 0; i < index->file_count; i++) {
        touch_text(index->files[i].name);
    }
    for (uint32_t i = 0; i < index->operator_count; i++) {
        const struct wr_index_operator *owner = &index->operators[i];
        touch_text(owner->name);
        for (uint32_t j = 0; j < owner->counter_count; j++) {
            touch_text(owner->counters[j].name);
        }
        for (uint32_t j = 0; j < owner->cell_count; j++) {
            touch_text(owner->cells[j].name);
            touch(owner->cells[j].bytes, owner->cells[j].length);
            if (owner->cells[j].key != NULL) {
                touch_text(owner->cells[j].key);
            }
        }
        for (uint32_t j = 0; j < owner->table_count; j++) {
            touch_table(index, &owner->tables[j]);
        }
    }
}

static void read_index(const uint8_t *bytes, size_t length)
{
    struct wr_index index;
    char           *reason;
    char *const     copy = malloc(length); // of its own, so that a step outside is seen
    if (length > 0) {
        memcpy(copy, bytes, length);
    }
    const bool is_index = wr_index_decode(copy, length, &index, &reason);
    WR_ASSERT(is_index == (reason == NULL));
    if (is_index) {
        size_t again_length;
        touch_index(&index);
        char *const again = wr_index_encode(&index, &again_length);
        WR_ASSERT(again_length == length && memcmp(again, bytes, length) == 0);
        wr_free(again);
        index.memory = NULL;
        wr_index_fini(&index);
    }
    wr_free(reason);
    free(copy);
}

// ---- blocks and trailers ----

// Identity, offset and checksum, as they would be of such fields.
static void mend(char *header)
{
    const uint64_t offset = OFFSET;
    memcpy(header + 8, &id.checkpoint, 8);
    memcpy(header + 16, &id.epoch, 4);
    memcpy(header + 20, &id.task, 4);
    memcpy(header + 24, &offset, 8);
    const uint32_t crc =
        wr_crc32c(wr_state_seed(&id, OFFSET), header + 8, WR_BLOCK_HEADER_BYTES - 8);
    memcpy(header + 4, &crc, 4);
}

static void read_block(const uint8_t *bytes, size_t length)
{
    struct wr_block_header header;
    const size_t           least = WR_BLOCK_HEADER_BYTES;
    if (length < least) {
        return;
    }
    char *const block = wr_alloc(wr_round_up(length, WR_BLOCK_ALIGN) + WR_BLOCK_ALIGN);
    memcpy(block, bytes, length);
    (void)wr_block_header_decode(block, &id, OFFSET, &header);
    mend(block);
    if (wr_block_header_decode(block, &id, OFFSET, &header) == NULL &&
        wr_block_bytes(header.bytes) <= wr_round_up(length, WR_BLOCK_ALIGN)) {
        char *const again = wr_alloc(wr_block_bytes(header.bytes));
        memcpy(again, block, wr_block_bytes(header.bytes));
        const bool     is_valid = wr_block_payload_is_valid(block, &id, OFFSET, &header);
        const uint32_t crc      = header.crc;
        wr_block_seal(again, &id, OFFSET, &header);
        WR_ASSERT(!is_valid || (header.crc == crc && memcmp(again, block, least) == 0));
        WR_ASSERT(wr_block_payload_is_valid(again, &id, OFFSET, &header));
        wr_free(again);
    }
    wr_free(block);
}

static void read_trailer(const uint8_t *bytes, size_t length)
{
    struct wr_trailer trailer;
    char              given[WR_TRAILER_BYTES], again[WR_TRAILER_BYTES];
    if (length < sizeof(given)) {
        return;
    }
    memcpy(given, bytes, sizeof(given));
    (void)wr_trailer_decode(given, &id, OFFSET, &trailer);
    mend(given);
    if (wr_trailer_decode(given, &id, OFFSET, &trailer) == NULL) {
        WR_ASSERT(trailer.index_offset + trailer.index_bytes <= OFFSET);
        wr_trailer_encode(&trailer, &id, OFFSET, again);
        WR_ASSERT(memcmp(again, given, sizeof(again)) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length == 0) {
        return 0;
    }
    switch ((enum what)(bytes[0] % WHATS)) {
    case MANIFEST: read_manifest(bytes + 1, length - 1); break;
    case INDEX: read_index(bytes + 1, length - 1); break;
    case BLOCK: read_block(bytes + 1, length - 1); break;
    default: read_trailer(bytes + 1, length - 1);
    }
    return 0;
}
