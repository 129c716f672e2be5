// views: lists and maps that belong to a key, for process functions. Each is a table of its own.
//
//   list   heads:   owner key              -> count
//          items:   index, owner key       -> element
//   map    heads:   owner key              -> count
//          items:   map key, owner key     -> index, value
//          order:   index, owner key       -> map key
//
// The hash of an item takes its top 16 bits from the owner's hash, so that it lies in the owner's key
// range, and the rest from a mix of owner and item, so that one key with many items spreads over
// segments like many keys would. Nothing is nested: capture, hand-over and expiry see tables only.
//
// One element of a view is open at a time: the last one handed out. Strings written into it are taken
// over when it is closed: before the next call on any view that can move memory, and at the end of
// the function.
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
    struct wr_table    *heads;
    struct wr_table    *items;
    struct wr_table    *order; // maps
    struct wr_strings   value_strings; // inside an item
    struct wr_strings   key_strings;   // maps: inside an order entry
    struct wr_key_codec map_codec;
    uint32_t            value_at; // offset of the user's value in an item
    uint32_t            value_size;
    void               *open;     // the element handed out last; NULL: none
    uint64_t            open_hash;
    char               *open_key;
    uint32_t            open_length, open_capacity;
    char               *composite; // scratch for an item's key
    size_t              composite_bytes;
};

// A range-keeping hash of an item of an owner.
uint64_t wr_view_hash(uint64_t owner_hash, uint64_t item);

void wr_view_init_list(struct wr_view *view, const weir_list_view *declared, struct wr_node *node);
void wr_view_init_map(struct wr_view *view, const weir_map_view *declared, struct wr_node *node);
void wr_view_fini(struct wr_view *view);
// Takes over the strings of the open element. False: out of budget.
bool wr_view_close_element(struct wr_view *view);

uint32_t wr_view_count(struct wr_view *view, const struct wr_owner *owner);
void    *wr_list_at(struct wr_view *view, const struct wr_owner *owner, uint32_t index);
void    *wr_list_add(struct wr_view *view, const struct wr_owner *owner);                    // NULL: out of budget
bool     wr_list_remove(struct wr_view *view, const struct wr_owner *owner, uint32_t index); // false: out of budget
void     wr_list_clear(struct wr_view *view, const struct wr_owner *owner);

void       *wr_map_find(struct wr_view *view, const struct wr_owner *owner, const void *key);
void       *wr_map_put(struct wr_view *view, const struct wr_owner *owner, const void *key);
bool        wr_map_remove(struct wr_view *view, const struct wr_owner *owner, const void *key);
const void *wr_map_key_at(struct wr_view *view, const struct wr_owner *owner, uint32_t index);

#endif // WR_VIEWS_H
