// One segment: into the file, and back; see spilled.h.
#include "runtime/state/spilled.h"

#include <errno.h>

#define NUMBER_MOST ((1u << (32 - MOMENT_BITS)) - 1)
#define SLAB_COUNT  256u // descriptors made together

// ---- failing ----

static void spill_fail(struct wr_spill *spill, weir_status status, char *sentence, bool is_lost)
{
    bool *const has_told = is_lost ? &spill->has_lost : &spill->has_failed;
    if (*has_told) {
        wr_free(sentence);
        return;
    }
    *has_told                 = true;
    spill->has_failed         = true;
    spill->sentences[is_lost] = sentence; // as fail may not return
    spill->options.fail(spill->options.opaque, status, sentence, is_lost);
}

static void spill_fail_write(struct wr_spill *spill, int error)
{
    spill_fail(spill, wr_error_status(error),
               wr_format("state over the budget of %zu bytes could not be written to a file in %s: "
                         "%s; make room there, name another directory, or raise the budget",
                         spill->budget_bytes, spill->options.directory, strerror(-error)),
               false);
}

static void spill_fail_read(struct wr_spill *spill, const struct spilled *spilled, int error)
{
    if (error != -EBADMSG) {
        spill_fail(spill, wr_error_status(error),
                   wr_format("state that was written to a file in %s could not be read again: %s",
                             spill->options.directory, strerror(-error)),
                   true);
        return;
    }
    spill_fail(spill, WEIR_DAMAGED,
               wr_format("state that was written to a file in %s is damaged: the %zu bytes at %llu "
                         "do not have the checksum they were written with",
                         spill->options.directory, segment_block_bytes(&spilled->header),
                         (unsigned long long)spilled->place.offset),
               true);
}

// ---- descriptors ----

static void descriptors_make(struct wr_spill *spill)
{
    const uint32_t        first       = spill->slab_count * SLAB_COUNT;
    const size_t          bytes       = (spill->slab_count + 1) * sizeof(struct spilled *);
    struct spilled *const slab        = wr_alloc_aligned(SLAB_COUNT * sizeof(*slab), 64);
    spill->slabs                      = wr_realloc((void *)(uintptr_t)spill->slabs, bytes);
    spill->slabs[spill->slab_count++] = slab;
    for (uint32_t i = SLAB_COUNT; i-- > (first == 0 ? 1 : 0);) { // number 0 is none
        slab[i].number          = first + i;
        slab[i].next_free       = spill->free_descriptors;
        spill->free_descriptors = &slab[i];
    }
}

static struct spilled *descriptor_take(struct wr_spill *spill)
{
    if (spill->free_descriptors == NULL) {
        descriptors_make(spill);
    }
    struct spilled *const spilled = spill->free_descriptors;
    spill->free_descriptors       = spilled->next_free;
    spill->descriptor_count++;
    return spilled;
}

static void descriptor_give(struct wr_spill *spill, struct spilled *spilled)
{
    spilled->next_free      = spill->free_descriptors;
    spill->free_descriptors = spilled;
    spill->descriptor_count--;
}

static struct spilled *descriptor_at(const struct wr_spill *spill, uint32_t number)
{
    return &spill->slabs[number / SLAB_COUNT][number % SLAB_COUNT];
}

// ---- a segment's entries ----

static void entries_set(struct wr_table *table, const struct segment *segment, uintptr_t entry,
                        uint32_t use)
{
    const uint64_t first = entries_first(table, segment);
    const uint64_t end   = first + entries_count(table, segment);
    for (uint64_t at = first; at < end; at++) {
        table->directory[at] = entry;
        table->uses[at]      = use;
    }
}

void wr_spill_note_made(struct wr_table *table, const struct segment *segment)
{
    const uint64_t first = entries_first(table, segment);
    const uint64_t end   = first + entries_count(table, segment);
    for (uint64_t at = first; at < end; at++) {
        table->uses[at] = table->spill->moment;
    }
}

void wr_spill_forget(struct wr_table *table, const struct segment *segment)
{
    struct wr_spill *const spill = table->spill;
    uint32_t *const        uses  = segment_uses(table, segment);
    const uint32_t         share = *uses >> MOMENT_BITS;
    if (share == 0) {
        return;
    }
    struct spilled *const copy = descriptor_at(spill, share);
    wr_spill_file_free(&spill->file, &copy->place);
    descriptor_give(spill, copy);
    for (uint64_t i = 0; i < entries_count(table, segment); i++) {
        uses[i] &= MOMENT_MASK;
    }
}

// ---- going ----

// What lies in a segment's heap has moved along with it.
static void strings_move(const struct wr_table *table, struct segment *segment, uintptr_t from)
{
    const uintptr_t moved = (uintptr_t)segment - from;
    for (uint32_t group = 0; table->strings != NULL && group < segment->group_count; group++) {
        uint32_t used = group_used(segment_tags(segment) + (size_t)group * GROUP_TAG_BYTES);
        for (; used != 0; used &= used - 1) {
            const size_t index = (size_t)group * GROUP_SLOTS + (uint32_t)__builtin_ctz(used);
            char *const  value = segment_slots(segment, segment->group_count) +
                                index * table->slot_bytes + table->value_at;
            for (uint32_t i = 0; i < table->strings->count; i++) {
                weir_str *const string = (void *)(value + table->strings->offsets[i]);
                if (!weir_str_is_inline(string)) {
                    string->rest.bytes = (const char *)((uintptr_t)string->rest.bytes + moved);
                }
            }
        }
    }
}

// NULL: it could not be written.
static struct spilled *segment_write(struct wr_table *table, const struct segment *segment)
{
    struct wr_spill *const spill = table->spill;
    const uint32_t         copy  = *segment_uses(table, segment) >> MOMENT_BITS;
    if (copy != 0) {
        return descriptor_at(spill, copy);
    }
    struct spilled *const spilled = descriptor_take(spill);
    const int             status =
        wr_spill_file_write(&spill->file, segment, segment->block_log2, &spilled->place);
    if (status < 0) {
        descriptor_give(spill, spilled);
        spill_fail_write(spill, status);
        return NULL;
    }
    spilled->address = (uintptr_t)segment;
    spill->facts.written++;
    return spilled;
}

bool wr_spilled_write(struct wr_table *table, struct segment *segment)
{
    struct wr_spill *const spill = table->spill;
    if (segment->undo != NULL) {
        wr_segment_capture(table, segment); // whose slots point where the heap lies now
    }
    wr_segment_learn_range(table, segment);
    struct spilled *const spilled = segment_write(table, segment);
    if (spilled == NULL) {
        return false;
    }
    spilled->header            = *segment;
    spilled->header.is_spilled = true;
    entries_set(table, segment, (uintptr_t)spilled | SHAPE_SPILLED, 0);
    spill->facts.segments++;
    spill->facts.bytes += segment_block_bytes(segment);
    wr_segment_give(table, segment);
    return true;
}

// ---- coming back ----

struct segment *wr_spilled_load(struct wr_table *table, struct spilled *spilled, bool is_now)
{
    struct wr_spill *const spill   = table->spill;
    const size_t           bytes   = segment_block_bytes(&spilled->header);
    struct segment *const  segment = wr_pool_take_beyond(spill->pool, bytes);
    if (segment == NULL) {
        spill_fail(spill, WEIR_NO_MEMORY, wr_copy_text("the system has no more memory"), true);
        return NULL;
    }
    const int status = (is_now ? wr_spill_file_read_now
                               : wr_spill_file_read)(&spill->file, &spilled->place, segment);
    if (status < 0) {
        wr_pool_give(spill->pool, segment, bytes);
        if (is_now && status == -EAGAIN) {
            wr_spill_file_read_ahead(&spill->file, &spilled->place);
        } else {
            spill_fail_read(spill, spilled, status);
        }
        return NULL;
    }
    *segment            = spilled->header;
    segment->is_spilled = false;
    strings_move(table, segment, spilled->address);
    table->segment_bytes += bytes;
    spill->facts.segments--;
    spill->facts.bytes -= bytes;
    spill->facts.read++;
    const bool is_kept = spilled->number <= NUMBER_MOST;
    entries_set(table, segment, (uintptr_t)segment | segment->shape,
                (is_kept ? spilled->number << MOMENT_BITS : 0) | spill->moment);
    if (!is_kept) {
        wr_spill_file_free(&spill->file, &spilled->place);
        descriptor_give(spill, spilled);
    }
    return segment;
}

const struct segment *wr_spill_peek(const struct wr_table *table, const struct segment *segment)
{
    struct wr_spill *const      spill   = table->spill;
    const struct spilled *const spilled = spilled_of(segment);
    const size_t                bytes   = segment_block_bytes(segment);
    if (spill->has_lost) {
        return NULL;
    }
    if (bytes > spill->scratch_bytes) {
        wr_free(spill->scratch);
        spill->scratch       = wr_alloc_unset(bytes, 64);
        spill->scratch_bytes = bytes;
    }
    const int status = wr_spill_file_read(&spill->file, &spilled->place, spill->scratch);
    if (status < 0) {
        spill_fail_read(spill, spilled, status);
        return NULL;
    }
    spill->facts.read++;
    struct segment *const seen = (struct segment *)(void *)spill->scratch;
    *seen                      = *segment;
    seen->is_spilled           = false;
    strings_move(table, seen, spilled->address);
    return seen;
}

void wr_spill_drop(struct wr_table *table, struct segment *segment)
{
    struct wr_spill *const spill   = table->spill;
    struct spilled *const  spilled = spilled_of(segment);
    spill->facts.segments--;
    spill->facts.bytes -= segment_block_bytes(segment);
    wr_spill_file_free(&spill->file, &spilled->place);
    descriptor_give(spill, spilled);
}

void wr_spilled_close(struct wr_spill *spill)
{
    WR_ASSERT(spill->descriptor_count == 0);
    for (uint32_t i = 0; i < spill->slab_count; i++) {
        wr_free(spill->slabs[i]);
    }
    wr_free((void *)(uintptr_t)spill->slabs);
    wr_free(spill->scratch);
}
