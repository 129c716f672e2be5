// A job as it is built: nodes, the first mistake, the whole-graph checks.
#include "runtime/graph/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

weir_job *weir_job_open(const char *name)
{
    weir_job *job = wr_alloc(sizeof(*job));
    job->name     = wr_copy_text(name != NULL ? name : "job");
    return job;
}

static void graph_node_free(struct wr_graph_node *node)
{
    if (node->free_options != NULL) {
        node->free_options((void *)(uintptr_t)node->spec.options);
    } else {
        wr_free((void *)(uintptr_t)node->spec.options);
    }
    wr_free((void *)(uintptr_t)node->spec.parameters);
    wr_free((void *)(uintptr_t)node->spec.name);
    wr_free(node->formerly);
    wr_free(node->inputs);
    wr_free(node->outputs);
    wr_free(node);
}

void weir_job_close(weir_job *job)
{
    if (job == NULL) {
        return;
    }
    for (uint32_t i = 0; i < job->node_count; i++) {
        graph_node_free(job->nodes[i]);
    }
    wr_tally_close(job->tally);
    wr_free(job->nodes);
    wr_free(job->error);
    wr_free(job->name);
    wr_free(job);
}

const char *weir_job_error(const weir_job *job) { return job->error; }
weir_status weir_job_status(const weir_job *job)
{
    return job->error != NULL ? job->error_status : WEIR_OK;
}
const char *weir_job_name(const weir_job *job) { return job->name; }

void wr_job_mistake(weir_job *job, weir_status status, const char *sentence, ...)
{
    if (job == NULL || job->error != NULL) {
        return;
    }
    char    text[1024];
    va_list arguments;
    va_start(arguments, sentence);
    (void)vsnprintf(text, sizeof(text), sentence, arguments);
    va_end(arguments);
    job->error        = wr_format("%s: %s", job->name, text);
    job->error_status = status;
}

struct wr_graph_node *wr_job_node(weir_stream stream)
{
    if (stream.job == NULL || stream.job->error != NULL || stream.node >= stream.job->node_count) {
        return NULL;
    }
    return stream.job->nodes[stream.node];
}

// Follows the first input back to a source. Bounded by the number of nodes, so that it also ends in
// a graph with a cycle.
char *wr_job_path(const weir_job *job, uint32_t node)
{
    char *path = wr_copy_text(job->nodes[node]->spec.name);
    for (uint32_t steps = 0; steps < job->node_count && job->nodes[node]->input_count > 0;
         steps++) {
        node         = job->nodes[node]->inputs[0].node;
        char *longer = wr_format("%s > %s", job->nodes[node]->spec.name, path);
        wr_free(path);
        path = longer;
    }
    return path;
}

// ---- checks of the whole ----

enum visit { VISIT_NOT_YET, VISIT_OPEN, VISIT_DONE };

// Depth first along inputs; an open node met again closes a cycle, which is named.
static bool job_visit(weir_job *job, uint32_t node, enum visit *visits)
{
    if (visits[node] == VISIT_DONE) {
        return true;
    }
    if (visits[node] == VISIT_OPEN) {
        char *path = wr_job_path(job, node);
        wr_job_mistake(
            job, WEIR_USAGE,
            "%s: its input leads back to %s itself, a cycle; a job graph must not have any", path,
            job->nodes[node]->spec.name);
        wr_free(path);
        return false;
    }
    visits[node] = VISIT_OPEN;
    for (uint32_t i = 0; i < job->nodes[node]->input_count; i++) {
        if (!job_visit(job, job->nodes[node]->inputs[i].node, visits)) {
            return false;
        }
    }
    visits[node] = VISIT_DONE;
    return true;
}

static bool job_has_no_cycle(weir_job *job)
{
    enum visit *visits = wr_alloc(sizeof(*visits) * (job->node_count + 1));
    bool        is_ok  = true;
    for (uint32_t i = 0; is_ok && i < job->node_count; i++) {
        is_ok = job_visit(job, i, visits);
    }
    wr_free(visits);
    return is_ok;
}

// State is found by name, so two operators must not share one.
static bool job_names_are_unique(weir_job *job)
{
    for (uint32_t i = 0; i < job->node_count; i++) {
        const struct wr_graph_node *node = job->nodes[i];
        for (uint32_t k = 0; k < i; k++) {
            const struct wr_graph_node *other = job->nodes[k];
            if (strcmp(node->spec.name, other->spec.name) != 0) {
                continue;
            }
            if (node->kind == WR_GRAPH_ROUTE || other->kind == WR_GRAPH_ROUTE) {
                continue;
            }
            char *path  = wr_job_path(job, i);
            char *first = wr_job_path(job, k);
            wr_job_mistake(job, WEIR_USAGE,
                           "%s: the name \"%s\" is already taken by %s; state is found by name, so "
                           "give one of them another with weir_name",
                           path, node->spec.name, first);
            wr_free(path);
            wr_free(first);
            return false;
        }
    }
    return true;
}

// What was stored under a name cannot be the state of two operators.
static bool job_former_names_are_free(weir_job *job)
{
    for (uint32_t i = 0; i < job->node_count; i++) {
        const char *formerly = job->nodes[i]->formerly;
        for (uint32_t k = 0; k < job->node_count && formerly != NULL; k++) {
            const struct wr_graph_node *other = job->nodes[k];
            const bool                  is_former =
                k != i && other->formerly != NULL && strcmp(other->formerly, formerly) == 0;
            if (is_former || strcmp(other->spec.name, formerly) == 0) {
                wr_job_mistake(job, WEIR_USAGE,
                               "%s: it was formerly named \"%s\", and so is, or was, %s; only one "
                               "operator can have the state of that name",
                               job->nodes[i]->spec.name, formerly, other->spec.name);
                return false;
            }
        }
    }
    return true;
}

bool wr_job_check(weir_job *job)
{
    if (job->error != NULL) {
        return false;
    }
    if (job->node_count == 0) {
        wr_job_mistake(job, WEIR_USAGE,
                       "the job is empty; begin with a source, such as weir_generate");
        return false;
    }
    return job_has_no_cycle(job) && job_names_are_unique(job) && job_former_names_are_free(job);
}

// ---- counters ----

uint64_t weir_job_counter(const weir_job *job, const char *operator_name, weir_counter counter)
{
    if (operator_name == NULL) {
        return 0;
    }
    return job->run != NULL ? wr_run_counter_any(job->run, operator_name, (enum wr_counter)counter)
                            : wr_tally_counter(job->tally, operator_name, (enum wr_counter)counter);
}

uint64_t weir_job_sources_counter(const weir_job *job, weir_counter counter)
{
    return job->run != NULL ? wr_run_counter_any(job->run, NULL, (enum wr_counter)counter)
                            : wr_tally_counter(job->tally, NULL, (enum wr_counter)counter);
}

static bool job_reads_dead_letters_of(const weir_job *job, uint32_t node)
{
    for (uint32_t i = 0; i < job->node_count; i++) {
        for (uint32_t k = 0; k < job->nodes[i]->input_count; k++) {
            const struct wr_graph_input *input = &job->nodes[i]->inputs[k];
            if (input->node == node && input->output == WR_OUTPUT_REJECTS) {
                return true;
            }
        }
    }
    return false;
}

uint64_t wr_job_unread_dead_letters(const weir_job *job)
{
    uint64_t unread = 0;
    for (uint32_t i = 0; i < job->node_count; i++) {
        if (!job_reads_dead_letters_of(job, i)) {
            unread += wr_tally_counter(job->tally, job->nodes[i]->spec.name, WR_REJECTED);
        }
    }
    return unread;
}
