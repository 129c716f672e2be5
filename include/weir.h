// weir: dataflow over unbounded streams, in your own process. All of it, in reading order, but for
// weir/test.h, which tests include.
#ifndef WEIR_H
#define WEIR_H

#include <weir/api.h>
#include <weir/status.h>

#include <weir/event_time.h>
#include <weir/record.h>
#include <weir/str.h>

#include <weir/bind.h>
#include <weir/call.h>
#include <weir/job.h>
#include <weir/source.h>
#include <weir/window.h>

#include <weir/log.h>
#include <weir/log_stream.h>
#include <weir/outbox.h>

#include <weir/main.h>
#include <weir/run.h>

#endif // WEIR_H
