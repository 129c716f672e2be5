// views: lists and maps that belong to a key, for process functions. Each is a table of its own.
//
//   list   heads:   owner key              -> count, element 0
//          items:   index, owner key       -> element                 index >= 1
//   map    heads:   owner key              -> count, map key 0, value 0
//          items:   map key, owner key     -> index, value            index >= 1
//          order:   index, owner key       -> map key                 index >= 1
//
// Most lists and maps have one entry: it lies in the head, so that such a view costs one lookup. A
// head is there exactly while the count is not 0. The hash of an item takes its top 16 bits from
// the owner's hash, so that it lies in the owner's key range, and the rest from a mix of owner and
// item, so that one key with many items spreads over segments like many keys would. Nothing is
// nested: capture, hand-over and expiry see tables only.
//
// A view serves one owner at a time: from the first call for it until wr_view_leave it knows where
// the owner's head is. One element of a view is open at a time: the last one handed out. Strings
// written into it are taken over when it is closed: before the next call on any view that can move
// memory, and in wr_view_leave.
#ifndef WR_VIEWS_H
#define WR_VIEWS_H

#include "operators/keyed.h"

// The key at hand.
struct wr_owner {
    uint64_t    hash;
    const char *key; // its bytes as tables compare them
    uint32_t    length;
};

struct wr_view {
    const void         *declared; // the weir_list_view or weir_map_view
    bool                is_map;
    bool                compares_bytes; // maps: equal keys have equal bytes
    bool                head_is_known;  // `head` is the head of the owner at hand, or NULL
    bool                opened_first;   // `open` lies in the head
    bool                is_out_of_budget;
    char               *head;
    char               *open; // the element handed out last; NULL: none, or it has no strings
    struct wr_table    *heads;
    struct wr_table    *items;
    struct wr_table    *order; // maps
    uint32_t            value_size;
    uint32_t            head_value_at; // offset of the user's value in a head
    uint32_t            item_value_at; // the same in an item
    struct wr_strings   value_strings; // inside a value
    struct wr_strings   head_strings;  // inside a head
    struct wr_strings   item_strings;  // inside an item
    struct wr_key_codec map_codec;     // maps; its strings are those inside an order entry
    char               *open_key;      // of an item
    uint64_t            open_hash;
    uint32_t            open_length, open_capacity;
    char               *new_key;   // scratch for the map key that is put
    char               *composite; // scratch for an item's key
    size_t              composite_bytes;
    char               *kept_names[3]; // of its tables
};

// A range-keeping hash of an item of an owner.
uint64_t wr_view_hash(uint64_t owner_hash, uint64_t item);

void wr_view_init_list(struct wr_view *view, const weir_list_view *declared, struct wr_node *node);
void wr_view_init_map(struct wr_view *view, const weir_map_view *declared, struct wr_node *node);
void wr_view_fini(struct wr_view *view);
// Takes over the strings of the open element; the next call may be for another owner. False: out of
// budget, now or in a call before.
bool wr_view_leave(struct wr_view *view, const struct wr_owner *owner);

uint32_t wr_view_count(struct wr_view *view, const struct wr_owner *owner);
void    *wr_list_at(struct wr_view *view, const struct wr_owner *owner, uint32_t index);
void    *wr_list_add(struct wr_view *view, const struct wr_owner *owner); // NULL: out of budget
bool     wr_list_remove(struct wr_view *view, const struct wr_owner *owner,
                        uint32_t index); // false: out of budget
void     wr_list_clear(struct wr_view *view, const struct wr_owner *owner);

void       *wr_map_find(struct wr_view *view, const struct wr_owner *owner, const void *key);
void       *wr_map_put(struct wr_view *view, const struct wr_owner *owner, const void *key);
bool        wr_map_remove(struct wr_view *view, const struct wr_owner *owner, const void *key);
const void *wr_map_key_at(struct wr_view *view, const struct wr_owner *owner, uint32_t index);

#endif // WR_VIEWS_H
