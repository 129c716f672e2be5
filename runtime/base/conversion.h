// How rows of one type become rows of another, field by field. By its name, or by one it formerly
// had:
//
//   stored              read as
//   integer             an integer that holds all its values; f64 if it has up to 32 bits
//   time                time, i64; and i64 as time
//   f32                 f32, f64
//   bool                bool, any integer: 0 or 1
//   char[n]             char[m], m >= n; weir_str, up to the zeros it is padded with
//   weir_str, f64       itself only
//   record              record, field by field
//   fixed array         element by element, same count
//   not read            is passed over
//   not stored          is zero
//
// Anything else is refused, naming the field; so are two fields that would both be the same stored
// one.
//
// Used for what is read of a topic's earlier versions and of a checkpoint's tables. A conversion
// may be run by any number of threads at once.
#ifndef WR_CONVERSION_H
#define WR_CONVERSION_H

#include "runtime/base/type.h"

// What lies between the fields of stored rows.
enum wr_gaps { WR_GAPS_ZERO, WR_GAPS_ANY };

// How rows of `from` become rows of `to`, both of sound fields (aligned, within their record).
// NULL: they cannot; *error (wr_alloc'ed) names the field. The types are not needed any more
// afterwards.
struct wr_conversion *wr_conversion_open(const weir_type *from, const weir_type *to,
                                         enum wr_gaps gaps, char **error);
void                  wr_conversion_close(struct wr_conversion *conversion); // NULL is fine
// True if a row is what it was: nothing to convert. It may have gained fields, but only where zeros
// are known to lie.
bool wr_conversion_is_identity(const struct wr_conversion *conversion);
// `count` rows, not overlapping. Long strings still point where they pointed; a char[n] longer than
// 12 bytes that becomes a weir_str points into `from`.
void wr_conversion_run(const struct wr_conversion *conversion, const void *from, void *to,
                       size_t count);

#endif // WR_CONVERSION_H
