// SPDX-License-Identifier: Apache-2.0
/* What each message of a client does. */
#include "agent/daemon/control_internal.h"

#include <errno.h>
#include <stdio.h>

enum { CONFIG_BYTES_MAX = SONDE_WIRE_DAEMON_MAX - 64 };

static void greet(struct sonde_client *cl, const Sonde__Frame *in)
{
	Sonde__Hello hello;
	Sonde__Frame out = SONDE__FRAME__INIT;

	sonde__hello__init(&hello);
	if (in->body_case != SONDE__FRAME__BODY_HELLO) {
		sonde_client_refuse(cl, SONDE__ERROR__CODE__BAD_FRAME,
				    "the first message must be Hello");
		return;
	}
	cl->state = SONDE_CLIENT_SERVING;
	hello.version = sonde_wire_string(SONDE_VERSION);
	hello.schema = SONDE_SCHEMA;
	hello.access = (Sonde__Access)cl->access;
	out.body_case = SONDE__FRAME__BODY_HELLO;
	out.hello = &hello;
	sonde_client_reply(cl, &out);
}

static void subscribe(struct sonde_client *cl, const Sonde__Subscribe *in)
{
	Sonde__Subscribed done = SONDE__SUBSCRIBED__INIT;
	Sonde__Frame out = SONDE__FRAME__INIT;
	struct sonde_filter *filter;
	char why[128];
	int err;

	if (cl->filter) {
		sonde_client_error(cl, SONDE__ERROR__CODE__BUSY, "already subscribed");
		return;
	}
	err = sonde_filter_new(in->connections ? SONDE_FILTER_CONNECTIONS : SONDE_FILTER_REQUESTS,
			       in->filter, &filter, why, sizeof(why));
	if (err) {
		sonde_client_error(cl,
				   err == -EINVAL ? SONDE__ERROR__CODE__INVALID
						  : SONDE__ERROR__CODE__INTERNAL,
				   why);
		return;
	}
	cl->filter = filter;
	cl->connections = in->connections;
	cl->limited = in->limited;
	cl->remaining = in->limit ? in->limit : UINT64_MAX;
	cl->losses = (struct sonde_client_losses){ 0 };
	cl->control->stats.subscribers++;
	out.body_case = SONDE__FRAME__BODY_SUBSCRIBED;
	out.subscribed = &done;
	sonde_client_reply(cl, &out);
}

static void send_config(struct sonde_client *cl)
{
	const struct sonde_control_source *src = &cl->control->source;
	Sonde__Config config;
	Sonde__Frame out = SONDE__FRAME__INIT;
	struct sonde_buf text;

	sonde__config__init(&config);
	sonde_buf_init(&text, CONFIG_BYTES_MAX);
	if (src->config(src->ctx, &text) == 0)
		sonde_buf_put_byte(&text, '\0');
	else
		text.failed = true;
	if (text.failed) {
		sonde_client_error(cl, SONDE__ERROR__CODE__INTERNAL,
				   "the config cannot be printed");
	} else {
		config.text = (char *)text.ptr;
		out.body_case = SONDE__FRAME__BODY_CONFIG;
		out.config = &config;
		sonde_client_reply(cl, &out);
	}
	sonde_buf_fini(&text);
}

/* The least role for each message; those that are not here are not for the daemon. */
static enum sonde_access needed(const Sonde__Frame *frame)
{
	switch (frame->body_case) {
	case SONDE__FRAME__BODY_SUBSCRIBE:
	case SONDE__FRAME__BODY_GET_CONNECTIONS:
	case SONDE__FRAME__BODY_GET_EVENTS:
		return SONDE_ACCESS_TRACE;
	case SONDE__FRAME__BODY_GET_STATUS:
	case SONDE__FRAME__BODY_GET_SERIES:
	case SONDE__FRAME__BODY_GET_EDGES:
	case SONDE__FRAME__BODY_GET_CONFIG:
		return SONDE_ACCESS_VIEW;
	case SONDE__FRAME__BODY_LIMIT_REQUEST:
		return SONDE_ACCESS_CONTROL;
	default:
		return SONDE_ACCESS_NONE;
	}
}

static bool is_allowed(struct sonde_client *cl, const Sonde__Frame *frame)
{
	enum sonde_access least = needed(frame);
	char why[96];

	if (least == SONDE_ACCESS_NONE) {
		sonde_client_error(cl, SONDE__ERROR__CODE__UNSUPPORTED,
				   "not a message that this daemon (" SONDE_VERSION ") answers");
		return false;
	}
	if (cl->access >= least)
		return true;
	snprintf(why, sizeof(why), "needs the role %s, yours is %s", sonde_access_name(least),
		 sonde_access_name(cl->access));
	sonde_client_error(cl, SONDE__ERROR__CODE__DENIED, why);
	return false;
}

void sonde_client_handle(struct sonde_client *cl, Sonde__Frame **frame)
{
	if (cl->state == SONDE_CLIENT_GREETING) {
		greet(cl, *frame);
		return;
	}
	if (!is_allowed(cl, *frame))
		return;
	switch ((*frame)->body_case) {
	case SONDE__FRAME__BODY_SUBSCRIBE:
		subscribe(cl, (*frame)->subscribe);
		break;
	case SONDE__FRAME__BODY_GET_STATUS:
		sonde_client_send_status(cl);
		break;
	case SONDE__FRAME__BODY_GET_SERIES:
	case SONDE__FRAME__BODY_GET_CONNECTIONS:
	case SONDE__FRAME__BODY_GET_EVENTS:
	case SONDE__FRAME__BODY_GET_EDGES:
		sonde_client_begin_dump(cl, frame);
		break;
	case SONDE__FRAME__BODY_GET_CONFIG:
		send_config(cl);
		break;
	case SONDE__FRAME__BODY_LIMIT_REQUEST:
		sonde_client_limit(cl, (*frame)->limit_request);
		break;
	default:
		break;
	}
}
