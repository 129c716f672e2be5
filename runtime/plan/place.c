// Where workers run: one core each, filling the cores the process may use in the topology's order,
// so that neighbours share caches; the memory of a worker is bound to its core's node.
#include "runtime/plan/plan.h"

#include <hwloc.h>
#include <stdlib.h>

// Only cores, their processors and the memory nodes: reading caches, devices and distances as well
// takes four times as long, and a process should not start slowly for what it does not use.
static void topology_narrow(hwloc_topology_t topology)
{
    (void)hwloc_topology_set_all_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE);
    (void)hwloc_topology_set_type_filter(topology, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
#if HWLOC_API_VERSION >= 0x00020800
    (void)hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_NO_DISTANCES |
                                                 HWLOC_TOPOLOGY_FLAG_NO_MEMATTRS |
                                                 HWLOC_TOPOLOGY_FLAG_NO_CPUKINDS);
#endif
}

static hwloc_topology_t topology_open(void)
{
    hwloc_topology_t topology = NULL;
    if (hwloc_topology_init(&topology) != 0) {
        return NULL;
    }
    topology_narrow(topology);
    if (hwloc_topology_load(topology) != 0) {
        hwloc_topology_destroy(topology);
        return NULL;
    }
    return topology;
}

enum { CPUS_MAX = 4096 };

// The processors the process may use, in topological order: the first of each core before the
// second.
static uint32_t topology_list(hwloc_topology_t topology, hwloc_const_bitmap_t wanted, int32_t *cpus,
                              uint32_t capacity)
{
    uint32_t       count  = 0;
    hwloc_bitmap_t usable = hwloc_bitmap_dup(hwloc_topology_get_allowed_cpuset(topology));
    hwloc_bitmap_t bound  = hwloc_bitmap_alloc();
    if (hwloc_get_cpubind(topology, bound, HWLOC_CPUBIND_PROCESS) == 0) {
        hwloc_bitmap_and(usable, usable, bound);
    }
    if (wanted != NULL) {
        hwloc_bitmap_and(usable, usable, wanted);
    }
    const int core_count = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
    for (unsigned sibling = 0, is_more = 1; is_more != 0; sibling++) {
        is_more = 0;
        for (int c = 0; c < core_count; c++) {
            const hwloc_obj_t core = hwloc_get_obj_by_type(topology, HWLOC_OBJ_CORE, (unsigned)c);
            unsigned          seen = 0;
            int               cpu;
            hwloc_bitmap_foreach_begin(cpu, core->cpuset) // each processor of the core
                if (seen++ == sibling)
            {
                is_more = 1;
                if (hwloc_bitmap_isset(usable, (unsigned)cpu) && count < capacity) {
                    cpus[count++] = cpu;
                }
            }
            hwloc_bitmap_foreach_end();
        }
    }
    hwloc_bitmap_free(usable);
    hwloc_bitmap_free(bound);
    return count;
}

// Reads the list of cores the user gave; NULL and a mistake in the job if it is no list.
static hwloc_bitmap_t plan_wanted_cpus(struct wr_plan *plan)
{
    hwloc_bitmap_t wanted = hwloc_bitmap_alloc();
    if (hwloc_bitmap_list_sscanf(wanted, plan->options.cpus) != 0 || hwloc_bitmap_iszero(wanted)) {
        hwloc_bitmap_free(wanted);
        return NULL;
    }
    return wanted;
}

static bool plan_refuse_cpus(struct wr_plan *plan)
{
    wr_job_mistake(plan->job, WEIR_USAGE,
                   "cpus \"%s\" names no core this process may use; give a list such as 0,2-3",
                   plan->options.cpus);
    return false;
}

bool wr_plan_place(struct wr_plan *plan)
{
    weir_run_options *options = &plan->options;
    int32_t          *cpus    = wr_alloc(sizeof(*cpus) * CPUS_MAX);
    uint32_t          count   = 0;
    hwloc_bitmap_t    wanted  = NULL;

    if (options->cpus != NULL && (wanted = plan_wanted_cpus(plan)) == NULL) {
        wr_free(cpus);
        return plan_refuse_cpus(plan);
    }
    if (options->workers == 0 || wanted != NULL ||
        !(options->is_unpinned || options->is_simulated)) {
        plan->topology = topology_open();
        count = plan->topology != NULL ? topology_list(plan->topology, wanted, cpus, CPUS_MAX) : 0;
    }
    if (options->workers == 0) {
        options->workers = count > 0 ? count : 1;
    }
    plan->cpus = wr_alloc(sizeof(*plan->cpus) * options->workers);
    // More workers than cores share them: then the system places them better than we would.
    const bool is_pinned =
        !options->is_unpinned && !options->is_simulated && count >= options->workers;
    for (uint32_t i = 0; i < options->workers; i++) {
        plan->cpus[i] = is_pinned ? cpus[i] : -1;
    }
    wr_free(cpus);
    if (wanted != NULL) {
        hwloc_bitmap_free(wanted);
        return count > 0 || plan_refuse_cpus(plan);
    }
    return true;
}

void wr_plan_place_thread_any(const struct wr_plan *plan, uint32_t worker)
{
    hwloc_topology_t topology = plan->topology;
    if (topology == NULL || plan->cpus[worker] < 0) {
        return;
    }
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    hwloc_bitmap_only(set, (unsigned)plan->cpus[worker]);
    (void)hwloc_set_cpubind(topology, set, HWLOC_CPUBIND_THREAD);
    if (hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE) > 1) {
        (void)hwloc_set_membind(topology, set, HWLOC_MEMBIND_BIND, HWLOC_MEMBIND_THREAD);
    }
    hwloc_bitmap_free(set);
}

void wr_plan_place_close(struct wr_plan *plan)
{
    if (plan->topology != NULL) {
        hwloc_topology_destroy(plan->topology);
        plan->topology = NULL;
    }
}
