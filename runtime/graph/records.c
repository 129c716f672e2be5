// The types of the records that the runtime itself sends.
#include <weir/job.h>

static const weir_field dead_letter_fields[] = { WEIR_FOR_EACH_(
    WEIR_FIELD_, weir_dead_letter, partition, line, reason, bytes, text) };
static const weir_field line_fields[] = { WEIR_FOR_EACH_(WEIR_FIELD_, weir_line, partition, line,
                                                         text) };

const weir_type weir_dead_letter_type = { "weir_dead_letter", dead_letter_fields, 5,
                                          sizeof(weir_dead_letter), _Alignof(weir_dead_letter) };
const weir_type weir_line_type        = { "weir_line", line_fields, 3, sizeof(weir_line),
                                          _Alignof(weir_line) };
