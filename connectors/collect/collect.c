// collect: records kept in memory, in the order they arrive, with their strings; for tests.
//
// One task writes a collection while the job runs; whoever opened it reads it after that.
#include "connectors/collect/collection.h"

struct collect_options {
    weir_collection *into;
};

// ---- the operator ----

static void collect_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    const struct collect_options *options = node->spec->options;
    wr_collection_add_batch(options->into, inlet);
}

static const char *collect_guarantee(struct wr_environment *environment, const void *options)
{
    (void)environment;
    (void)options;
    return "at least once (it is kept in memory)";
}

static const struct wr_operator collect_operator = {
    .verb       = "collect",
    .node_bytes = sizeof(struct wr_node),
    .rows       = collect_rows,
    .guarantee  = collect_guarantee,
    .uses_time  = true,
};

static void collect_free_options(void *options) { wr_free(options); }

weir_stream weir_collect(weir_stream in, weir_collection *into)
{
    const weir_type *type = wr_stream_type(in);
    if (type == NULL) {
        return (weir_stream){ .job = NULL }; // an earlier mistake
    }
    if (into == NULL || !wr_collection_attach(into, type)) {
        return wr_job_refuse(in.job, "collect: the collection %s; open one for each stream",
                             into == NULL ? "is NULL" : "already takes another stream's records");
    }
    struct collect_options *options = wr_alloc(sizeof(*options));
    options->into                   = into;

    char *const side = in.output == 0 ? wr_copy_text("") : wr_format(".%u", in.output);
    char *const name = wr_format("collect-%u%s", in.node, side);
    wr_free(side);
    const weir_stream out =
        wr_job_add_sink(in, &collect_operator, name, options, NULL, 1, collect_free_options);
    wr_free(name);
    return out;
}
