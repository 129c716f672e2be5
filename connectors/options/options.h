// options: what the verbs of all connectors do with their options: check them, with a sentence for
// each mistake, and copy them.
#ifndef WR_CONNECTOR_OPTIONS_H
#define WR_CONNECTOR_OPTIONS_H

#include "runtime/connector.h"

// Whether `time` can be used with records of `type`; refuses the job if not. `name` is the
// source's.
bool wr_options_check_time(weir_job *job, const char *name, const weir_type *type,
                           const weir_event_time_options *time);

// A copy with its own strings; wr_options_free_time frees these.
weir_event_time_options wr_options_copy_time(const weir_event_time_options *time);
void                    wr_options_free_time(weir_event_time_options *time);

// The name in `names` that was most likely meant by `wrong`, or NULL if none is near.
const char *wr_options_nearest(const char *wrong, const weir_type *type);

// The last part of a path; "stdin" or "stdout", as `standard` says, for "-". Borrowed.
const char *wr_options_path_name(const char *path, const char *standard);

#endif // WR_CONNECTOR_OPTIONS_H
