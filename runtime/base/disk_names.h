// names: which names the directories of a disk in memory hold for sure, and the changes of them
// that a crash may lose.
//
//   node     what a name leads to: a file, or a directory of this number
//   link     a name in a directory that no crash loses
//   change   a name added, removed or moved (at once: a crash leaves one of its two names), and not
//            yet synced with its directory; one between two directories needs both of them synced
//
//   links, and of the changes in their order those that are sure or lucky  =  names after a crash
//
// A change that a crash spares needs what it was made on: a file whose first name is lost is lost
// under its later names too. So a change that becomes sure takes with it all earlier ones of the
// same node or the same name.
//
// What a directory holds depends on its number, not on where it is: a directory that is lost takes
// along what was synced in it.
//
// Thread rule: one thread.
#ifndef WR_DISK_NAMES_H
#define WR_DISK_NAMES_H

#include "runtime/base/base.h"

#define WR_DISK_ROOT 1u // the number of the root directory

struct wr_disk_file;

struct wr_disk_node {
    struct wr_disk_file *file; // held; NULL: a directory
    uint64_t             directory;
};

struct wr_disk_slot {
    uint64_t directory; // 0: none
    char    *name;
};

struct wr_disk_link {
    struct wr_disk_slot slot;
    struct wr_disk_node node;
};

struct wr_disk_change {
    struct wr_disk_slot from; // none: the name is new
    struct wr_disk_slot to;   // none: the name goes
    struct wr_disk_node node;
    struct wr_disk_node replaced; // what was at `to`; none: no file, and directory 0
    bool                from_is_synced;
    bool                to_is_synced;
    bool                is_lost; // a sync failed: its page counts as clean, and was not written
};

struct wr_disk_names {
    struct wr_disk_link   *links;
    uint32_t               link_count;
    struct wr_disk_change *changes; // in the order they were made
    uint32_t               change_count;
};

void wr_disk_names_fini(struct wr_disk_names *names);

// Notes a change, of which `from`, `to`, `node` and `replaced` are set; all is copied or held.
void wr_disk_names_change(struct wr_disk_names *names, struct wr_disk_change made);
// Makes the changes in this directory sure; with `is_failing` they are lost instead.
void wr_disk_names_sync(struct wr_disk_names *names, uint64_t directory, bool is_failing);
// Makes the change noted last sure.
void wr_disk_names_keep(struct wr_disk_names *names);
// Leaves of each change that is not sure what `random`, a sequence of wr_draw, says.
void wr_disk_names_crash(struct wr_disk_names *names, uint64_t *random);

#endif // WR_DISK_NAMES_H
