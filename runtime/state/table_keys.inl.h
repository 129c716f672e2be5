// Searching and moving for one kind of key. Included by table_keys.c once for each kind, with
//
//   KEYS_(name)    the name with the kind's suffix
//   KEYS_SIZE      4, 8 or 16 bytes; 0 for WR_KEY_BYTES
//
// The size of a value is the table's, at run time; that of a key is a constant here, so that
// comparing one is an instruction or two.

static inline struct key_view KEYS_(key_at)(const struct wr_keys *keys, uint32_t i)
{
#if KEYS_SIZE > 0
    return (struct key_view){ (const char *)keys->fixed + (size_t)i * KEYS_SIZE, KEYS_SIZE };
#else
    return (struct key_view){ keys->bytes[i], keys->lengths[i] };
#endif
}

static inline bool KEYS_(is_key)(const struct segment *segment, const char *slot, uint64_t hash,
                                 struct key_view key)
{
#if KEYS_SIZE == 4
    uint32_t have, want;
#elif KEYS_SIZE == 8
    uint64_t have, want;
#elif KEYS_SIZE == 16
    uint64_t have[2], want[2];
#else
    struct bytes_key have;
#endif
#if KEYS_SIZE > 0
    (void)segment, (void)hash;
    memcpy(&have, slot, KEYS_SIZE);
    memcpy(&want, key.bytes, KEYS_SIZE);
#endif
#if KEYS_SIZE == 16
    return ((have[0] ^ want[0]) | (have[1] ^ want[1])) == 0;
#elif KEYS_SIZE > 0
    return have == want;
#else
    memcpy(&have, slot, sizeof(have));
    return have.hash == hash && have.length == key.length &&
           (key.length == 0 || memcmp((const char *)segment + have.at, key.bytes, key.length) == 0);
#endif
}

static inline uint64_t KEYS_(hash_inline)(const struct wr_table *table, const char *slot)
{
#if KEYS_SIZE == 0
    (void)table;
    uint64_t hash;
    memcpy(&hash, slot, sizeof(hash));
    return hash;
#else
    if (table->stores_hash) {
        uint64_t hash;
        memcpy(&hash, slot + table->hash_at, sizeof(hash));
        return hash;
    }
    uint64_t key[(KEYS_SIZE + 7) / 8] = { 0 };
#if KEYS_SIZE == 4
    uint32_t narrow;
    memcpy(&narrow, slot, sizeof(narrow));
    key[0]              = narrow;
#else
    memcpy(key, slot, KEYS_SIZE);
#endif
    const uint64_t hash = wr_mix64(key[0], table->seed);
    return KEYS_SIZE == 16 ? wr_mix64(key[KEYS_SIZE / 16], hash) : hash;
#endif
}

static uint64_t KEYS_(hash_of)(const struct wr_table *table, const char *slot)
{
    return KEYS_(hash_inline)(table, slot);
}

static struct key_view KEYS_(key_of)(const struct segment *segment, const char *slot)
{
#if KEYS_SIZE > 0
    (void)segment;
    return (struct key_view){ slot, KEYS_SIZE };
#else
    struct bytes_key key;
    memcpy(&key, slot, sizeof(key));
    return (struct key_view){ (const char *)segment + key.at, key.length };
#endif
}

// ---- one key ----

static inline char *KEYS_(probe)(const struct wr_table *table, const struct segment *segment,
                                 uint32_t group_count, uint64_t hash, struct key_view key)
{
    const uint8_t tag   = hash_tag(hash);
    char *const   slots = segment_slots(segment, group_count);
    uint32_t      group = hash_group(hash, group_count);
    for (uint32_t seen = 0; seen < group_count; seen++) {
        uint8_t *const tags = segment_tags(segment) + (size_t)group * GROUP_TAG_BYTES;
        for (uint32_t match = group_match(tags, tag); match != 0; match &= match - 1) {
            const uint32_t place = (uint32_t)__builtin_ctz(match);
            char *const    slot = slots + ((size_t)group * GROUP_SLOTS + place) * table->slot_bytes;
            if (WR_LIKELY(KEYS_(is_key)(segment, slot, hash, key))) {
                return slot;
            }
        }
        if (*group_overflow(tags) == 0) {
            return NULL;
        }
        group = group + 1 == group_count ? 0 : group + 1;
    }
    return NULL;
}

static __attribute__((noinline)) char *KEYS_(find)(const struct wr_table *table, uint64_t hash,
                                                   struct key_view key)
{
    const struct segment *const segment = segment_of(table, hash);
    return KEYS_(probe)(table, segment, segment->group_count, hash, key);
}

static char *KEYS_(add)(struct wr_table *table, struct segment *segment, uint64_t hash,
                        struct key_view key)
{
    if (WR_UNLIKELY(table->marks[directory_index(table, hash)] != MARK_CHANGED)) {
        wr_segment_will_add(table, segment);
    }
    char *const slot = segment_place(table, segment, hash);
    if (WR_UNLIKELY(segment->undo != NULL)) {
        wr_segment_note_added(segment, segment_index(table, segment, slot + table->value_at));
    }
    table->count++;
#if KEYS_SIZE > 0
    memcpy(slot, key.bytes, KEYS_SIZE);
    if (table->stores_hash) {
        memcpy(slot + table->hash_at, &hash, sizeof(hash));
    } else {
        WR_ASSERT(KEYS_(hash_inline)(table, slot) == hash); // as the options promise
    }
#else
    const struct bytes_key bytes = { .hash   = hash,
                                     .at     = segment->heap_at + segment->heap_used,
                                     .length = key.length };
    memcpy(slot, &bytes, sizeof(bytes));
    if (key.length > 0) {
        memcpy((char *)segment + bytes.at, key.bytes, key.length);
    }
    segment->heap_used += key.length;
#endif
    clear_value(slot + table->value_at, table->slot_bytes - table->value_at);
    return slot;
}

static __attribute__((noinline)) char *KEYS_(resolve)(struct wr_table *table, uint64_t hash,
                                                      struct key_view key, bool *is_new)
{
    struct segment *segment = segment_of(table, hash);
    char *const     slot    = KEYS_(probe)(table, segment, segment->group_count, hash, key);
    *is_new                 = slot == NULL;
    if (slot != NULL) {
        return slot;
    }
    const uint32_t bytes = KEYS_SIZE > 0 ? 0 : key.length;
    while (WR_UNLIKELY(segment->count >= segment->limit || bytes > segment_heap_room(segment))) {
        if (!wr_segment_make_room(table, hash, 1, bytes)) {
            return NULL;
        }
        segment = segment_of(table, hash);
    }
    return KEYS_(add)(table, segment, hash, key);
}

// ---- a batch ----

// Where a key stands if it is the first in its home group with its tag: nearly always.
static inline __attribute__((always_inline)) char *
KEYS_(guess)(const uint8_t *tags, uint8_t tag, char *slots, uint32_t slot_bytes, bool *is_there)
{
    const uint32_t match = group_match(tags, tag);
    *is_there            = match != 0;
    return slots + (size_t)__builtin_ctz(match | 1u << GROUP_SLOTS) * slot_bytes;
}

// Whatever the guess did not find. False: out of budget.
static inline bool KEYS_(settle)(struct wr_table *table, uint64_t hash, struct key_view key,
                                 bool makes, void **value, uint8_t *is_new)
{
    bool        was_made = false;
    char *const slot =
        makes ? KEYS_(resolve)(table, hash, key, &was_made) : KEYS_(find)(table, hash, key);
    *value = slot == NULL ? NULL : slot + table->value_at;
    if (is_new != NULL) {
        *is_new = was_made && slot != NULL;
    }
    return slot != NULL || !makes;
}

// Up to BATCH_KEYS keys of a table that lies in the cache: the processor overlaps the searches by
// itself. Returns how many were resolved.
static inline __attribute__((always_inline)) uint32_t
KEYS_(near)(struct wr_table *table, const uint64_t *hashes, const struct wr_keys *keys,
            uint32_t begin, uint32_t end, void **values, uint8_t *is_new, const bool makes)
{
    for (uint32_t i = begin; i < end; i++) {
        const uint64_t        hash        = hashes[i];
        const struct key_view key         = KEYS_(key_at)(keys, i);
        const uintptr_t       entry       = table->directory[directory_index(table, hash)];
        struct segment *const segment     = entry_segment(entry);
        const uint32_t        group_count = table->shape_groups[entry % SHAPE_COUNT];
        const size_t          group       = hash_group(hash, group_count);
        bool                  is_there;
        char *const           slot = KEYS_(guess)(
            segment_tags(segment) + group * GROUP_TAG_BYTES, hash_tag(hash),
            segment_slots(segment, group_count) + group * GROUP_SLOTS * table->slot_bytes,
            table->slot_bytes, &is_there);
        if (WR_LIKELY(is_there && KEYS_(is_key)(segment, slot, hash, key))) {
            values[i] = slot + table->value_at;
            if (is_new != NULL) {
                is_new[i] = 0;
            }
        } else if (!KEYS_(settle)(table, hash, key, makes, &values[i],
                                  is_new == NULL ? NULL : &is_new[i])) {
            return i;
        }
    }
    return end;
}

// The same for a table beyond the cache: the tags of all are fetched, then the slots of all, then
// all are compared. Fetched pointers are used only while nothing has moved.
static inline __attribute__((always_inline)) uint32_t
KEYS_(far)(struct wr_table *table, const uint64_t *hashes, const struct wr_keys *keys,
           uint32_t begin, uint32_t end, void **values, uint8_t *is_new, const bool makes)
{
    const uint64_t  moves      = table->moves;
    const uint32_t  slot_bytes = table->slot_bytes;
    struct segment *segments[BATCH_KEYS];
    const uint8_t  *tags[BATCH_KEYS];
    char           *slots[BATCH_KEYS]; // of the home group; then the guessed one, or NULL

    for (uint32_t i = begin; i < end; i++) {
        const uintptr_t entry       = table->directory[directory_index(table, hashes[i])];
        const uint32_t  group_count = table->shape_groups[entry % SHAPE_COUNT];
        const size_t    group       = hash_group(hashes[i], group_count);
        segments[i - begin]         = entry_segment(entry);
        tags[i - begin]             = segment_tags(segments[i - begin]) + group * GROUP_TAG_BYTES;
        slots[i - begin] =
            segment_slots(segments[i - begin], group_count) + group * GROUP_SLOTS * slot_bytes;
        __builtin_prefetch(tags[i - begin]);
    }
    for (uint32_t i = begin; i < end; i++) {
        bool        is_there;
        char *const slot = KEYS_(guess)(tags[i - begin], hash_tag(hashes[i]), slots[i - begin],
                                        slot_bytes, &is_there);
        __builtin_prefetch(slot);
        __builtin_prefetch(slot + slot_bytes - 1);
        if (makes && WR_UNLIKELY(!is_there)) { // it will take the first free one
            const uint32_t is_free = group_match(tags[i - begin], 0) | 1u << GROUP_SLOTS;
            char *const    place   = slots[i - begin] + (size_t)__builtin_ctz(is_free) * slot_bytes;
            __builtin_prefetch(place);
            __builtin_prefetch(place + slot_bytes - 1);
        }
        slots[i - begin] = is_there ? slot : NULL;
    }
#if KEYS_SIZE == 0
    for (uint32_t i = begin; i < end; i++) {
        if (slots[i - begin] != NULL) {
            struct bytes_key key;
            memcpy(&key, slots[i - begin], sizeof(key));
            __builtin_prefetch((const char *)segments[i - begin] + key.at);
        }
    }
#endif
    for (uint32_t i = begin; i < end; i++) {
        char *const           slot = slots[i - begin];
        const struct key_view key  = KEYS_(key_at)(keys, i);
        if (WR_LIKELY(slot != NULL && table->moves == moves &&
                      KEYS_(is_key)(segments[i - begin], slot, hashes[i], key))) {
            values[i] = slot + table->value_at;
            if (is_new != NULL) {
                is_new[i] = 0;
            }
        } else if (!KEYS_(settle)(table, hashes[i], key, makes, &values[i],
                                  is_new == NULL ? NULL : &is_new[i])) {
            return i;
        }
    }
    return end;
}

static inline __attribute__((always_inline)) uint32_t
KEYS_(batch)(struct wr_table *table, const uint64_t *hashes, const struct wr_keys *keys,
             uint32_t count, void **values, uint8_t *is_new, const bool makes, const bool writes,
             uint32_t *stale_count)
{
    uint64_t moves = table->moves;
    *stale_count   = 0;
    for (uint32_t begin = 0; begin < count;) {
        const uint32_t end = count - begin < BATCH_KEYS ? count : begin + BATCH_KEYS;
        const uint32_t reached =
            table->segment_bytes <= NEAR_BYTES
                ? KEYS_(near)(table, hashes, keys, begin, end, values, is_new, makes)
                : KEYS_(far)(table, hashes, keys, begin, end, values, is_new, makes);
        if (writes && WR_UNLIKELY(table->was_marked) &&
            marks_differ(table, hashes + begin, reached - begin)) {
            wr_segment_save_many(table, hashes + begin, values + begin, reached - begin);
        }
        if (WR_UNLIKELY(table->moves != moves)) {
            moves        = table->moves;
            *stale_count = reached;
        }
        if (reached < end) {
            return reached;
        }
        begin = end;
    }
    return count;
}

static void KEYS_(find_many)(struct wr_table *table, const uint64_t *hashes,
                             const struct wr_keys *keys, uint32_t count, void **values, bool writes)
{
    uint32_t stale_count;
    KEYS_(batch)(table, hashes, keys, count, values, NULL, false, writes, &stale_count);
}

static uint32_t KEYS_(resolve_many)(struct wr_table *table, const uint64_t *hashes,
                                    const struct wr_keys *keys, uint32_t count, void **values,
                                    uint8_t *is_new)
{
    uint32_t       stale_count;
    const uint32_t reached =
        KEYS_(batch)(table, hashes, keys, count, values, is_new, true, true, &stale_count);
    if (WR_UNLIKELY(stale_count > 0)) { // a split moved what was found before it: take again
        KEYS_(find_many)(table, hashes, keys, stale_count, values, true);
    }
    return reached;
}

// ---- a segment ----

static void KEYS_(weigh)(const struct wr_table *table, const struct segment *segment, uint32_t bit,
                         struct segment_load loads[2])
{
    const char *const slots = segment_slots(segment, segment->group_count);
    for (uint32_t group = 0; group < segment->group_count; group++) {
        uint32_t used = group_used(segment_tags(segment) + (size_t)group * GROUP_TAG_BYTES);
        for (; used != 0; used &= used - 1) {
            const size_t      index = (size_t)group * GROUP_SLOTS + (uint32_t)__builtin_ctz(used);
            const char *const slot  = slots + index * table->slot_bytes;
            const uint64_t    hash  = KEYS_(hash_inline)(table, slot);
            struct segment_load *const load = &loads[hash >> bit & 1];
            load->count++;
            if (table->has_heap) {
                load->heap_bytes += KEYS_SIZE > 0 ? 0 : KEYS_(key_of)(segment, slot).length;
                load->heap_bytes +=
                    table->strings == NULL
                        ? 0
                        : wr_strings_long_bytes(table->strings, slot + table->value_at);
            }
        }
    }
}

static inline void KEYS_(move_slot)(const struct wr_table *table, const struct segment *from,
                                    const char *slot, struct segment *to, uint64_t hash)
{
    char *const moved = segment_place(table, to, hash);
    copy_slot(moved, slot, table->slot_bytes);
    if (!table->has_heap) {
        return;
    }
#if KEYS_SIZE == 0
    const struct key_view key = KEYS_(key_of)(from, slot);
    const uint32_t        at  = to->heap_at + to->heap_used;
    memcpy(moved + offsetof(struct bytes_key, at), &at, sizeof(at));
    memcpy((char *)to + at, key.bytes, key.length);
    to->heap_used += key.length;
#else
    (void)from;
#endif
    if (table->strings != NULL) {
        to->heap_used += (uint32_t)wr_strings_move(table->strings, moved + table->value_at,
                                                   (char *)to + to->heap_at + to->heap_used);
    }
}

static void KEYS_(move)(const struct wr_table *table, const struct segment *from,
                        struct segment *low, struct segment *high, uint32_t bit)
{
    const char *const slots = segment_slots(from, from->group_count);
    for (uint32_t group = 0; group < from->group_count; group++) {
        uint32_t used = group_used(segment_tags(from) + (size_t)group * GROUP_TAG_BYTES);
        for (; used != 0; used &= used - 1) {
            const size_t      index  = (size_t)group * GROUP_SLOTS + (uint32_t)__builtin_ctz(used);
            const char *const slot   = slots + index * table->slot_bytes;
            const uint64_t    hash   = KEYS_(hash_inline)(table, slot);
            struct segment *const to = high != NULL && (hash >> bit & 1) != 0 ? high : low;
            KEYS_(move_slot)(table, from, slot, to, hash);
        }
    }
}
