// Lists and maps of a key; see views.h.
#include "operators/views.h"

uint64_t wr_view_hash(uint64_t owner_hash, uint64_t item)
{
    const uint64_t range = owner_hash & UINT64_C(0xffff000000000000);
    return range | (wr_mix64(item, owner_hash) >> 16);
}

// ---- init and fini ----------------------------------------------------------------------------------

static struct wr_table *view_open_table(struct wr_node *node, uint32_t value_size,
                                        const struct wr_strings *strings)
{
    const struct wr_table_options options = {
        .key_kind      = WR_KEY_BYTES,
        .value_size    = value_size,
        .value_strings = strings != NULL && strings->count > 0 ? strings : NULL,
        .range_bits    = node->range_bits,
        .stores_hash   = true,
        .seed          = node->seed,
    };
    return wr_table_open(node->pool, &options);
}

void wr_view_init_list(struct wr_view *view, const weir_list_view *declared, struct wr_node *node)
{
    *view               = (struct wr_view){ .declared = declared };
    view->value_size    = declared->element->size;
    view->value_strings = wr_strings_of(declared->element);
    view->heads         = view_open_table(node, sizeof(uint64_t), NULL);
    view->items         = view_open_table(node, view->value_size, &view->value_strings);
}

void wr_view_init_map(struct wr_view *view, const weir_map_view *declared, struct wr_node *node)
{
    *view               = (struct wr_view){ .declared = declared, .is_map = true };
    view->value_at      = sizeof(uint64_t); // the item's index comes first
    view->value_size    = declared->value->size;
    view->value_strings = wr_strings_of(declared->value);
    for (uint32_t i = 0; i < view->value_strings.count; i++) {
        view->value_strings.offsets[i] += view->value_at;
    }
    view->key_strings = wr_strings_of(declared->key);
    view->map_codec   = wr_key_codec_of(declared->key);
    view->heads       = view_open_table(node, sizeof(uint64_t), NULL);
    view->items       = view_open_table(node, view->value_at + view->value_size, &view->value_strings);
    view->order       = view_open_table(node, declared->key->size, &view->key_strings);
}

void wr_view_fini(struct wr_view *view)
{
    if (view->declared == NULL) {
        return;
    }
    wr_table_close(view->heads);
    wr_table_close(view->items);
    if (view->is_map) {
        wr_table_close(view->order);
        wr_key_codec_fini(&view->map_codec);
        wr_strings_fini(&view->key_strings);
    }
    wr_strings_fini(&view->value_strings);
    wr_free(view->open_key);
    wr_free(view->composite);
}

// ---- keys of items ----------------------------------------------------------------------------------

struct item_key {
    uint64_t    hash;
    const char *bytes;
    uint32_t    length;
};

static char *view_composite(struct wr_view *view, size_t bytes)
{
    if (bytes > view->composite_bytes) {
        view->composite       = wr_realloc(view->composite, bytes * 2);
        view->composite_bytes = bytes * 2;
    }
    return view->composite;
}

static struct item_key view_index_key(struct wr_view *view, const struct wr_owner *owner, uint64_t index)
{
    char *bytes = view_composite(view, sizeof(index) + owner->length);
    memcpy(bytes, &index, sizeof(index));
    memcpy(bytes + sizeof(index), owner->key, owner->length);
    return (struct item_key){ wr_view_hash(owner->hash, index), bytes,
                              (uint32_t)sizeof(index) + owner->length };
}

static struct item_key view_map_key(struct wr_view *view, const struct wr_owner *owner, const void *key)
{
    const bool     is_encoded = view->map_codec.kind == WR_KEY_BYTES;
    const size_t   key_bytes =
        is_encoded ? wr_key_encoded_bytes(&view->map_codec, key) : view->map_codec.type->size;
    const uint32_t length = (uint32_t)(key_bytes + owner->length);
    char          *bytes  = view_composite(view, length);
    if (is_encoded) {
        (void)wr_key_encode(&view->map_codec, key, bytes);
    } else {
        memcpy(bytes, key, key_bytes);
    }
    memcpy(bytes + key_bytes, owner->key, owner->length);
    return (struct item_key){ wr_view_hash(owner->hash, wr_hash_bytes(bytes, key_bytes, owner->hash)), bytes,
                              length };
}

// ---- the open element ---------------------------------------------------------------------------------

bool wr_view_close_element(struct wr_view *view)
{
    if (view->open == NULL) {
        return true;
    }
    const char          *key    = view->open_key;
    const struct wr_keys column = { .bytes = &key, .lengths = &view->open_length };
    void                *value  = view->open;
    view->open                  = NULL;
    return wr_table_keep_strings_many(view->items, &view->open_hash, &column, 1, &value);
}

// Remembers what is handed out, if strings may be written into it.
static void *view_hand_out(struct wr_view *view, const struct item_key *key, void *item)
{
    if (item == NULL || view->value_strings.count == 0) {
        return item != NULL ? (char *)item + view->value_at : NULL;
    }
    if (key->length > view->open_capacity) {
        view->open_key      = wr_realloc(view->open_key, (size_t)key->length * 2);
        view->open_capacity = key->length * 2;
    }
    memcpy(view->open_key, key->bytes, key->length);
    view->open_length = key->length;
    view->open_hash   = key->hash;
    view->open        = item;
    return (char *)item + view->value_at;
}

// ---- counts -------------------------------------------------------------------------------------------

uint32_t wr_view_count(struct wr_view *view, const struct wr_owner *owner)
{
    uint64_t count;
    const void *head = wr_table_find(view->heads, owner->hash, owner->key, owner->length);
    if (head == NULL) {
        return 0;
    }
    memcpy(&count, head, sizeof(count));
    return (uint32_t)count;
}

static bool view_set_count(struct wr_view *view, const struct wr_owner *owner, uint64_t count)
{
    if (count == 0) {
        (void)wr_table_erase(view->heads, owner->hash, owner->key, owner->length);
        return true;
    }
    bool  is_new;
    void *head = wr_table_resolve(view->heads, owner->hash, owner->key, owner->length, &is_new);
    if (head == NULL) {
        return false;
    }
    memcpy(head, &count, sizeof(count));
    return true;
}

// ---- lists ----------------------------------------------------------------------------------------------

void *wr_list_at(struct wr_view *view, const struct wr_owner *owner, uint32_t index)
{
    (void)wr_view_close_element(view);
    const struct item_key key = view_index_key(view, owner, index);
    return view_hand_out(view, &key, wr_table_find(view->items, key.hash, key.bytes, key.length));
}

void *wr_list_add(struct wr_view *view, const struct wr_owner *owner)
{
    bool is_new;
    (void)wr_view_close_element(view);
    const uint32_t index = wr_view_count(view, owner);
    if (!view_set_count(view, owner, (uint64_t)index + 1)) {
        return NULL;
    }
    const struct item_key key = view_index_key(view, owner, index);
    void *item = wr_table_resolve(view->items, key.hash, key.bytes, key.length, &is_new);
    WR_ASSERT(item == NULL || is_new);
    return view_hand_out(view, &key, item);
}

// Copies an entry's value over another's: first aside, since making strings one's own may move both.
static bool view_copy_value(struct wr_table *table, const struct wr_strings *strings, uint32_t size,
                            const struct item_key *from, struct wr_view *view, const struct wr_owner *owner,
                            uint64_t to_index)
{
    const void  *source     = wr_table_find(table, from->hash, from->bytes, from->length);
    const size_t long_bytes = wr_strings_long_bytes(strings, source);
    char        *aside      = wr_alloc(size + long_bytes);
    memcpy(aside, source, size);
    (void)wr_strings_move(strings, aside, aside + size);

    const struct item_key key    = view_index_key(view, owner, to_index);
    void                 *target = wr_table_find(table, key.hash, key.bytes, key.length);
    WR_ASSERT(target != NULL);
    memcpy(target, aside, size);
    const struct wr_keys column = { .bytes = &key.bytes, .lengths = &key.length };
    const bool           is_ok  = wr_table_keep_strings_many(table, &key.hash, &column, 1, &target);
    wr_free(aside);
    return is_ok;
}

bool wr_list_remove(struct wr_view *view, const struct wr_owner *owner, uint32_t index)
{
    (void)wr_view_close_element(view);
    const uint32_t count = wr_view_count(view, owner);
    WR_ASSERT(index < count);
    bool is_ok = true;
    if (index + 1 < count) {
        const struct item_key last = view_index_key(view, owner, count - 1);
        is_ok = view_copy_value(view->items, &view->value_strings, view->value_size, &last, view, owner, index);
    }
    const struct item_key last = view_index_key(view, owner, count - 1);
    (void)wr_table_erase(view->items, last.hash, last.bytes, last.length);
    return view_set_count(view, owner, (uint64_t)count - 1) && is_ok;
}

void wr_list_clear(struct wr_view *view, const struct wr_owner *owner)
{
    (void)wr_view_close_element(view);
    for (uint32_t i = wr_view_count(view, owner); i-- > 0;) {
        const struct item_key key = view_index_key(view, owner, i);
        (void)wr_table_erase(view->items, key.hash, key.bytes, key.length);
    }
    (void)view_set_count(view, owner, 0);
}

// ---- maps -----------------------------------------------------------------------------------------------

void *wr_map_find(struct wr_view *view, const struct wr_owner *owner, const void *map_key)
{
    const struct item_key key = view_map_key(view, owner, map_key); // first: it may be in the view
    (void)wr_view_close_element(view);
    return view_hand_out(view, &key, wr_table_find(view->items, key.hash, key.bytes, key.length));
}

// Notes the map key under the new entry's index, so that entries can be walked.
static bool map_add_order(struct wr_view *view, const struct wr_owner *owner, const void *map_key,
                          uint64_t index)
{
    bool                  is_new;
    const struct item_key key   = view_index_key(view, owner, index);
    void                 *entry = wr_table_resolve(view->order, key.hash, key.bytes, key.length, &is_new);
    if (entry == NULL) {
        return false;
    }
    memcpy(entry, map_key, view->map_codec.type->size);
    const struct wr_keys column = { .bytes = &key.bytes, .lengths = &key.length };
    return wr_table_keep_strings_many(view->order, &key.hash, &column, 1, &entry) &&
           view_set_count(view, owner, index + 1);
}

void *wr_map_put(struct wr_view *view, const struct wr_owner *owner, const void *map_key)
{
    bool  is_new = false;
    void *item   = NULL;
    struct item_key key = view_map_key(view, owner, map_key);
    (void)wr_view_close_element(view);
    item                = wr_table_resolve(view->items, key.hash, key.bytes, key.length, &is_new);
    if (item != NULL && is_new) {
        const uint64_t index = wr_view_count(view, owner);
        memcpy(item, &index, sizeof(index));
        if (!map_add_order(view, owner, map_key, index)) {
            return NULL;
        }
        key = view_map_key(view, owner, map_key); // its bytes were overwritten
    }
    return view_hand_out(view, &key, item);
}

const void *wr_map_key_at(struct wr_view *view, const struct wr_owner *owner, uint32_t index)
{
    const struct item_key key = view_index_key(view, owner, index);
    return wr_table_find(view->order, key.hash, key.bytes, key.length);
}

// The last entry in order takes the removed one's place.
static bool map_move_last(struct wr_view *view, const struct wr_owner *owner, uint64_t last, uint64_t to)
{
    const struct item_key from = view_index_key(view, owner, last);
    const bool is_ok = view_copy_value(view->order, &view->key_strings, view->map_codec.type->size, &from,
                                       view, owner, to);
    const struct item_key moved = view_map_key(view, owner, wr_map_key_at(view, owner, (uint32_t)to));
    void *item = wr_table_find(view->items, moved.hash, moved.bytes, moved.length);
    WR_ASSERT(item != NULL);
    memcpy(item, &to, sizeof(to));
    return is_ok;
}

bool wr_map_remove(struct wr_view *view, const struct wr_owner *owner, const void *map_key)
{
    uint64_t index;
    const struct item_key key = view_map_key(view, owner, map_key);
    (void)wr_view_close_element(view);
    const void           *item = wr_table_find(view->items, key.hash, key.bytes, key.length);
    if (item == NULL) {
        return false;
    }
    memcpy(&index, item, sizeof(index));
    (void)wr_table_erase(view->items, key.hash, key.bytes, key.length);
    const uint64_t last = (uint64_t)wr_view_count(view, owner) - 1;
    if (index != last) {
        (void)map_move_last(view, owner, last, index);
    }
    const struct item_key entry = view_index_key(view, owner, last);
    (void)wr_table_erase(view->order, entry.hash, entry.bytes, entry.length);
    (void)view_set_count(view, owner, last);
    return true;
}
