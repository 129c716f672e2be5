// topic_file: what DIR/topics/NAME/topic says; the format is in catalog.h.
#ifndef WR_LOG_TOPIC_FILE_H
#define WR_LOG_TOPIC_FILE_H

#include "log/log.h"

// The file's text (wr_alloc'ed) for these settings and the versions of the topic's type.
char *wr_topic_text(const struct wr_log_id *id, const weir_topic *settings,
                    const weir_type *const *schemas, uint32_t schema_count);
// Fills id, settings, schemas and text (a copy) of a zeroed topic; wr_topic_text_fini frees them.
// On failure nothing is left to be freed.
weir_status wr_topic_parse(const char *path, const char *text, struct wr_topic *topic,
                           struct wr_log_error *error);
void        wr_topic_text_fini(struct wr_topic *topic);

// ---- topic.c, for the makers of topics: under the catalog lock ----

// wr_catalog_topic under the lock, of a name that is one.
struct wr_topic *wr_catalog_find_topic(weir_log *log, const char *name, struct wr_log_error *error);
// An open topic becomes what a newer reading of its file says; `newer` is freed.
void wr_topic_take(struct wr_topic *topic, struct wr_topic *newer);
void wr_topic_free(struct wr_topic *topic);

#endif // WR_LOG_TOPIC_FILE_H
