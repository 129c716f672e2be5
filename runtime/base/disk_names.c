#include "runtime/base/disk_names.h"

#include "runtime/base/disk.h"

// ---- slots and nodes ----

static struct wr_disk_slot slot_copy(struct wr_disk_slot slot)
{
    return (struct wr_disk_slot){ slot.directory, wr_copy_text(slot.name) };
}

static bool slot_is(struct wr_disk_slot a, struct wr_disk_slot b)
{
    return a.directory != 0 && a.directory == b.directory && strcmp(a.name, b.name) == 0;
}

static bool node_is(struct wr_disk_node a, struct wr_disk_node b)
{
    return a.file == b.file && a.directory == b.directory;
}

static struct wr_disk_node node_hold(struct wr_disk_node node)
{
    if (node.file != NULL) {
        wr_disk_file_hold(node.file);
    }
    return node;
}

static void node_release(struct wr_disk_node node)
{
    if (node.file != NULL) {
        wr_disk_file_release(node.file);
    }
}

// ---- links ----

static struct wr_disk_link *link_at(const struct wr_disk_names *names, struct wr_disk_slot slot)
{
    for (uint32_t i = 0; i < names->link_count; i++) {
        if (slot_is(names->links[i].slot, slot)) {
            return &names->links[i];
        }
    }
    return NULL;
}

static void link_remove(struct wr_disk_names *names, struct wr_disk_link *link)
{
    wr_free(link->slot.name);
    node_release(link->node);
    *link = names->links[--names->link_count];
}

static void link_put(struct wr_disk_names *names, struct wr_disk_slot slot,
                     struct wr_disk_node node)
{
    names->links = wr_realloc(names->links, (names->link_count + 1) * sizeof(struct wr_disk_link));
    names->links[names->link_count++] = (struct wr_disk_link){ slot_copy(slot), node_hold(node) };
}

// Whether nothing is at the change's target but what it replaced when it was made.
static bool target_gives_way(const struct wr_disk_names *names, const struct wr_disk_change *change)
{
    const struct wr_disk_link *there = link_at(names, change->to);
    return there == NULL || node_is(there->node, change->replaced);
}

// Whether the change can be made on the links as they are.
static bool change_is_possible(const struct wr_disk_names  *names,
                               const struct wr_disk_change *change)
{
    const struct wr_disk_link *source   = link_at(names, change->from);
    const bool                 is_there = source != NULL && node_is(source->node, change->node);
    return (change->from.directory == 0 || is_there) && target_gives_way(names, change);
}

static void change_apply(struct wr_disk_names *names, const struct wr_disk_change *change)
{
    if (!change_is_possible(names, change)) {
        return;
    }
    if (change->from.directory != 0) {
        link_remove(names, link_at(names, change->from));
    }
    struct wr_disk_link *replaced = link_at(names, change->to);
    if (replaced != NULL) {
        link_remove(names, replaced);
    }
    if (change->to.directory != 0) {
        link_put(names, change->to, change->node);
    }
}

// ---- changes ----

static void change_fini(struct wr_disk_change *change)
{
    wr_free(change->from.name);
    wr_free(change->to.name);
    node_release(change->node);
    node_release(change->replaced);
}

void wr_disk_names_fini(struct wr_disk_names *names)
{
    while (names->link_count > 0) {
        link_remove(names, &names->links[0]);
    }
    for (uint32_t i = 0; i < names->change_count; i++) {
        change_fini(&names->changes[i]);
    }
    wr_free(names->links);
    wr_free(names->changes);
    *names = (struct wr_disk_names){ .links = NULL };
}

void wr_disk_names_change(struct wr_disk_names *names, struct wr_disk_change made)
{
    const struct wr_disk_change change = { .from           = slot_copy(made.from),
                                           .to             = slot_copy(made.to),
                                           .node           = node_hold(made.node),
                                           .replaced       = node_hold(made.replaced),
                                           .from_is_synced = made.from.directory == 0,
                                           .to_is_synced   = made.to.directory == 0 };
    names->changes =
        wr_realloc(names->changes, (names->change_count + 1) * sizeof(struct wr_disk_change));
    names->changes[names->change_count++] = change;
}

static bool change_is_sure(const struct wr_disk_change *change)
{
    return change->from_is_synced && change->to_is_synced && !change->is_lost;
}

static void change_make_sure(struct wr_disk_change *change)
{
    change->from_is_synced = true;
    change->to_is_synced   = true;
    change->is_lost        = false;
}

// Whether the two are of one node or one name.
static bool changes_touch(const struct wr_disk_change *a, const struct wr_disk_change *b)
{
    return node_is(a->node, b->node) || slot_is(a->from, b->from) || slot_is(a->from, b->to) ||
           slot_is(a->to, b->from) || slot_is(a->to, b->to);
}

// Makes those sure that a later sure one was made on; then the sure ones become links.
static void changes_settle(struct wr_disk_names *names)
{
    for (uint32_t i = names->change_count; i-- > 0;) {
        for (uint32_t j = 0; change_is_sure(&names->changes[i]) && j < i; j++) {
            if (changes_touch(&names->changes[i], &names->changes[j])) {
                change_make_sure(&names->changes[j]);
            }
        }
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < names->change_count; i++) {
        if (change_is_sure(&names->changes[i])) {
            change_apply(names, &names->changes[i]);
            change_fini(&names->changes[i]);
        } else {
            names->changes[kept++] = names->changes[i];
        }
    }
    names->change_count = kept;
}

void wr_disk_names_sync(struct wr_disk_names *names, uint64_t directory, bool is_failing)
{
    for (uint32_t i = 0; i < names->change_count; i++) {
        struct wr_disk_change *change = &names->changes[i];
        const bool             is_here =
            change->from.directory == directory || change->to.directory == directory;
        change->is_lost |= is_here && is_failing;
        change->from_is_synced |= change->from.directory == directory && !change->is_lost;
        change->to_is_synced |= change->to.directory == directory && !change->is_lost;
    }
    changes_settle(names);
}

void wr_disk_names_keep(struct wr_disk_names *names)
{
    WR_ASSERT(names->change_count > 0);
    change_make_sure(&names->changes[names->change_count - 1]);
    changes_settle(names);
}

void wr_disk_names_crash(struct wr_disk_names *names, uint64_t *random)
{
    for (uint32_t i = 0; i < names->change_count; i++) {
        const bool is_lucky = wr_draw(random) % 2 == 0;
        if (is_lucky && !names->changes[i].is_lost) {
            change_apply(names, &names->changes[i]);
        }
        change_fini(&names->changes[i]);
    }
    names->change_count = 0;
}
