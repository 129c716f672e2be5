// Walking records by their weir_type: strings, keys, equality. What the operators' bindings leave
// to the library because it depends on a record's shape only.
#ifndef WR_TYPE_H
#define WR_TYPE_H

#include "runtime/base/base.h"
#include <weir/record.h>

// Bytes of one element of a known kind; 0: the field says.
uint32_t wr_kind_bytes(weir_kind kind);

// Whether the name is one that the field formerly had.
bool wr_field_was_named(const weir_field *field, const char *name);
// What `field` is in a type that was stored: the field of its name, else one of a name that it
// formerly had. NULL: it was not stored.
const weir_field *wr_field_before(const weir_type *stored, const weir_field *field);

// Where a type's strings are: offsets of all weir_str fields, nested records included.
struct wr_strings {
    uint32_t *offsets;
    uint32_t  count;
};

struct wr_strings wr_strings_of(const weir_type *type); // wr_strings_fini frees it
void              wr_strings_fini(struct wr_strings *strings);
// Adds those of a type that stands `at` bytes into a larger value.
void wr_strings_add(struct wr_strings *strings, const struct wr_strings *inner, uint32_t at);

// The bytes that `row`'s long strings hold outside of it.
size_t wr_strings_long_bytes(const struct wr_strings *strings, const void *row);
// Copies `row`'s long strings to `to`, one after the other, and points the row at the copies.
// Returns the bytes used: wr_strings_long_bytes.
size_t wr_strings_move(const struct wr_strings *strings, void *row, char *to);

// How a key struct becomes the bytes a table compares. A key without strings of 4, 8 or 16 bytes is
// itself; one of up to 16 bytes is padded with zeros; anything else is encoded: fixed parts one
// after the other, each string as its length (4 bytes) and its bytes.
enum wr_key_kind { WR_KEY_4, WR_KEY_8, WR_KEY_16, WR_KEY_BYTES };

struct wr_key_codec {
    const weir_type  *type;
    enum wr_key_kind  kind;
    struct wr_strings strings;
};

struct wr_key_codec wr_key_codec_of(const weir_type *type);
void                wr_key_codec_fini(struct wr_key_codec *codec);
// WR_KEY_BYTES only: bytes needed, the encoding, and back. Decoded strings point into `bytes`.
size_t wr_key_encoded_bytes(const struct wr_key_codec *codec, const void *key);
size_t wr_key_encode(const struct wr_key_codec *codec, const void *key, char *bytes);
void   wr_key_decode(const struct wr_key_codec *codec, const char *bytes, size_t length, void *key);

// hashes[i] of keys[i] (an array of key structs), with the job's seed. Equal keys have equal
// hashes: a padded byte counts as a key's only if the type has no padding (see
// wr_type_has_padding).
void wr_key_hash_many(const struct wr_key_codec *codec, const void *keys, uint32_t count,
                      uint64_t seed, uint64_t *hashes);
bool wr_type_has_padding(const weir_type *type);

#endif // WR_TYPE_H
