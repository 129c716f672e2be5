// verbs: those of `weir log`, each in the file of its name.
#ifndef WR_CLI_VERBS_H
#define WR_CLI_VERBS_H

#include "cli/log/command.h"

extern const struct wr_verb wr_verb_create, wr_verb_alter, wr_verb_append, wr_verb_read,
    wr_verb_tail, wr_verb_export, wr_verb_info, wr_verb_fsck, wr_verb_truncate, wr_verb_retain,
    wr_verb_compact, wr_verb_delete, wr_verb_consumers;

#endif // WR_CLI_VERBS_H
