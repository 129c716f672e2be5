// Lists and maps of a key; see views.h.
#include "operators/views.h"

uint64_t wr_view_hash(uint64_t owner_hash, uint64_t item)
{
    const uint64_t range = owner_hash & UINT64_C(0xffff000000000000);
    return range | (wr_mix64(item, owner_hash) >> 16);
}

// What a head, an item of a map, and the key of another item begin with.
typedef struct view_count {
    uint64_t count;
} view_count;
typedef struct view_index {
    uint64_t index;
} view_index;
WEIR_RECORD(view_count, count);
WEIR_RECORD(view_index, index);

// A head begins with its count; then the list's first element, or the map's first key.
enum { HEAD_ENTRY_AT = sizeof(uint64_t) };

static uint32_t head_bytes(const struct wr_view *view)
{
    return (uint32_t)wr_round_up(view->head_value_at + view->value_size, 8);
}

// ---- init and fini ----

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

// Each under the view's name and the table's.
static void view_keep(struct wr_view *view, struct wr_node *node, uint32_t i, const char *view_name,
                      const char *table_name, struct wr_table *table,
                      const struct wr_table_shape *shape)
{
    view->kept_names[i] = wr_format("%s %s", view_name, table_name);
    wr_node_keep_table(node, view->kept_names[i], table, shape);
}

void wr_view_init_list(struct wr_view *view, const weir_list_view *declared, struct wr_node *node)
{
    *view               = (struct wr_view){ .declared = declared };
    view->value_size    = declared->element->size;
    view->head_value_at = HEAD_ENTRY_AT;
    view->value_strings = wr_strings_of(declared->element);
    wr_strings_add(&view->head_strings, &view->value_strings, view->head_value_at);
    wr_strings_add(&view->item_strings, &view->value_strings, 0);
    view->heads = view_open_table(node, head_bytes(view), &view->head_strings);
    view->items = view_open_table(node, view->value_size, &view->item_strings);

    const struct wr_table_shape head = {
        .key   = node->spec->key->key,
        .parts = { { "element", declared->element, view->head_value_at } },
        .own   = { { "-", &view_count_type, 0 } },
    };
    const struct wr_table_shape item = {
        .parts   = { { "element", declared->element, 0 } },
        .own_key = { { "-", &view_index_type, 0 }, { "owner", node->spec->key->key, 0 } },
    };
    view_keep(view, node, 0, declared->name, "heads", view->heads, &head);
    view_keep(view, node, 1, declared->name, "items", view->items, &item);
}

void wr_view_init_map(struct wr_view *view, const weir_map_view *declared, struct wr_node *node)
{
    const uint32_t key_size = declared->key->size;
    *view                   = (struct wr_view){ .declared = declared, .is_map = true };
    view->value_size        = declared->value->size;
    view->head_value_at     = (uint32_t)wr_round_up(HEAD_ENTRY_AT + key_size, 8);
    view->item_value_at     = sizeof(uint64_t); // the item's index comes first
    view->value_strings     = wr_strings_of(declared->value);
    view->map_codec         = wr_key_codec_of(declared->key);
    view->compares_bytes =
        view->map_codec.strings.count == 0 && !wr_type_has_padding(declared->key);
    view->new_key = wr_alloc(key_size);
    wr_strings_add(&view->head_strings, &view->map_codec.strings, HEAD_ENTRY_AT);
    wr_strings_add(&view->head_strings, &view->value_strings, view->head_value_at);
    wr_strings_add(&view->item_strings, &view->value_strings, view->item_value_at);
    view->heads = view_open_table(node, head_bytes(view), &view->head_strings);
    view->items =
        view_open_table(node, view->item_value_at + view->value_size, &view->item_strings);
    view->order = view_open_table(node, key_size, &view->map_codec.strings);

    const struct wr_table_shape head = {
        .key   = node->spec->key->key,
        .parts = { { "key", declared->key, HEAD_ENTRY_AT },
                   { "value", declared->value, view->head_value_at } },
        .own   = { { "-", &view_count_type, 0 } },
    };
    const struct wr_table_shape item = {
        .parts   = { { "value", declared->value, view->item_value_at } },
        .own_key = { { "key", declared->key, 0 }, { "owner", node->spec->key->key, 0 } },
        .own     = { { "-", &view_index_type, 0 } },
    };
    const struct wr_table_shape order = {
        .parts   = { { "key", declared->key, 0 } },
        .own_key = { { "-", &view_index_type, 0 }, { "owner", node->spec->key->key, 0 } },
    };
    view_keep(view, node, 0, declared->name, "heads", view->heads, &head);
    view_keep(view, node, 1, declared->name, "items", view->items, &item);
    view_keep(view, node, 2, declared->name, "order", view->order, &order);
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
    }
    wr_strings_fini(&view->value_strings);
    wr_strings_fini(&view->head_strings);
    wr_strings_fini(&view->item_strings);
    wr_free(view->open_key);
    wr_free(view->new_key);
    wr_free(view->composite);
    for (uint32_t i = 0; i < WR_COUNT_OF(view->kept_names); i++) {
        wr_free(view->kept_names[i]);
    }
}

// ---- keys of items ----

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

static struct item_key view_index_key(struct wr_view *view, const struct wr_owner *owner,
                                      uint64_t index)
{
    char *bytes = view_composite(view, sizeof(index) + owner->length);
    memcpy(bytes, &index, sizeof(index));
    memcpy(bytes + sizeof(index), owner->key, owner->length);
    return (struct item_key){ wr_view_hash(owner->hash, index), bytes,
                              (uint32_t)sizeof(index) + owner->length };
}

static struct item_key view_map_key(struct wr_view *view, const struct wr_owner *owner,
                                    const void *key)
{
    const bool   is_encoded = view->map_codec.kind == WR_KEY_BYTES;
    const size_t key_bytes =
        is_encoded ? wr_key_encoded_bytes(&view->map_codec, key) : view->map_codec.type->size;
    const uint32_t length = (uint32_t)(key_bytes + owner->length);
    char          *bytes  = view_composite(view, length);
    if (is_encoded) {
        (void)wr_key_encode(&view->map_codec, key, bytes);
    } else {
        memcpy(bytes, key, key_bytes);
    }
    memcpy(bytes + key_bytes, owner->key, owner->length);
    return (struct item_key){
        wr_view_hash(owner->hash, wr_hash_bytes(bytes, key_bytes, owner->hash)), bytes, length
    };
}

static bool strings_are_equal(const weir_str *a, const weir_str *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (a[i].length != b[i].length ||
            memcmp(weir_str_bytes(&a[i]), weir_str_bytes(&b[i]), a[i].length) != 0) {
            return false;
        }
    }
    return true;
}

// Whether two records have the same encoding.
static bool records_are_equal(const weir_type *type, const char *a, const char *b)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const weir_field *field = &type->fields[i];
        const void       *at_a  = a + field->offset;
        const void       *at_b  = b + field->offset;
        const bool        is_equal =
            field->kind == WEIR_KIND_RECORD ? records_are_equal(field->record, at_a, at_b)
                   : field->kind == WEIR_KIND_STR  ? strings_are_equal(at_a, at_b, field->count)
                                                   : memcmp(at_a, at_b, field->size) == 0;
        if (!is_equal) {
            return false;
        }
    }
    return true;
}

// ---- heads ----

static struct wr_keys owner_column(const struct wr_owner *owner)
{
    return (struct wr_keys){ .bytes = &owner->key, .lengths = &owner->length };
}

// The owner's head, or NULL: nothing in it.
static inline char *view_head(struct wr_view *view, const struct wr_owner *owner)
{
    if (!view->head_is_known) {
        view->head          = wr_table_find(view->heads, owner->hash, owner->key, owner->length);
        view->head_is_known = true;
    }
    return view->head;
}

// A head for an owner that has none. NULL: out of budget.
static char *view_make_head(struct wr_view *view, const struct wr_owner *owner)
{
    const uint64_t count = 1;
    view->head = wr_table_resolve(view->heads, owner->hash, owner->key, owner->length, NULL);
    if (view->head == NULL) {
        view->is_out_of_budget = true;
        return NULL;
    }
    memcpy(view->head, &count, sizeof(count));
    return view->head;
}

static void view_keep_head(struct wr_view *view, const struct wr_owner *owner)
{
    const struct wr_keys column = owner_column(owner);
    void                *head   = view->head;
    if (!wr_table_keep_strings_many(view->heads, &owner->hash, &column, 1, &head)) {
        view->is_out_of_budget = true;
    }
    view->head = head;
}

static void view_set_count(struct wr_view *view, const struct wr_owner *owner, uint64_t count)
{
    if (count > 0) {
        memcpy(view->head, &count, sizeof(count));
        return;
    }
    wr_table_erase_at(view->heads, owner->hash, view->head);
    view->head = NULL;
}

static uint64_t head_count(const char *head)
{
    uint64_t count = 0;
    if (head != NULL) {
        memcpy(&count, head, sizeof(count));
    }
    return count;
}

uint32_t wr_view_count(struct wr_view *view, const struct wr_owner *owner)
{
    return (uint32_t)head_count(view_head(view, owner));
}

// ---- the open element ----

// May move the head and all items.
static void view_close_element(struct wr_view *view, const struct wr_owner *owner)
{
    if (view->open == NULL) {
        return;
    }
    void *item = view->open - view->item_value_at;
    view->open = NULL;
    if (view->opened_first) {
        view_keep_head(view, owner);
        return;
    }
    const char          *key    = view->open_key;
    const struct wr_keys column = { .bytes = &key, .lengths = &view->open_length };
    if (!wr_table_keep_strings_many(view->items, &view->open_hash, &column, 1, &item)) {
        view->is_out_of_budget = true;
    }
}

bool wr_view_leave(struct wr_view *view, const struct wr_owner *owner)
{
    view_close_element(view, owner);
    view->head_is_known = false;
    return !view->is_out_of_budget;
}

// Both remember what is handed out, if strings may be written into it.

static void *view_hand_out_first(struct wr_view *view)
{
    char *value = view->head + view->head_value_at;
    if (view->value_strings.count > 0) {
        view->open         = value;
        view->opened_first = true;
    }
    return value;
}

static void *view_hand_out_item(struct wr_view *view, const struct item_key *key, char *item)
{
    if (item == NULL || view->value_strings.count == 0) {
        return item != NULL ? item + view->item_value_at : NULL;
    }
    if (key->length > view->open_capacity) {
        view->open_key      = wr_realloc(view->open_key, (size_t)key->length * 2);
        view->open_capacity = key->length * 2;
    }
    memcpy(view->open_key, key->bytes, key->length);
    view->open_length  = key->length;
    view->open_hash    = key->hash;
    view->open         = item + view->item_value_at;
    view->opened_first = false;
    return view->open;
}

// ---- items ----

// Finds or makes. NULL: out of budget.
static char *view_make_item(struct wr_view *view, struct wr_table *table,
                            const struct item_key *key, bool *is_new)
{
    char *item = wr_table_resolve(table, key->hash, key->bytes, key->length, is_new);
    if (item == NULL) {
        view->is_out_of_budget = true;
    }
    return item;
}

static char *view_find_by_index(struct wr_view *view, const struct wr_owner *owner,
                                struct wr_table *table, uint64_t index, uint64_t *hash)
{
    const struct item_key key = view_index_key(view, owner, index);
    *hash                     = key.hash;
    return wr_table_find(table, key.hash, key.bytes, key.length);
}

static void view_erase_by_index(struct wr_view *view, const struct wr_owner *owner,
                                struct wr_table *table, uint64_t index)
{
    const struct item_key key = view_index_key(view, owner, index);
    (void)wr_table_erase(table, key.hash, key.bytes, key.length);
}

// Copies an entry's value over another's, both by index: first aside, since making strings one's
// own may move both.
static void view_copy_entry(struct wr_view *view, const struct wr_owner *owner,
                            struct wr_table *table, const struct wr_strings *strings, uint32_t size,
                            uint64_t from, uint64_t to)
{
    uint64_t              hash;
    const void           *source = view_find_by_index(view, owner, table, from, &hash);
    const struct item_key key    = view_index_key(view, owner, to);
    void                 *target = wr_table_find(table, key.hash, key.bytes, key.length);
    WR_ASSERT(target != NULL);
    const size_t long_bytes = wr_strings_long_bytes(strings, source);
    char        *aside      = wr_alloc(size + long_bytes);
    memcpy(aside, source, size);
    (void)wr_strings_move(strings, aside, aside + size);
    memcpy(target, aside, size);
    const struct wr_keys column = { .bytes = &key.bytes, .lengths = &key.length };
    if (!wr_table_keep_strings_many(table, &key.hash, &column, 1, &target)) {
        view->is_out_of_budget = true;
    }
    wr_free(aside);
}

// ---- lists ----

void *wr_list_at(struct wr_view *view, const struct wr_owner *owner, uint32_t index)
{
    view_close_element(view, owner);
    if (index >= wr_view_count(view, owner)) {
        return NULL;
    }
    if (index == 0) {
        return view_hand_out_first(view);
    }
    const struct item_key key = view_index_key(view, owner, index);
    return view_hand_out_item(view, &key,
                              wr_table_find(view->items, key.hash, key.bytes, key.length));
}

void *wr_list_add(struct wr_view *view, const struct wr_owner *owner)
{
    view_close_element(view, owner);
    const uint64_t index = wr_view_count(view, owner);
    if (index == 0) {
        return view_make_head(view, owner) != NULL ? view_hand_out_first(view) : NULL;
    }
    bool                  is_new = false;
    const struct item_key key    = view_index_key(view, owner, index);
    char                 *item   = view_make_item(view, view->items, &key, &is_new);
    if (item == NULL) {
        return NULL;
    }
    WR_ASSERT(is_new);
    view_set_count(view, owner, index + 1);
    return view_hand_out_item(view, &key, item);
}

bool wr_list_remove(struct wr_view *view, const struct wr_owner *owner, uint32_t index)
{
    view_close_element(view, owner);
    const uint64_t count = wr_view_count(view, owner);
    WR_ASSERT(index < count);
    const uint64_t last = count - 1;
    if (last > 0 && index == 0) {
        uint64_t hash;
        char    *item = view_find_by_index(view, owner, view->items, last, &hash);
        memcpy(view->head + view->head_value_at, item, view->value_size);
        view_keep_head(view, owner);
        wr_table_erase_at(view->items, hash, item);
    } else if (last > 0) {
        if (index < last) {
            view_copy_entry(view, owner, view->items, &view->item_strings, view->value_size, last,
                            index);
        }
        view_erase_by_index(view, owner, view->items, last);
    }
    view_set_count(view, owner, last);
    return !view->is_out_of_budget;
}

void wr_list_clear(struct wr_view *view, const struct wr_owner *owner)
{
    view_close_element(view, owner);
    const uint64_t count = wr_view_count(view, owner);
    for (uint64_t i = count; i-- > 1;) {
        view_erase_by_index(view, owner, view->items, i);
    }
    if (count > 0) {
        view_set_count(view, owner, 0);
    }
}

// ---- maps ----
//
// A key that is given may lie in the view: it is looked at before the open element is closed.

static bool map_is_first(const struct wr_view *view, const char *head, const void *map_key)
{
    if (head == NULL) {
        return false;
    }
    const char *first = head + HEAD_ENTRY_AT;
    return view->compares_bytes ? memcmp(first, map_key, view->map_codec.type->size) == 0
                                : records_are_equal(view->map_codec.type, first, map_key);
}

void *wr_map_find(struct wr_view *view, const struct wr_owner *owner, const void *map_key)
{
    const char *head = view_head(view, owner);
    if (map_is_first(view, head, map_key)) {
        view_close_element(view, owner);
        return view_hand_out_first(view);
    }
    if (head_count(head) < 2) {
        view_close_element(view, owner);
        return NULL;
    }
    const struct item_key key = view_map_key(view, owner, map_key);
    view_close_element(view, owner);
    return view_hand_out_item(view, &key,
                              wr_table_find(view->items, key.hash, key.bytes, key.length));
}

static void *map_put_first(struct wr_view *view, const struct wr_owner *owner, const void *map_key)
{
    if (view_make_head(view, owner) == NULL) {
        return NULL;
    }
    memcpy(view->head + HEAD_ENTRY_AT, map_key, view->map_codec.type->size);
    if (view->map_codec.strings.count > 0) {
        view_keep_head(view, owner);
    }
    return view_hand_out_first(view);
}

// Notes the map key under the new entry's index, so that entries can be walked.
static bool map_add_order(struct wr_view *view, const struct wr_owner *owner, const void *map_key,
                          uint64_t index)
{
    bool                  is_new;
    const struct item_key key   = view_index_key(view, owner, index);
    void                 *entry = view_make_item(view, view->order, &key, &is_new);
    if (entry == NULL) {
        return false;
    }
    memcpy(entry, map_key, view->map_codec.type->size);
    const struct wr_keys column = { .bytes = &key.bytes, .lengths = &key.length };
    if (!wr_table_keep_strings_many(view->order, &key.hash, &column, 1, &entry)) {
        view->is_out_of_budget = true;
        return false;
    }
    view_set_count(view, owner, index + 1);
    return true;
}

void *wr_map_put(struct wr_view *view, const struct wr_owner *owner, const void *map_key)
{
    const char *head = view_head(view, owner);
    if (head == NULL) {
        return map_put_first(view, owner, map_key);
    }
    if (map_is_first(view, head, map_key)) {
        view_close_element(view, owner);
        return view_hand_out_first(view);
    }
    bool                  is_new = false;
    const struct item_key key    = view_map_key(view, owner, map_key);
    memcpy(view->new_key, map_key, view->map_codec.type->size);
    view_close_element(view, owner);
    char *item  = view_make_item(view, view->items, &key, &is_new);
    void *value = view_hand_out_item(view, &key, item);
    if (item != NULL && is_new) {
        const uint64_t index = wr_view_count(view, owner);
        memcpy(item, &index, sizeof(index));
        return map_add_order(view, owner, view->new_key, index) ? value : NULL;
    }
    return value;
}

const void *wr_map_key_at(struct wr_view *view, const struct wr_owner *owner, uint32_t index)
{
    uint64_t    hash;
    const char *head = view_head(view, owner);
    if (index >= head_count(head)) {
        return NULL;
    }
    return index == 0 ? head + HEAD_ENTRY_AT
                      : view_find_by_index(view, owner, view->order, index, &hash);
}

// Moves the last entry, which is not the first one, into the head.
static void map_move_last_to_head(struct wr_view *view, const struct wr_owner *owner, uint64_t last)
{
    uint64_t              order_hash;
    const char           *entry = view_find_by_index(view, owner, view->order, last, &order_hash);
    const struct item_key key   = view_map_key(view, owner, entry);
    const char           *item  = wr_table_find(view->items, key.hash, key.bytes, key.length);
    WR_ASSERT(item != NULL);
    memcpy(view->head + HEAD_ENTRY_AT, entry, view->map_codec.type->size);
    memcpy(view->head + view->head_value_at, item + view->item_value_at, view->value_size);
    view_keep_head(view, owner);
    wr_table_erase_at(view->items, key.hash, item);
    wr_table_erase_at(view->order, order_hash, entry);
}

// The last entry in order, which has an item, takes the place of a removed item.
static void map_move_last(struct wr_view *view, const struct wr_owner *owner, uint64_t last,
                          uint64_t to)
{
    uint64_t hash;
    view_copy_entry(view, owner, view->order, &view->map_codec.strings, view->map_codec.type->size,
                    last, to);
    const char           *entry = view_find_by_index(view, owner, view->order, to, &hash);
    const struct item_key moved = view_map_key(view, owner, entry);
    char                 *item  = wr_table_find(view->items, moved.hash, moved.bytes, moved.length);
    WR_ASSERT(item != NULL);
    memcpy(item, &to, sizeof(to));
}

static void map_remove_first(struct wr_view *view, const struct wr_owner *owner, uint64_t last)
{
    if (last > 0) {
        map_move_last_to_head(view, owner, last);
    }
    view_set_count(view, owner, last);
}

static bool map_remove_item(struct wr_view *view, const struct wr_owner *owner,
                            const struct item_key *key, uint64_t last)
{
    uint64_t    index;
    const char *item = wr_table_find(view->items, key->hash, key->bytes, key->length);
    if (item == NULL) {
        return false;
    }
    memcpy(&index, item, sizeof(index));
    wr_table_erase_at(view->items, key->hash, item);
    if (index != last) {
        map_move_last(view, owner, last, index);
    }
    view_erase_by_index(view, owner, view->order, last);
    view_set_count(view, owner, last);
    return true;
}

bool wr_map_remove(struct wr_view *view, const struct wr_owner *owner, const void *map_key)
{
    const char    *head  = view_head(view, owner);
    const uint64_t count = head_count(head);
    if (map_is_first(view, head, map_key)) {
        view_close_element(view, owner);
        map_remove_first(view, owner, count - 1);
        return true;
    }
    if (count < 2) {
        view_close_element(view, owner);
        return false;
    }
    const struct item_key key = view_map_key(view, owner, map_key);
    view_close_element(view, owner);
    return map_remove_item(view, owner, &key, count - 1);
}
