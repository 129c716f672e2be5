// text sink: the bytes of each record's field `text`, as they are, and a newline.
#include "connectors/file/file_sink.h"
#include "connectors/options/options.h"

#include <string.h>

struct text_plan {
    uint32_t text_at;
};

static void *text_open(const weir_type *type, const struct wr_sink_format_options *format)
{
    (void)format;
    struct text_plan *plan = wr_alloc(sizeof(*plan));
    plan->text_at          = weir_type_field(type, "text")->offset;
    return plan;
}

static void text_close(void *plan) { wr_free(plan); }

static const weir_str *text_of(const void *plan, const void *record)
{
    const struct text_plan *text = plan;
    return (const weir_str *)(const void *)((const char *)record + text->text_at);
}

static size_t text_bound(const void *plan, const void *record)
{
    return (size_t)text_of(plan, record)->length + 1;
}

static size_t text_write(const void *plan, const void *record, bool is_retracted, char *to)
{
    const weir_str *text = text_of(plan, record);
    (void)is_retracted;
    memcpy(to, weir_str_bytes(text), text->length);
    to[text->length] = '\n';
    return (size_t)text->length + 1;
}

weir_stream weir_to_text(weir_stream in, const weir_file_sink_options *options)
{
    static const struct wr_sink_format format = {
        .extension = ".txt",
        .open      = text_open,
        .close     = text_close,
        .bound     = text_bound,
        .write     = text_write,
    };
    const weir_type *type = wr_stream_type(in);
    if (type != NULL) {
        const weir_field *field = weir_type_field(type, "text");
        if (field == NULL || field->kind != WEIR_KIND_STR) {
            return wr_job_refuse(in.job, "to_text: %s has no field \"text\" that is a weir_str",
                                 type->name);
        }
    }
    return wr_file_sink_add(in, "to_text", options, &format, false);
}
